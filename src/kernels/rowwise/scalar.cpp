// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <algorithm>
#include <cmath>
#include <cstring>
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

namespace {

// Calls fn with pointers to the same lane of `radix` vectors `stride` apart, over all vectors and lanes.
template <int radix, class Fn>
void for_butterflies(float* y, int count, int lanes, int stride, Fn fn) {
  const size_t step = static_cast<size_t>(stride) * static_cast<size_t>(lanes);
  for (size_t group = 0; group < static_cast<size_t>(count) * static_cast<size_t>(lanes); group += radix * step) {
    for (size_t i = group; i < group + step; ++i) fn(y + i, step);
  }
}

void mix_four(float* v, size_t step) {
  const float sum01 = v[0] + v[step], difference01 = v[0] - v[step];
  const float sum23 = v[2 * step] + v[3 * step], difference23 = v[2 * step] - v[3 * step];
  v[0] = sum01 + difference23;
  v[step] = difference01 + sum23;
  v[2 * step] = sum01 - difference23;
  v[3 * step] = difference01 - sum23;
}

void unmix_four(float* v, size_t step) {
  const float sum01 = v[0] + v[step], difference01 = v[0] - v[step];
  const float sum23 = v[2 * step] + v[3 * step], difference23 = v[2 * step] - v[3 * step];
  v[0] = sum01 + sum23;
  v[step] = difference01 + difference23;
  v[2 * step] = sum01 - sum23;
  v[3 * step] = difference23 - difference01;
}

// Its own inverse.
void mix_two(float* v, size_t step) {
  const float sum = v[0] + v[step], difference = v[0] - v[step];
  v[0] = sum;
  v[step] = difference;
}

// What is left of the factors, their own inverse too. Vectors count / b apart mix.
void mix_rest(float* y, int count, int lanes, int b) {
  const size_t step = static_cast<size_t>(count / b) * static_cast<size_t>(lanes);
  const float part = 2.0f / static_cast<float>(b);
  for (size_t i = 0; i < step; ++i) {
    float sum = y[i];
    for (size_t k = 1; k < static_cast<size_t>(b); ++k) sum += y[i + k * step];
    for (size_t k = 0; k < static_cast<size_t>(b); ++k) y[i + k * step] -= part * sum;
  }
}

template <class Four>
void mix_all(float* y, int count, int lanes, Four four) {
  int stride = 1;
  for (; count / stride % 4 == 0; stride *= 4) for_butterflies<4>(y, count, lanes, stride, four);
  if (count / stride % 2 == 0) {
    for_butterflies<2>(y, count, lanes, stride, mix_two);
    stride *= 2;
  }
  if (count > stride) mix_rest(y, count, lanes, count / stride);
}

}  // namespace

void mix_vectors(float* y, int count, int lanes) { mix_all(y, count, lanes, mix_four); }
void unmix_vectors(float* y, int count, int lanes) { mix_all(y, count, lanes, unmix_four); }

void mix_scalar(const float* x, int n, float* y) {
  const int width = mixed_width(n);
  std::memmove(y, x, static_cast<size_t>(n) * sizeof(float));
  std::fill(y + n, y + width, 0.0f);
  mix_vectors(y, width / kMixLanes, kMixLanes);
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

void quantise_fine_scalar(float* x, int n, const Quantised& out, const Quantised& rest) {
  float absmax = 0;
  for (int i = 0; i < n; ++i) absmax = std::max(absmax, std::fabs(x[i]));
  const float scale = *out.scales = absmax / 127.0f, inverse = absmax > 0 ? 127.0f / absmax : 0.0f;
  for (int i = 0; i < n; ++i) {
    const int32_t q = simd::round_to_int(x[i] * inverse);
    out.q[i] = static_cast<uint8_t>(q + 128);
    x[i] = std::fma(static_cast<float>(q), -scale, x[i]);
  }
  quantise_scalar(x, 0, 1, n, n, rest);
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
