// SPDX-License-Identifier: Apache-2.0
// What happens to one row at a time between the matrix products: normalise, quantise, and the sums of a softmax.
//
// Every function works on rows of floats and returns the same bits on every variant: sums are sixteen partial sums,
// element i going to sum i mod 16, joined pairwise at distance 8, 4, 2, 1; exp is simd/coefficients.h; division and
// square root are IEEE's. Rows do not see each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/cpu.h"

namespace shorthand::rowwise {

inline constexpr float kLayerNormEpsilon = 1e-5f;

// y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta over [rows, n]; mean and variance are two passes over the row.
// y may be x.
struct LayerNorm {
  const float* gamma;  // [n]
  const float* beta;   // [n]
  int n;
};
using LayerNormFn = void (*)(const LayerNorm& ln, const float* x, size_t x_stride, int rows, float* y, size_t y_stride);

// q = round(x * 127 / absmax) + 128 as a byte, scale = absmax / 127, for every group of `group` floats of a row. A
// group of zeros has the scale 0. group is a multiple of 16. scales [rows, n / group] lie scale_stride apart.
struct Quantised {
  uint8_t* q;
  size_t q_stride;
  float* scales;
  size_t scale_stride;
};
using QuantiseFn = void (*)(const float* x, size_t x_stride, int rows, int n, int group, const Quantised& out);

// What log-softmax of x [n] needs: the maximum, where it first stands, and the sum of exp(x - max). -inf entries count
// nothing. With every entry -inf or n = 0: max = -inf, argmax = 0, sum = 0.
struct SoftmaxSums {
  float max;
  int argmax;
  float sum_exp;
};
using SoftmaxSumsFn = SoftmaxSums (*)(const float* x, int n);

struct Variant {
  Isa isa;
  LayerNormFn layer_norm;
  QuantiseFn quantise;
  SoftmaxSumsFn softmax_sums;
};
std::span<const Variant> variants();
const Variant& choose(Isa cap);

}  // namespace shorthand::rowwise
