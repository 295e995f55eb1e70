// SPDX-License-Identifier: Apache-2.0
#include "kernels/log_mel/log_mel.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numbers>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/log_mel/tables.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::log_mel {
namespace {

constexpr float kCanary = 12345.0f;

std::vector<float> noise(int n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = std::round((static_cast<float>(random() % 65536) - 32768.0f) * 0.3f) / 32768.0f;
  return x;
}

int samples_for(int frames) { return kHop * (frames - 1) + kFft; }

// Bands of every width, one of them empty, with weights of both signs left out: a power has none.
struct Bands {
  std::vector<float> weights;
  std::vector<Band> list;

  explicit Bands(int n_mels) : weights(kBins) {
    std::mt19937 random(7);
    for (float& w : weights) w = static_cast<float>(random() % 1000) / 5e4f;
    for (int m = 0; m < n_mels; ++m) {
      const int first = m * kBins / n_mels, bins = m == 3 ? 0 : std::min(1 + m % 17, kBins - first);
      list.push_back({first, bins, weights.data() + first});
    }
  }
};

// |X[k]|^2 of one windowed frame, from the definition, in double precision.
std::vector<double> direct_power(const float* x) {
  std::vector<double> power(kBins);
  const double turn = 2 * std::numbers::pi / kFft;
  for (int k = 0; k < kBins; ++k) {
    double re = 0, im = 0;
    for (int n = 0; n < kFft; ++n) {
      const double v = x[n] * (0.5 - 0.5 * std::cos(turn * n));
      re += v * std::cos(turn * (n * k % kFft));
      im -= v * std::sin(turn * (n * k % kFft));
    }
    power[static_cast<size_t>(k)] = re * re + im * im;
  }
  return power;
}

class EachVariant : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam().isa)) GTEST_SKIP() << "this machine has no " << isa_name(GetParam().isa);
  }
};

TEST_P(EachVariant, ReturnsTheBitsOfTheScalarForm) {
  for (int frames : {1, 2, 15, 16, 17, 31, 32, 40}) {
    for (int n_mels : {1, 5, 80, 128}) {
      const Bands bands(n_mels);
      std::vector<float> x = noise(samples_for(frames), static_cast<uint32_t>(frames * 1000 + n_mels));
      for (size_t i = 0; i < x.size() / 3; ++i) x[i] = i % 2 ? 0.0f : -0.0f;  // some silence
      const size_t size = static_cast<size_t>(frames * n_mels);
      std::vector<float> expected(size), got(size + 16, kCanary);
      variants()[0].frames(x.data(), frames, bands.list, expected.data());
      GetParam().frames(x.data(), frames, bands.list, got.data());
      EXPECT_EQ(std::memcmp(expected.data(), got.data(), size * sizeof(float)), 0) << frames << " x " << n_mels;
      for (size_t i = size; i < got.size(); ++i) ASSERT_EQ(got[i], kCanary) << "wrote past the end";
    }
  }
}

TEST_P(EachVariant, FollowsTheDefinitionOnNoise) {
  const int frames = 19;
  const std::vector<float> x = noise(samples_for(frames), 1);
  const float one = 1.0f;
  std::vector<Band> bins;  // every bin alone
  for (int k = 0; k < kBins; ++k) bins.push_back({k, 1, &one});
  std::vector<float> got(static_cast<size_t>(frames * kBins));
  GetParam().frames(x.data(), frames, bins, got.data());
  double squares = 0, error = 0;
  for (int t = 0; t < frames; ++t) {
    const std::vector<double> power = direct_power(x.data() + t * kHop);
    for (int k = 0; k < kBins; ++k) {
      const double amplitude = std::sqrt(power[static_cast<size_t>(k)]);
      const double d = std::pow(10.0, 0.5 * got[static_cast<size_t>(t * kBins + k)]) - amplitude;
      squares += amplitude * amplitude;
      error += d * d;
    }
  }
  // log10 near 1 has an ULP of 1.2e-7, and 10^(x/2) turns an error e of it into 1.15 e.
  EXPECT_LT(std::sqrt(error / squares), 3e-7);
}

TEST_P(EachVariant, HearsTheWholeBandOfEveryBinAndNothingElse) {
  // A whole-numbered tone under a Hann window lies in three bins: 1/4, 1 and 1/4 of the power of its peak.
  const float one = 1.0f;
  std::vector<Band> bins;
  for (int k = 0; k < kBins; ++k) bins.push_back({k, 1, &one});
  std::vector<float> x(kFft), got(kBins);
  for (int tone = 2; tone < kBins - 2; ++tone) {
    for (int n = 0; n < kFft; ++n) {
      x[static_cast<size_t>(n)] =
          static_cast<float>(0.5 * std::cos(2 * std::numbers::pi * (tone * n % kFft) / kFft + 1));
    }
    GetParam().frames(x.data(), 1, bins, got.data());
    const double peak = 2 * std::log10(0.5 * kFft / 4);
    for (int k = 0; k < kBins; ++k) {
      const float level = got[static_cast<size_t>(k)];
      const int distance = std::abs(k - tone);
      if (distance <= 1) {
        EXPECT_NEAR(level, peak - 2 * std::log10(2.0) * distance, 1e-5) << tone << " at " << k;
      } else {
        EXPECT_LT(level, peak - 11) << tone << " at " << k;
      }
    }
  }
}

TEST_P(EachVariant, CallsSilenceAndNoNumbersTheFloor) {
  const Bands bands(80);
  std::vector<float> x(static_cast<size_t>(samples_for(17)));
  std::vector<float> got(17 * 80);
  GetParam().frames(x.data(), 17, bands.list, got.data());
  for (float v : got) ASSERT_EQ(v, -10.0f);
  for (float& v : x) v = std::numeric_limits<float>::quiet_NaN();
  GetParam().frames(x.data(), 17, bands.list, got.data());
  for (float v : got) ASSERT_EQ(v, -10.0f);
}

// With every sample on the heap and none to spare, AddressSanitizer sees a read past either end.
TEST_P(EachVariant, ReadsNothingBeyondItsSamples) {
  const Bands bands(80);
  for (int frames : {1, 15, 16, 18}) {
    const size_t size = static_cast<size_t>(samples_for(frames));
    const std::unique_ptr<float[]> x(new float[size]());
    std::vector<float> got(static_cast<size_t>(frames) * 80);
    GetParam().frames(x.get(), frames, bands.list, got.data());
    EXPECT_EQ(got.back(), -10.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(LogMelKernel, EachVariant, ::testing::ValuesIn(variants().begin(), variants().end()),
                         [](const auto& v) { return std::string(isa_name(v.param.isa)); });

TEST(LogMelKernel, IsChosenByTheCap) {
  for (const Variant& v : variants()) {
    if (!isa_supported(v.isa)) continue;
    EXPECT_EQ(choose(v.isa).isa, v.isa);
    EXPECT_EQ(choose_kernels(v.isa).log_mel->frames, v.frames);
  }
}

TEST(LogMelTables, AreCosinesAndSines) {
  for (int n : {16, 25, 400}) {
    for (int k = 0; k < 2 * n; ++k) {
      const double angle = 2 * std::numbers::pi * (k % n) / n;  // itself rounded: up to 4.5e-16
      EXPECT_NEAR(cosine_of_turn(k, n), std::cos(angle), 1e-15) << k << " of " << n;
      EXPECT_NEAR(sine_of_turn(k, n), std::sin(angle), 1e-15) << k << " of " << n;
    }
  }
}

TEST(LogMelTables, HoldEveryBinAndEverySampleOnce) {
  std::vector<int> seen(kBins), samples(kFft);
  for (int k1 = 0; k1 < kK16; ++k1) {
    const bool real = k1 == 0 || k1 == 8;  // its outputs k2 and 25 - k2 are one bin
    for (int k2 = 0; k2 < (real ? 13 : 25); ++k2) ++seen[static_cast<size_t>(kBinOf.at[k1][k2])];
  }
  for (int n1 = 0; n1 < 16; ++n1) {
    for (int n2 = 0; n2 < 25; ++n2) ++samples[static_cast<size_t>(sample_of(n1, n2))];
  }
  for (int count : seen) EXPECT_EQ(count, 1);
  for (int count : samples) EXPECT_EQ(count, 1);
}

TEST(Log10, StaysNearTheDoubleOne) {
  std::mt19937 random(3);
  for (int i = 0; i < 1000000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(0x00800000u + random() % (0x7f800000u - 0x00800000u)));
    const double exact = std::log10(static_cast<double>(x));
    // Half an ULP of the result, half of n log10(2), which is as large, and what the polynomial leaves out.
    const double allowed = 1.2e-7 * std::max(std::fabs(exact), 0.31) + 1e-8;
    ASSERT_NEAR(simd::log10_scalar(x), exact, allowed) << x;
  }
}

}  // namespace
}  // namespace shorthand::log_mel
