// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <cmath>

#include "kernels/log_mel/tables.h"
#include "kernels/log_mel/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::log_mel {
namespace {

struct Complex {
  float re, im;
};

// y[k] = sum_n x[n] exp(-2 pi i n k / 16), k = 0 to 8, of real x.
void dft16(const float* x, Complex* y) {
  for (int k = 0; k < kK16; ++k) {
    float re = k % 2 ? x[0] - x[8] : x[0] + x[8], im = 0;
    for (int n = 1; n < 8; ++n) {
      re = std::fma(x[n] + x[16 - n], kTurns16.cosine[n][k], re);
      im = std::fma(x[n] - x[16 - n], -kTurns16.sine[n][k], im);
    }
    y[k] = {re, im};
  }
}

// power[bins[k]] = |y[k]|^2, y[k] = sum_n x[n] exp(-2 pi i n k / 25).
void power25(const Complex* x, const int16_t* bins, float* power) {
  for (int k = 0; k < kK25; ++k) {
    float re = x[0].re, im = x[0].im, re_turned = 0, im_turned = 0;
    for (int n = 1; n <= 12; ++n) {
      re = std::fma(x[n].re + x[25 - n].re, kTurns25.cosine[n][k], re);
      im = std::fma(x[n].im + x[25 - n].im, kTurns25.cosine[n][k], im);
      re_turned = std::fma(x[n].im - x[25 - n].im, kTurns25.sine[n][k], re_turned);
      im_turned = std::fma(x[n].re - x[25 - n].re, kTurns25.sine[n][k], im_turned);
    }
    const Complex y = {re + re_turned, im - im_turned}, partner = {re - re_turned, im + im_turned};
    power[bins[k]] = std::fma(y.im, y.im, y.re * y.re);
    if (k > 0) power[bins[25 - k]] = std::fma(partner.im, partner.im, partner.re * partner.re);
  }
}

void power_spectrum(const float* samples, float* power) {
  float x[16];
  Complex y[kK16], columns[kK16][25];
  for (int n2 = 0; n2 < 25; ++n2) {
    for (int n1 = 0; n1 < 16; ++n1) x[n1] = samples[sample_of(n1, n2)] * kWindow.at[sample_of(n1, n2)];
    dft16(x, y);
    for (int k1 = 0; k1 < kK16; ++k1) columns[k1][n2] = y[k1];
  }
  for (int k1 = 0; k1 < kK16; ++k1) power25(columns[k1], kBinOf.at[k1], power);
}

}  // namespace

void frames_scalar(const float* samples, int n_frames, std::span<const Band> bands, float* out) {
  float power[kBins];
  for (int t = 0; t < n_frames; ++t, samples += kHop) {
    power_spectrum(samples, power);
    for (const Band& band : bands) {
      float sum = 0;
      for (int i = 0; i < band.bins; ++i) sum = std::fma(band.weights[i], power[band.first_bin + i], sum);
      *out++ = simd::log10_scalar(sum > kFloor ? sum : kFloor);
    }
  }
}

}  // namespace shorthand::log_mel
