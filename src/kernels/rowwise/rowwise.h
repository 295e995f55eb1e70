// SPDX-License-Identifier: Apache-2.0
// What happens to one row at a time between the matrix products: normalise, mix, quantise, and the sums of a softmax.
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

// The mix that goes before quantising: an orthogonal matrix, times a number that mix_gain() squares. It spreads what a
// few large elements hold over many, so that they no longer decide the step of a whole row; the other factor of a
// product is mixed as well, once, where it is packed: (M x) . (M w) = mix_gain * (x . w).
//
// A row of n floats, zeros behind it up to a multiple of 64, is seen as r vectors of kMixLanes, which mix with each
// other and never within: lane by lane y = M x, where M is the Kronecker product of these, each over vectors one stride
// apart, and the strides grow in this order. r = 4^a * {1, 2} * b, b odd:
//   a times      (a, b, c, d) -> (a + b) + (c - d), (a - b) + (c + d), (a + b) - (c - d), (a - b) - (c + d)
//   once, for 2  (a, b) -> a + b, a - b
//   once, for b  v -> v - (2 / b) * sum, the sum taken in the order of the vectors
// All but the second keep a constant flat: the one minus of the first stands where no sum of four can hide it.
inline constexpr int kMixLanes = 4;
constexpr int mixed_width(int n) { return (n + 63) / 64 * 64; }
// M M^T = mix_gain I: a power of two. count: of vectors.
constexpr float mix_gain(int count) {
  int gain = 1;
  while (count % (2 * gain) == 0) gain *= 2;
  return static_cast<float>(gain);
}
// y [mixed_width(n)] = M x [n]; y may be x.
using MixFn = void (*)(const float* x, int n, float* y);
// Any number of vectors of any width, in place: M, and M transposed. What mix() does is the first over vectors of
// kMixLanes.
void mix_vectors(float* y, int count, int lanes);
void unmix_vectors(float* y, int count, int lanes);

// One row x [n] as one group, and what rounding leaves of it, x - scale * q, as another: 15 bits an element. x is
// spent.
using QuantiseFineFn = void (*)(float* x, int n, const Quantised& out, const Quantised& rest);

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
  MixFn mix;
  QuantiseFn quantise;
  QuantiseFineFn quantise_fine;
  SoftmaxSumsFn softmax_sums;
};
std::span<const Variant> variants();
const Variant& choose(Isa cap);

}  // namespace shorthand::rowwise
