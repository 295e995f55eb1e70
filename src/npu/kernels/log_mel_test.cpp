// SPDX-License-Identifier: Apache-2.0
// The AIE source of log_mel against the definition in double precision: a DFT term by term, Slaney's filters from their
// formula, the same scaling by the loudest value.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numbers>
#include <vector>

#include "kernels/log_mel/aie2.h"
#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using shorthand::testing::Random;

size_t size(int n) { return static_cast<size_t>(n); }

// Slaney's triangles of equal area between points evenly spaced in mel: linear to 1 kHz, logarithmic above.
struct Filters {
  std::vector<float> weights;
  std::vector<log_mel::Band> bands;

  explicit Filters(int n_mels) : weights(size(n_mels * log_mel::kBins)) {
    const double step = std::log(6.4) / 27;
    const auto hertz = [step](double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::exp(step * (mel - 15)); };
    const double top = 15 + std::log(8.0) / step;
    for (int m = 0; m < n_mels; ++m) {
      const double low = hertz(top * m / (n_mels + 1)), peak = hertz(top * (m + 1) / (n_mels + 1)),
                   high = hertz(top * (m + 2) / (n_mels + 1));
      int first = log_mel::kBins, last = -1;
      for (int b = 0; b < log_mel::kBins; ++b) {
        const double f = 40.0 * b, w = std::min((f - low) / (peak - low), (high - f) / (high - peak));
        if (w <= 0) continue;
        weights[size(m * log_mel::kBins + b)] = static_cast<float>(w * 2 / (high - low));
        first = std::min(first, b), last = b;
      }
      if (last < 0) first = 0;
      bands.push_back({first, last < 0 ? 0 : last - first + 1, weights.data() + m * log_mel::kBins + first});
    }
  }
};

// log10 of every filter, and what the encoder gets, [frames, n_mels].
std::vector<double> exact(const std::vector<int16_t>& samples, int frames, const Filters& filters) {
  std::vector<double> out;
  const double turn = 2 * std::numbers::pi / 400;
  for (int t = 0; t < frames; ++t) {
    std::vector<double> power;
    for (int k = 0; k < log_mel::kBins; ++k) {
      double re = 0, im = 0;
      for (int n = 0; n < 400; ++n) {
        const double v = samples[size(160 * t + n)] / 32768.0 * (0.5 - 0.5 * std::cos(turn * n));
        re += v * std::cos(turn * (n * k % 400)), im -= v * std::sin(turn * (n * k % 400));
      }
      power.push_back(re * re + im * im);
    }
    for (const log_mel::Band& b : filters.bands) {
      double sum = 0;
      for (int i = 0; i < b.bins; ++i) sum += static_cast<double>(b.weights[i]) * power[size(b.first_bin + i)];
      out.push_back(std::log10(std::max(sum, 1e-10)));
    }
  }
  return out;
}
void scale(std::vector<double>& x) {
  double most = -1e300;
  for (double v : x) most = std::max(most, v);
  for (double& v : x) v = std::max(v, most - 8) / 4 + 1;
}

// Both kernels over all frames, a multiple of sixteen; before (raw) and after scaling.
struct Result {
  std::vector<double> raw, scaled;
};
Result run(const std::vector<int16_t>& samples, int frames, const Filters& filters) {
  const int n_mels = static_cast<int>(filters.bands.size());
  Buffer<int16_t> packed(pack_mel_filters(filters.bands)), sound(200 * 32), work(kLogMelWork, 77);
  Buffer<float> largest(16, -1e30f), out(size(16 * n_mels)), scaled(size(16 * n_mels));
  Result r;
  std::vector<float> all;
  for (int t = 0; t < frames; t += 16) {
    pack_mel_frames({samples.data() + 160 * t, 160 * 15 + 400}, sound.data());
    call("log_mel_frames_16", {sound.bytes(), packed.bytes(), work.bytes(), out.bytes(), largest.bytes()}, {n_mels});
    EXPECT_TRUE(sound.untouched() && work.untouched() && out.untouched() && largest.untouched());
    for (int lane = 0; lane < 16; ++lane) {
      for (int m = 0; m < n_mels; ++m) all.push_back(out[size(m * 16 + lane)]);
    }
  }
  for (size_t i = 0; i < all.size(); i += size(16 * n_mels)) {
    std::copy_n(all.begin() + static_cast<long>(i), 16 * n_mels, out.data());
    call("log_mel_scale_f32", {out.bytes(), largest.bytes(), scaled.bytes()}, {16 * n_mels});
    for (float v : scaled.span()) r.scaled.push_back(v);
  }
  r.raw.assign(all.begin(), all.end());
  return r;
}

struct Agreement {
  double largest = 0, correlation = 0;
};
Agreement agreement(const std::vector<double>& a, const std::vector<double>& b) {
  Agreement r;
  const double n = static_cast<double>(a.size());
  double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    r.largest = std::max(r.largest, std::fabs(a[i] - b[i]));
    sa += a[i], sb += b[i], saa += a[i] * a[i], sbb += b[i] * b[i], sab += a[i] * b[i];
  }
  r.correlation = (sab - sa * sb / n) / std::sqrt((saa - sa * sa / n) * (sbb - sb * sb / n));
  return r;
}

std::vector<int16_t> sound(int frames, const std::function<double(int)>& at) {
  std::vector<int16_t> v;
  for (int n = 0; n < 160 * (frames - 1) + 400; ++n) {
    v.push_back(static_cast<int16_t>(std::lround(std::clamp(at(n) * 32768, -32768.0, 32767.0))));
  }
  return v;
}

class LogMelAie : public ::testing::TestWithParam<int> {
 protected:
  void expect_close(const char* what, const std::vector<int16_t>& samples, int frames, double most,
                    double least_correlation) {
    const Filters filters(GetParam());
    auto want = exact(samples, frames, filters);
    const Result got = run(samples, frames, filters);
    scale(want);
    const Agreement a = agreement(got.scaled, want);
    std::printf("%d filters, %s: largest error %.5f, correlation %.7f\n", GetParam(), what, a.largest, a.correlation);
    EXPECT_LT(a.largest, most) << what;
    EXPECT_GT(a.correlation, least_correlation) << what;
  }
};

TEST_P(LogMelAie, OfNoiseAtEveryLevel) {
  for (double level : {0.5, 0.01, 2e-4}) {
    Random random(1);
    expect_close(("noise of deviation " + std::to_string(level)).c_str(),
                 sound(32, [&](int) { return level * random.normal(); }), 32, 0.005, 0.9999);
  }
}

// Loud and quiet frames side by side, as speech has them: the quiet ones keep their detail.
TEST_P(LogMelAie, OfSoundThatRisesAndFalls) {
  Random random(2);
  expect_close(
      "noise from 0.0003 to 0.3",
      sound(64, [&](int n) { return random.normal() * 0.3 * std::pow(10, -3 * std::fabs(std::sin(n / 1500.0))); }), 64,
      0.01, 0.9999);
}

// 80 dB beside a tone there is nothing but the rounding of the sound to 16 bits, and the kernel's own.
TEST_P(LogMelAie, OfTones) {
  for (double hertz : {120.0, 1000.0, 3333.0, 7900.0}) {
    for (double level : {0.99, 0.01}) {
      expect_close(("tone of " + std::to_string(hertz) + " Hz, " + std::to_string(level)).c_str(),
                   sound(16, [&](int n) { return level * std::sin(2 * std::numbers::pi * hertz * n / 16000); }), 16,
                   0.15, 0.995);
    }
  }
}

TEST_P(LogMelAie, OfTheExtremes) {
  const Filters filters(GetParam());
  for (int16_t x : {int16_t{-32768}, int16_t{32767}, int16_t{1}, int16_t{-1}}) {
    const std::vector<int16_t> constant(160 * 15 + 400, x);
    const auto want = exact(constant, 16, filters);
    const Result got = run(constant, 16, filters);
    EXPECT_NEAR(got.raw[0], want[0], 0.01) << x;
  }
  const Result silent = run(std::vector<int16_t>(160 * 15 + 400), 16, filters);
  for (double v : silent.raw) ASSERT_NEAR(v, -10, 0.001);
  for (double v : silent.scaled) ASSERT_NEAR(v, -1.5, 0.001);
}

INSTANTIATE_TEST_SUITE_P(Mels, LogMelAie, ::testing::Values(80, 128));

}  // namespace
}  // namespace shorthand::npu
