// SPDX-License-Identifier: Apache-2.0
// What the float kernels compute, one number at a time. The vector forms do the same operations in the same order and
// return the same bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/simd/coefficients.h"

namespace shorthand::simd {

// The nearest integer, ties to even. What fits no 32-bit integer, and NaN, becomes INT32_MIN, as cvtps2dq has it.
inline int32_t round_to_int(float x) {
  return x >= -2147483648.0f && x < 2147483648.0f ? static_cast<int32_t>(std::lrintf(x)) : INT32_MIN;
}

// exp(x) for x <= 0; 0 for NaN.
inline float exp_scalar(float x) {
  if (!(x >= kExpLowest)) return 0.0f;
  const float n = std::nearbyint(x * kLog2E);
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x));
  float q = kExpQ[4];
  for (int i = 3; i >= 0; --i) q = std::fma(q, r, kExpQ[i]);
  const float mantissa = std::fma(std::fma(q, r, 1.0f), r, 1.0f);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(mantissa) + (static_cast<uint32_t>(static_cast<int>(n)) << 23));
}

// 2^x for x <= 0, within 7.5e-5 of it; 2^kExp2Lowest for NaN and below.
inline float exp2_scalar(float x) {
  const float t = x > kExp2Lowest ? x : kExp2Lowest, shifted = t + kToInteger, r = t - (shifted - kToInteger);
  float p = kExp2P[3];
  for (int i = 2; i >= 0; --i) p = std::fma(p, r, kExp2P[i]);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(shifted) << 23));
}

// log10(x) for x in [2^-126, inf).
inline float log10_scalar(float x) {
  const uint32_t above = std::bit_cast<uint32_t>(x) + (0x3f800000u - kRootHalfBits);
  const float n = static_cast<float>(static_cast<int32_t>(above >> 23) - 127);
  const float r = std::bit_cast<float>((above & 0x7fffffu) + kRootHalfBits) - 1.0f;
  float p = kLog10P[8];
  for (int i = 7; i >= 0; --i) p = std::fma(p, r, kLog10P[i]);
  return std::fma(n, kLog10Of2High, std::fma(n, kLog10Of2Low, p * r));
}

// -g(5.5), next to nothing, for NaN.
inline float gelu_scalar(float x) {
  const float magnitude = std::fabs(x), a = magnitude < kGeluReach ? magnitude : kGeluReach;
  const float u = std::fma(a, kGeluScale, -1.0f);
  float g = kGeluG[16];
  for (int i = 15; i >= 0; --i) g = std::fma(g, u, kGeluG[i]);
  return (x > 0.0f ? x : 0.0f) - g;
}

// Natural logarithm of a positive, normal number, within an ULP of double precision, by arithmetic alone: the library's
// picks its code by processor. x = 2^e m, m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), as a
// power series.
inline double log_scalar(double x) {
  int e = 0;
  double m = std::frexp(x, &e);
  if (m < 0.70710678118654752) {
    m *= 2;
    --e;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double series = 0;
  for (int n = 23; n >= 3; n -= 2) series = (series + 1.0 / n) * s2;
  return e * 0.69314718055994531 + 2 * (s + s * series);
}

// Sixteen running sums, element i going to sum i mod 16: two AVX2 registers or one AVX-512 register make the same
// sixteen. They are joined pairwise at distance 8, 4, 2, 1.
struct Sums16 {
  float lane[16] = {};

  float joined() const {
    float s[16];
    for (int i = 0; i < 16; ++i) s[i] = lane[i];
    for (int distance = 8; distance > 0; distance /= 2) {
      for (int i = 0; i < distance; ++i) s[i] += s[i + distance];
    }
    return s[0];
  }
};

}  // namespace shorthand::simd
