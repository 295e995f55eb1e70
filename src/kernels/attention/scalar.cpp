// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::attention {

float weigh_int8_scalar(const WeighInt8& in, float* work, uint8_t* weights, float* block_scales) {
  float m = -INFINITY;
  for (int j = 0; j < in.keys; ++j) {
    const uint32_t sum = static_cast<uint32_t>(in.sums[j]) - static_cast<uint32_t>(in.key_bias[j]);
    work[j] = static_cast<float>(static_cast<int32_t>(sum)) * in.key_scales[j];
    m = std::max(m, work[j]);
  }
  simd::Sums16 total;
  std::memset(weights, 0, static_cast<size_t>(in.padded));
  for (int first = 0; first < in.padded; first += kBlockKeys) {
    const int end = std::min(first + kBlockKeys, in.keys);
    float largest = 0;
    for (int j = first; j < end; ++j) {
      const float e = simd::exp_scalar((work[j] - m) * in.query_scale);
      total.lane[j % 16] += e;
      work[j] = e * in.value_scales[j];
      largest = std::max(largest, work[j]);
    }
    block_scales[first / kBlockKeys] = largest > 0 ? largest / kLevels : 0.0f;
    if (!(largest > 0)) continue;  // every value is zero
    const float levels = kLevels / largest;
    for (int j = first; j < end; ++j)  // what overflows is INT32_MIN, and no weight
      weights[j] = static_cast<uint8_t>(std::max(simd::round_to_int(work[j] * levels), 0));
  }
  return 1.0f / total.joined();
}

void add_block_scalar(const int32_t* sums, const float* scales, int rows, float* acc) {
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < kHeadDim; ++i, ++sums, ++acc)
      *acc = std::fma(static_cast<float>(*sums), scales[r * kMaxKeyBlocks], *acc);
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
