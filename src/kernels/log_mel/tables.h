// SPDX-License-Identifier: Apache-2.0
// The constants of the transform, computed by the compiler from series of our own: libm's cosine may differ by machine.
#pragma once

#include "kernels/log_mel/log_mel.h"

namespace shorthand::log_mel {

constexpr double kPi = 3.14159265358979323846;

// Taylor series, for |x| <= pi / 4: the terms left out are below 1e-19.
constexpr double sine_series(double x) {
  double term = x, sum = x;
  for (int i = 3; i < 20; i += 2) sum += term *= -x * x / (i * (i - 1));
  return sum;
}
constexpr double cosine_series(double x) {
  double term = 1, sum = 1;
  for (int i = 2; i < 20; i += 2) sum += term *= -x * x / (i * (i - 1));
  return sum;
}

// cos(2 pi k / n), k >= 0. The angle is brought below an eighth of a turn in integers, so that nothing is lost.
constexpr double cosine_of_turn(int k, int n) {
  k %= n;
  if (2 * k > n) k = n - k;
  if (4 * k > n) return -cosine_of_turn(n - 2 * k, 2 * n);
  return 8 * k > n ? sine_series(2 * kPi * (n - 4 * k) / (4 * n)) : cosine_series(2 * kPi * k / n);
}
constexpr double sine_of_turn(int k, int n) { return cosine_of_turn(4 * (k % n) + 3 * n, 4 * n); }  // cos(a - pi/2)

// The periodic Hann window.
struct Window {
  float at[kFft];
};
constexpr Window kWindow = [] {
  Window w{};
  for (int n = 0; n < kFft; ++n) w.at[n] = static_cast<float>(0.5 - 0.5 * cosine_of_turn(n, kFft));
  return w;
}();

// Cosines and sines of 2 pi n k / N for the pairs (n, N - n), n = 1 to (N - 1) / 2, row by row of n, k = 0 to K - 1.
template <int N, int K>
struct Turns {
  static constexpr int kPairs = (N - 1) / 2;
  float cosine[kPairs + 1][K], sine[kPairs + 1][K];  // row 0 is not used
};
template <int N, int K>
constexpr Turns<N, K> make_turns() {
  Turns<N, K> t{};
  for (int n = 1; n <= Turns<N, K>::kPairs; ++n) {
    for (int k = 0; k < K; ++k) {
      t.cosine[n][k] = static_cast<float>(cosine_of_turn(n * k, N));
      t.sine[n][k] = static_cast<float>(sine_of_turn(n * k, N));
    }
  }
  return t;
}
inline constexpr int kK16 = 9, kK25 = 13;  // outputs computed; the others are their conjugates or pair partners
inline constexpr auto kTurns16 = make_turns<16, kK16>();
constexpr auto kTurns25 = make_turns<25, kK25>();

// The sample of the frame that is input n1 of the 16-point DFT number n2.
constexpr int sample_of(int n1, int n2) { return (25 * n1 + 16 * n2) % kFft; }

// The bin that is output k2 of the 25-point DFT number k1; bins above 200 are conjugates of those below.
constexpr int bin_of(int k1, int k2) {
  for (int k = k1; k < kFft; k += 16) {
    if (k % 25 == k2) return k < kBins ? k : kFft - k;
  }
  return -1;
}
struct BinTable {
  int16_t at[kK16][25];
};
constexpr BinTable kBinOf = [] {
  BinTable bins{};
  for (int k1 = 0; k1 < kK16; ++k1) {
    for (int k2 = 0; k2 < 25; ++k2) bins.at[k1][k2] = static_cast<int16_t>(bin_of(k1, k2));
  }
  return bins;
}();

}  // namespace shorthand::log_mel
