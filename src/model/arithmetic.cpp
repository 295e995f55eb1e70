// SPDX-License-Identifier: Apache-2.0
#include "model/arithmetic.h"

#include <array>
#include <bit>
#include <cmath>

namespace shorthand::exact {
namespace {

// ln 2 and pi/2 in two parts; the high part has trailing zeros, so that its product with a small integer is exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kHalfPiHigh = 0x1.921fb54400000p+0, kHalfPiLow = 0x1.0b4611a626331p-34;

// Series in y = x^2 by Horner's rule, last coefficient first.
template <size_t n>
double series(const std::array<double, n>& coefficients, double y) {
  double sum = coefficients[n - 1];
  for (size_t i = n - 1; i-- > 0;) sum = sum * y + coefficients[i];
  return sum;
}

constexpr double inverse_factorial(int k) { return k <= 1 ? 1.0 : inverse_factorial(k - 1) / k; }

// sin x = x + x^3 (-1/3! + y/5! - ...), cos x = 1 - y/2 + y^2 (1/4! - y/6! + ...), for |x| <= pi/4.
constexpr std::array kSine = {-inverse_factorial(3),  inverse_factorial(5),   -inverse_factorial(7),
                              inverse_factorial(9),   -inverse_factorial(11), inverse_factorial(13),
                              -inverse_factorial(15), inverse_factorial(17)};
constexpr std::array kCosine = {inverse_factorial(4),   -inverse_factorial(6), inverse_factorial(8),
                                -inverse_factorial(10), inverse_factorial(12), -inverse_factorial(14),
                                inverse_factorial(16),  -inverse_factorial(18)};
// atanh s = s + s^3 (1/3 + y/5 + ...)
constexpr std::array kAtanh = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                               1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};

}  // namespace

double log(double x) {
  // x = 2^e m, m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
  constexpr uint64_t kRootHalf = std::bit_cast<uint64_t>(0x1.6a09e667f3bcdp-1);
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const auto e = static_cast<int64_t>(bits - kRootHalf) >> 52;
  const double m = std::bit_cast<double>(bits - (static_cast<uint64_t>(e) << 52));
  const double s = (m - 1.0) / (m + 1.0), y = s * s;
  const double n = static_cast<double>(e);
  return n * kLn2High + (2.0 * s * y * series(kAtanh, y) + n * kLn2Low + 2.0 * s);
}

double exp(double x) {
  const double n = std::nearbyint(x * 1.4426950408889634);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  double sum = 1.0;
  for (int k = 14; k >= 1; --k) sum = 1.0 + sum * r / k;
  return sum * std::bit_cast<double>(static_cast<uint64_t>(1023 + static_cast<int64_t>(n)) << 52);
}

SinCos sin_cos(double x) {
  const double n = std::nearbyint(x * 0.6366197723675814);
  const double r = (x - n * kHalfPiHigh) - n * kHalfPiLow;
  const double y = r * r;
  const double s = r + r * y * series(kSine, y), c = 1.0 - (0.5 * y - y * y * series(kCosine, y));
  switch (static_cast<int64_t>(n) & 3) {
    case 0: return {s, c};
    case 1: return {c, -s};
    case 2: return {-s, -c};
    default: return {-c, s};
  }
}

void Normals::refill() {
  const auto bits = philox(counter_, key_);
  ++counter_[0];
  constexpr double kTwoPi = 6.283185307179586, kUnit = 0x1p-32;
  for (int pair = 0; pair < 2; ++pair) {
    // Half a unit away from 0 and 1: the logarithm is finite and never zero.
    const double u = (static_cast<double>(bits[2 * pair]) + 0.5) * kUnit;
    const double radius = std::sqrt(-2.0 * log(u));
    const auto [s, c] = sin_cos(static_cast<double>(bits[2 * pair + 1]) * kUnit * kTwoPi);
    values_[2 * pair] = radius * c;
    values_[2 * pair + 1] = radius * s;
  }
  at_ = 0;
}

}  // namespace shorthand::exact
