// SPDX-License-Identifier: Apache-2.0
// Attention of one head: out[row] = sum_j softmax_j(q[row] . k[j] / sqrt(64)) v[j], over int8 or float keys and values.
//
// Queries [rows, 64] and results are float; keys and values lie in a cache that grows by store(). With `causal`, the
// rows are the last of the keys: row r of R sees all but the last R - 1 - r. Row by row the result is the same whatever
// else is asked for in the call, and in int8 it is the same bits on every variant.
//
// int8. Queries, keys and values are quantised row by row and head by head, absmax / 127. For one row, block by block
// of kBlockKeys keys under an online softmax, over its visible ones and with c = q_scale / 8 * log2(e):
//   x_j = float(q . k_j) * key_scale_j;  m' = max x_j;  e_j = 2^fma(x_j, c, -(m' c));  l' = sum e_j (16 partial sums)
//   w_j = e_j * value_scale_j;  M = max w_j;  p_j = round(w_j * (255 / M))
//   f = 2^-|(m' - m) c|;  keep = f where m' > m, else 1;  add = 1 where m' > m, else f;  m = max(m, m')
//   l = fma(l, keep, l' add);  acc = fma(float(sum_j p_j v_j), M / 255 * add, acc * keep);  at last out = acc * (1 / l)
// So the scores of a block stay in the nearest cache. Both products are exact in 32 bits: q . k as in gemm_i8, and
// 255 * 127 * kBlockKeys < 2^23, exact as a float too. With one scale for all keys 8 bits would cost 1 to 3 dB of the
// encoder's output; with one a block they cost none (docs/numerics.md). For weights of 8 bits 2^x is a polynomial of
// degree 3 (simd/coefficients.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/aligned.h"
#include "base/cpu.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_i8/gemm_i8.h"
#include "kernels/rowwise/rowwise.h"

namespace shorthand::attention {

inline constexpr int kHeadDim = 64;  // of every Whisper model
inline constexpr int kMaxKeys = 2048;
inline constexpr int kKeyAlign = 64;  // capacities are multiples of this
inline constexpr int kMaxBlockRows = 32;
inline constexpr int kBlockKeys = 256;  // that share a scale of their weights

// Keys and values of one layer and one sequence; a view, the memory belongs to the session. Both matrices are panels as
// the matrix products read them: a key is a column of a [keys, 64] matrix B, a component of the values a column of a
// [64, keys] one.
struct Int8Cache {
  int heads = 0, capacity = 0;
  int8_t* keys = nullptr;         // [heads][capacity / 16][64 / 4][16][4]
  int8_t* values = nullptr;       // [heads][64 / 16][capacity / 4][16][4]
  float* key_scales = nullptr;    // [heads, capacity]
  int32_t* key_bias = nullptr;    // [heads, capacity]: 128 * sum of the key's components
  float* value_scales = nullptr;  // [heads, capacity]
};
struct FloatCache {
  int heads = 0, capacity = 0;
  float* keys = nullptr;    // [heads][capacity / 16][64][16]
  float* values = nullptr;  // [heads][64 / 16][capacity][16]
};

// Bytes that a cache needs, each array on its own 64-byte boundary, and the view of such memory.
size_t int8_cache_bytes(int heads, int capacity);
Int8Cache int8_cache_in(std::byte* memory, int heads, int capacity);
size_t float_cache_bytes(int heads, int capacity);
FloatCache float_cache_in(std::byte* memory, int heads, int capacity);

// Writes `rows` keys and values from key `first` on. k and v are [rows, heads * 64] float.
void store(const rowwise::Variant& rowwise, const Int8Cache& cache, int first, const float* k, size_t k_stride,
           const float* v, size_t v_stride, int rows);
void store(const FloatCache& cache, int first, const float* k, size_t k_stride, const float* v, size_t v_stride,
           int rows);

// What a row knows of the blocks before.
struct RowState {
  alignas(64) float total[16];  // l, sixteen partial sums
  float largest;                // m
  static RowState none() { return {{}, -std::numeric_limits<float>::infinity()}; }
};
// Rows of scores of one block to weights; see the formulas above.
struct WeighInt8 {
  int32_t* sums;  // [rows, padded]: q . k_j with the bias of q; spent afterwards
  const int32_t* key_bias;
  const float* key_scales;
  const float* value_scales;
  const float* query_scales;  // [rows]: c
  const int* keys;            // [rows]: visible ones, or less than one
  int rows, padded;           // padded <= kBlockKeys, a multiple of kKeyAlign
};
// What becomes of a row's values: acc = fma(float(sum_j p_j v_j), add, acc * keep).
struct BlockFactors {
  float keep, add;
};
// Writes p [rows, padded], zeros behind the visible keys, and factors [rows].
using WeighInt8Fn = void (*)(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors);
// sums [rows, 64] into acc [rows, 64], factors [rows].
using AddBlockFn = void (*)(const int32_t* sums, const BlockFactors* factors, int rows, float* acc);
// scores[j] = exp((scores[j] - max) / 8), zero from `keys` to `padded`; returns 1 / sum.
using WeighFloatFn = float (*)(float* scores, int keys, int padded);

struct Variant {
  Isa isa;
  WeighInt8Fn weigh_int8;
  AddBlockFn add_block;
  WeighFloatFn weigh_float;
};
std::span<const Variant> variants();
const Variant& choose(Isa cap);

// What attend() writes on the way, for one thread.
struct Scratch {
  AlignedBuffer<float> scores{static_cast<size_t>(kMaxBlockRows) * kMaxKeys};  // float attention's
  AlignedBuffer<int32_t> sums{static_cast<size_t>(kMaxBlockRows) * kBlockKeys};
  AlignedBuffer<uint8_t> query{static_cast<size_t>(kMaxBlockRows) * kHeadDim};
  AlignedBuffer<uint8_t> weights{static_cast<size_t>(kMaxBlockRows) * kBlockKeys};
  AlignedBuffer<RowState> states{kMaxBlockRows};
  AlignedBuffer<float> acc{static_cast<size_t>(kMaxBlockRows) * kHeadDim};
};

struct Rows {
  const float* q = nullptr;  // [rows, 64]: the head's part of wider rows
  size_t q_stride = 0;
  float* out = nullptr;  // [rows, 64], may be q
  size_t out_stride = 0;
  int rows = 0;
  int keys = 0;  // stored so far, <= capacity
  bool causal = false;
};

struct Int8Kernels {
  const gemm_i8::Variant* product;
  const rowwise::Variant* rowwise;
  const Variant* weigh;
};
void attend(const Int8Kernels& kernels, const Int8Cache& cache, int head, const Rows& rows, Scratch& scratch);

struct FloatKernels {
  const gemm_f32::Variant* product;
  const Variant* weigh;
};
void attend(const FloatKernels& kernels, const FloatCache& cache, int head, const Rows& rows, Scratch& scratch);

}  // namespace shorthand::attention
