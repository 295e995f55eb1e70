// SPDX-License-Identifier: Apache-2.0
// Attention of one head: out[row] = sum_j softmax_j(q[row] . k[j] / sqrt(64)) v[j], over int8 or float keys and values.
//
// Queries [rows, 64] and results are float; keys and values lie in a cache that grows by store(). With `causal`, the
// rows are the last of the keys: row r of R sees all but the last R - 1 - r. Row by row the result is the same whatever
// else is asked for in the call, and in int8 it is the same bits on every variant.
//
// int8. Queries, keys and values are quantised row by row and head by head, absmax / 127. For one row, over its visible
// keys:
//   x_j = float(q . k_j) * key_scale_j;  m = max x_j;  e_j = exp((x_j - m) * q_scale / 8);  l = sum e_j (16 partial
//   sums);  w_j = e_j * value_scale_j;  and block by block of kBlockKeys keys, with M = max w_j of the block:
//   p_j = round(w_j * (255 / M));  s = M / 255;  acc = fma(float(sum_j p_j v_j), s, acc);  at last out = acc * (1 / l)
// Both products are exact in 32 bits: q . k as in gemm_i8, and 255 * 127 * kBlockKeys < 2^23, exact as a float too.
// With one scale for all keys 8 bits would cost 1 to 3 dB of the encoder's output; with one a block they cost none
// (docs/numerics.md).
#pragma once

#include <cstddef>
#include <cstdint>
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
inline constexpr int kMaxKeyBlocks = kMaxKeys / kBlockKeys;

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

// One row of scores to weights; see the formulas above. `keys` are the visible ones; weights up to `padded` are zeroed.
struct WeighInt8 {
  const int32_t* sums;  // q . k_j with the bias of q
  const int32_t* key_bias;
  const float* key_scales;
  const float* value_scales;
  float query_scale;  // q_scale / 8
  int keys, padded;
};
// Returns 1 / l; writes p [padded] and s, one a block. `work` has room for `padded` floats.
using WeighInt8Fn = float (*)(const WeighInt8& in, float* work, uint8_t* weights, float* block_scales);
// acc [rows, 64] = fma(float(sums [rows, 64]), scales[row * kMaxKeyBlocks], acc).
using AddBlockFn = void (*)(const int32_t* sums, const float* scales, int rows, float* acc);
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
  AlignedBuffer<int32_t> sums{static_cast<size_t>(kMaxBlockRows) * kMaxKeys};
  AlignedBuffer<float> work{kMaxKeys};
  AlignedBuffer<uint8_t> query{static_cast<size_t>(kMaxBlockRows) * kHeadDim};
  AlignedBuffer<uint8_t> weights{static_cast<size_t>(kMaxBlockRows) * kMaxKeys};
  AlignedBuffer<float> block_scales{static_cast<size_t>(kMaxBlockRows) * kMaxKeyBlocks};
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
