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

// exp(x) for x <= 0.
inline float exp_scalar(float x) {
  if (!(x >= kExpLowest)) return 0.0f;
  const float n = std::nearbyint(x * kLog2E);
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x));
  float q = kExpQ[4];
  for (int i = 3; i >= 0; --i) q = std::fma(q, r, kExpQ[i]);
  const float mantissa = std::fma(q, r * r, r) + 1.0f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(mantissa) + (static_cast<uint32_t>(static_cast<int>(n)) << 23));
}

inline float gelu_scalar(float x) {
  const float a = std::fmin(std::fabs(x), kGeluReach);
  const float u = std::fma(a, kGeluScale, -1.0f);
  float g = kGeluG[16];
  for (int i = 15; i >= 0; --i) g = std::fma(g, u, kGeluG[i]);
  return std::fmax(x, 0.0f) - g;
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
