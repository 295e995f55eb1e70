// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/rowwise/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::rowwise {

void layer_norm_scalar(const LayerNorm& ln, const float* x, size_t x_stride, int rows, float* y, size_t y_stride) {
  for (int r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    simd::Sums16 sum, squares;
    for (int i = 0; i < ln.n; ++i) sum.lane[i % 16] += x[i];
    const float mean = sum.joined() / static_cast<float>(ln.n);
    for (int i = 0; i < ln.n; ++i) squares.lane[i % 16] = std::fma(x[i] - mean, x[i] - mean, squares.lane[i % 16]);
    const float scale = 1.0f / std::sqrt(squares.joined() / static_cast<float>(ln.n) + kLayerNormEpsilon);
    for (int i = 0; i < ln.n; ++i) y[i] = std::fma((x[i] - mean) * scale, ln.gamma[i], ln.beta[i]);
  }
}

void quantise_scalar(const float* x, size_t x_stride, int rows, int n, int group, const Quantised& out) {
  for (int r = 0; r < rows; ++r) {
    for (int g = 0; g < n / group; ++g) {
      const float* from = x + static_cast<size_t>(r) * x_stride + g * group;
      uint8_t* to = out.q + static_cast<size_t>(r) * out.q_stride + g * group;
      float absmax = 0;
      for (int i = 0; i < group; ++i) absmax = std::max(absmax, std::fabs(from[i]));
      out.scales[static_cast<size_t>(r) * out.scale_stride + static_cast<size_t>(g)] = absmax / 127.0f;
      const float inverse = absmax > 0 ? 127.0f / absmax : 0.0f;
      for (int i = 0; i < group; ++i) to[i] = static_cast<uint8_t>(simd::round_to_int(from[i] * inverse) + 128);
    }
  }
}

SoftmaxSums softmax_sums_scalar(const float* x, int n) {
  SoftmaxSums s{-std::numeric_limits<float>::infinity(), 0, 0};
  for (int i = 0; i < n; ++i) {
    if (x[i] > s.max) s = {x[i], i, 0};
  }
  if (s.max == -std::numeric_limits<float>::infinity()) return s;
  simd::Sums16 sum;
  for (int i = 0; i < n; ++i) sum.lane[i % 16] += simd::exp_scalar(x[i] - s.max);
  s.sum_exp = sum.joined();
  return s;
}

}  // namespace shorthand::rowwise
