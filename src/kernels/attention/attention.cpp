// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "kernels/attention/variants.h"
#include "kernels/choose.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::attention {
namespace {

constexpr std::array kVariants = {
    Variant{Isa::scalar, weigh_int8_scalar, add_block_scalar, weigh_float_scalar},
    Variant{Isa::avx2, weigh_int8_avx2, add_block_avx2, weigh_float_avx2},
    Variant{Isa::avx512vnni, weigh_int8_avx512, add_block_avx512, weigh_float_avx512},
};

constexpr int kColumns = gemm_i8::kPanelColumns;
constexpr int kMinBlockRows = 12;                             // queries that share what is read of the keys
constexpr float kQueryScaleLog2 = kQueryScale * 1.44269504f;  // log2(e)
static_assert(kColumns == gemm_f32::kPanelColumns);

size_t size(int n) { return static_cast<size_t>(n); }

// Elements of one head's keys, and of its values.
size_t head_elements(int capacity) { return size(capacity) * kHeadDim; }

// Keys that row r sees.
int visible_keys(const Rows& rows, int r) { return rows.causal ? rows.keys - (rows.rows - 1 - r) : rows.keys; }

}  // namespace

std::span<const Variant> variants() { return kVariants; }

const Variant& choose(Isa cap) { return choose_variant(kVariants, cap); }

void attend(const Int8Kernels& kernels, const Int8Cache& cache, int head, const Rows& all, Scratch& scratch) {
  const int padded = static_cast<int>(round_up(size(all.keys), kKeyAlign));
  const int8_t* keys = cache.keys + size(head) * head_elements(cache.capacity);
  const int8_t* values = cache.values + size(head) * head_elements(cache.capacity);
  const size_t scale_at = size(head) * size(cache.capacity);
  const int block = std::clamp(kernels.product->tile_rows, kMinBlockRows, kMaxBlockRows);
  assert(!all.causal || all.rows <= all.keys);
  for (int start = 0; start < all.rows; start += block) {
    const int rows = std::min(block, all.rows - start);
    const float* q = all.q + size(start) * all.q_stride;
    float query_scales[kMaxBlockRows];
    kernels.rowwise->quantise(q, all.q_stride, rows, kHeadDim, kHeadDim,
                              {scratch.query.data(), kHeadDim, query_scales, 1});
    for (int r = 0; r < rows; ++r) query_scales[r] *= kQueryScaleLog2;
    float* const acc = scratch.acc.data();
    std::fill_n(acc, rows * kHeadDim, 0.0f);
    std::fill_n(scratch.states.data(), rows, RowState::none());
    for (int key = 0; key < padded; key += kBlockKeys) {
      const int here = std::min(kBlockKeys, padded - key);
      int32_t* const sums = scratch.sums.data();  // of the queries and keys, then of the weights and values
      uint8_t* const weights = scratch.weights.data();
      kernels.product->tile(scratch.query.data(), kHeadDim, rows, keys + size(key) * kHeadDim,
                            size(kHeadDim) * kColumns, gemm_i8::panel_count(std::min(here, all.keys - key)), kHeadDim,
                            sums, size(here));
      int visible[kMaxBlockRows];
      for (int r = 0; r < rows; ++r) visible[r] = std::min(visible_keys(all, start + r) - key, here);
      BlockFactors factors[kMaxBlockRows];
      kernels.weigh->weigh_int8({sums, cache.key_bias + scale_at + key, cache.key_scales + scale_at + key,
                                 cache.value_scales + scale_at + key, query_scales, visible, rows, here},
                                scratch.states.data(), weights, factors);
      kernels.product->tile(weights, size(here), rows, values + size(key) * kColumns, size(cache.capacity) * kColumns,
                            kHeadDim / kColumns, here, sums, kHeadDim);
      kernels.weigh->add_block(sums, factors, rows, acc);
    }
    for (int r = 0; r < rows; ++r) {
      simd::Sums16 total;
      std::copy_n(scratch.states[size(r)].total, 16, total.lane);
      const float scale = 1.0f / total.joined();
      float* out = all.out + size(start + r) * all.out_stride;
      for (int i = 0; i < kHeadDim; ++i) out[i] = acc[r * kHeadDim + i] * scale;
    }
  }
}

void attend(const FloatKernels& kernels, const FloatCache& cache, int head, const Rows& all, Scratch& scratch) {
  const int padded = static_cast<int>(round_up(size(all.keys), kKeyAlign));
  const float* keys = cache.keys + size(head) * head_elements(cache.capacity);
  const float* values = cache.values + size(head) * head_elements(cache.capacity);
  float* scores = scratch.scores.data();
  for (int start = 0; start < all.rows; start += kMaxBlockRows) {
    const int rows = std::min(kMaxBlockRows, all.rows - start);
    kernels.product->tile(all.q + size(start) * all.q_stride, all.q_stride, rows, keys, size(kHeadDim) * kColumns,
                          gemm_f32::panel_count(all.keys), kHeadDim, scores, size(padded));
    float out_scales[kMaxBlockRows];
    for (int r = 0; r < rows; ++r) {
      out_scales[r] = kernels.weigh->weigh_float(scores + size(r) * size(padded), visible_keys(all, start + r), padded);
    }
    float* out = all.out + size(start) * all.out_stride;
    kernels.product->tile(scores, size(padded), rows, values, size(cache.capacity) * kColumns, kHeadDim / kColumns,
                          all.keys, out, all.out_stride);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < kHeadDim; ++i) out[size(r) * all.out_stride + size(i)] *= out_scales[r];
    }
  }
}

}  // namespace shorthand::attention
