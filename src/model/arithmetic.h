// SPDX-License-Identifier: Apache-2.0
// Elementary functions out of + - * / and sqrt alone, which IEEE 754 rounds the same everywhere. The C library's own
// choose their code by processor, and files that must be the same bytes on every machine cannot ask them.
#pragma once

#include <array>
#include <cstdint>

#include "base/philox.h"

namespace shorthand::exact {

// Relative error below 1e-15 of the true value.
double log(double x);  // x > 0, normal
double exp(double x);  // |x| <= 700

// Absolute error below 1e-15 for |x| <= 10,000.
struct SinCos {
  double sin, cos;
};
SinCos sin_cos(double x);

// A row of standard normal numbers, N(0, 1), as a pure function of what it is for. Box and Muller's transform of
// Philox: each counter gives four. Magnitudes reach 6.7.
class Normals {
 public:
  Normals(uint64_t seed, uint32_t tensor, uint32_t purpose, uint32_t row)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, counter_{0, row, tensor, purpose} {}
  double next() {
    if (at_ == 4) refill();
    return values_[at_++];
  }

 private:
  void refill();
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  double values_[4] = {};
  int at_ = 4;
};

}  // namespace shorthand::exact
