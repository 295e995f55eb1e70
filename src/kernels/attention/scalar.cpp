// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::attention {

namespace {

// One row: its sums, visible keys, c.
BlockFactors weigh_row(const WeighInt8& in, const int32_t* sums, int keys, float c, RowState& state, uint8_t* weights) {
  std::memset(weights, 0, static_cast<size_t>(in.padded));
  if (keys <= 0) return {1, 0};
  float x[kBlockKeys], m = -INFINITY;
  for (int j = 0; j < keys; ++j) {
    const uint32_t sum = static_cast<uint32_t>(sums[j]) - static_cast<uint32_t>(in.key_bias[j]);
    x[j] = static_cast<float>(static_cast<int32_t>(sum)) * in.key_scales[j];
    m = std::max(m, x[j]);
  }
  simd::Sums16 total;
  const float base = m * c;
  float largest = 0;
  for (int j = 0; j < keys; ++j) {
    const float e = simd::exp2_scalar(std::fma(x[j], c, -base));
    total.lane[j % 16] += e;
    x[j] = e * in.value_scales[j];
    largest = std::max(largest, x[j]);
  }
  if (largest > 0) {  // else every value is zero
    const float levels = kLevels / largest;
    for (int j = 0; j < keys; ++j)  // what overflows is INT32_MIN, and no weight
      weights[j] = static_cast<uint8_t>(std::max(simd::round_to_int(x[j] * levels), 0));
  }
  const float rise = (m - state.largest) * c, fade = simd::exp2_scalar(-std::fabs(rise));
  const float keep = rise > 0 ? fade : 1.0f, add = rise > 0 ? 1.0f : fade;
  for (int i = 0; i < 16; ++i) state.total[i] = std::fma(state.total[i], keep, total.lane[i] * add);
  state.largest = std::max(state.largest, m);
  return {keep, largest > 0 ? largest / kLevels * add : 0.0f};
}

}  // namespace

void weigh_int8_scalar(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors) {
  for (int r = 0; r < in.rows; ++r) {
    factors[r] =
        weigh_row(in, in.sums + r * in.padded, in.keys[r], in.query_scales[r], states[r], weights + r * in.padded);
  }
}

void add_block_scalar(const int32_t* sums, const BlockFactors* factors, int rows, float* acc) {
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < kHeadDim; ++i, ++sums, ++acc)
      *acc = std::fma(static_cast<float>(*sums), factors[r].add, *acc * factors[r].keep);
  }
}

float weigh_float_scalar(float* scores, int keys, int padded) {
  float m = -INFINITY;
  for (int j = 0; j < keys; ++j) m = std::max(m, scores[j]);
  simd::Sums16 total;
  for (int j = 0; j < keys; ++j) {
    scores[j] = simd::exp_scalar((scores[j] - m) * kQueryScale);
    total.lane[j % 16] += scores[j];
  }
  for (int j = keys; j < padded; ++j) scores[j] = 0;
  return 1.0f / total.joined();
}

}  // namespace shorthand::attention
