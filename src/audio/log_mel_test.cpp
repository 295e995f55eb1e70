// SPDX-License-Identifier: Apache-2.0
#include "audio/log_mel.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>

#include "support/npy.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

using testing::Npy;
using testing::read_npy;

const std::filesystem::path kData = std::filesystem::path(SHORTHAND_REPO_DIR) / "tests/data";

LogMel best(int n_mels) { return {log_mel::choose(best_isa()), FilterBank::slaney(n_mels)}; }

// The samples of a 16-bit mono WAV file whose header has 44 bytes or, as ffmpeg writes it, a LIST chunk more.
std::vector<float> wav_samples(const std::filesystem::path& path) {
  const std::string bytes = testing::file_bytes(path);
  const size_t start = bytes.find("data") + 8;
  std::vector<float> pcm((bytes.size() - start) / 2);
  for (size_t i = 0; i < pcm.size(); ++i) {
    int16_t s;
    std::memcpy(&s, bytes.data() + start + 2 * i, 2);
    pcm[i] = static_cast<float>(s) / 32768.0f;
  }
  return pcm;
}

std::vector<float> noise(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 20001) - 10000) / 32768.0f;
  return x;
}

// The definition, in double precision: the log10 powers of the centred frame t of pcm and 30 s of zeros.
std::vector<double> direct_frame(const std::vector<float>& pcm, int t, const FilterBank& filters) {
  const auto n_padded = static_cast<int64_t>(pcm.size()) + kWindowSamples;
  std::vector<double> x(400), power(201), out;
  for (int i = 0; i < 400; ++i) {
    int64_t at = int64_t{t} * 160 + i - 200;
    if (at < 0) at = -at;
    if (at >= n_padded) at = 2 * (n_padded - 1) - at;
    const double value = at < static_cast<int64_t>(pcm.size()) ? pcm[static_cast<size_t>(at)] : 0;
    x[static_cast<size_t>(i)] = value * (0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / 400));
  }
  for (int k = 0; k <= 200; ++k) {
    double re = 0, im = 0;
    for (int i = 0; i < 400; ++i) {
      re += x[static_cast<size_t>(i)] * std::cos(2 * std::numbers::pi * (i * k % 400) / 400);
      im += x[static_cast<size_t>(i)] * std::sin(2 * std::numbers::pi * (i * k % 400) / 400);
    }
    power[static_cast<size_t>(k)] = re * re + im * im;
  }
  for (int m = 0; m < filters.n_mels(); ++m) {
    double sum = 0;
    for (size_t k = 0; k <= 200; ++k) sum += filters.weights()[static_cast<size_t>(m) * 201 + k] * power[k];
    out.push_back(std::log10(std::max(sum, 1e-10)));
  }
  return out;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

TEST(LogMel, EqualsTheGoldenChirp) {
  const std::vector<float> pcm = wav_samples(kData / "chirp.wav");
  ASSERT_EQ(pcm.size(), 12000u);
  for (int n_mels : {80, 128}) {
    const Npy<float> golden = read_npy<float>(kData / ("chirp_mel" + std::to_string(n_mels) + ".npy"));
    ASSERT_EQ(golden.shape, (std::vector<int64_t>{78, n_mels}));
    Mel mel = best(n_mels).piece(pcm, 0, 78);
    EXPECT_LT(largest_difference(mel.values.span(), golden.values), 2e-5) << n_mels;
  }
}

// [n_mels, 3000] of the golden file against [3000, n_mels] of ours, with the filters of the model file.
void expect_golden_speech(const char* model, int n_mels) {
  const auto shared = testing::shared_data_dir() / "data";
  const std::string file = testing::file_bytes(shared / "golden" / (std::string(model) + ".ggml.bin"));
  std::vector<float> weights(static_cast<size_t>(n_mels) * 201);
  ASSERT_GT(file.size(), 56 + weights.size() * 4);
  std::memcpy(weights.data(), file.data() + 4 + 11 * 4 + 2 * 4, weights.size() * 4);  // magic, sizes, filter shape
  auto filters = FilterBank::from_weights(weights, n_mels);
  ASSERT_TRUE(filters) << filters.error().message;
  const Npy<float> golden = read_npy<float>(shared / "golden" / (std::string(model) + ".mel.npy"));
  ASSERT_EQ(golden.shape, (std::vector<int64_t>{n_mels, 3000}));
  const LogMel log_mel(log_mel::choose(best_isa()), *std::move(filters));
  Mel mel = log_mel.piece(wav_samples(shared / "audio/jfk.wav"), 0, 3000);
  double largest = 0;
  for (int t = 0; t < 3000; ++t) {
    for (int m = 0; m < n_mels; ++m) {
      const double expected = golden.values[static_cast<size_t>(m) * 3000 + static_cast<size_t>(t)];
      largest = std::max(largest, std::fabs(mel.row(t)[static_cast<size_t>(m)] - expected));
    }
  }
  EXPECT_LT(largest, 2e-5);
  ::testing::Test::RecordProperty("largest_difference", fmt::format("{:.3g}", largest));
}

TEST(LogMel, EqualsTheGoldenSpeechWith80Mels) {
  SHORTHAND_NEEDS_SHARED("data/golden/micro.mel.npy");
  expect_golden_speech("micro", 80);
}
TEST(LogMel, EqualsTheGoldenSpeechWith128Mels) {
  SHORTHAND_NEEDS_SHARED("data/golden/micro-v3.mel.npy");
  expect_golden_speech("micro-v3", 128);
}

// Whatever the length: nothing, less than the mirrored stretch, just it, and more.
TEST(LogMel, FollowsTheDefinitionOnPiecesOfAnyLength) {
  const LogMel log_mel = best(80);
  for (size_t n : {0, 1, 2, 159, 160, 199, 200, 201, 202, 399, 400, 401, 1000}) {
    const std::vector<float> pcm = noise(n, static_cast<uint32_t>(n) + 1);
    const int frames = 10;
    std::vector<std::vector<double>> expected;
    double loudest = -10;
    for (int t = 0; t < frames; ++t) {
      expected.push_back(direct_frame(pcm, t, log_mel.filters()));
      loudest = std::max(loudest, *std::max_element(expected.back().begin(), expected.back().end()));
    }
    Mel mel = log_mel.piece(pcm, 0, frames);
    for (int t = 0; t < frames; ++t) {
      for (size_t m = 0; m < 80; ++m) {
        const double value = (std::max(expected[static_cast<size_t>(t)][m], loudest - 8) + 4) / 4;
        ASSERT_NEAR(mel.row(t)[m], value, 2e-5) << n << " samples, frame " << t << ", mel " << m;
      }
    }
  }
}

TEST(LogMel, GivesTheFramesAskedForAndScalesByTheWholePiece) {
  const LogMel log_mel = best(80);
  std::vector<float> pcm = noise(40 * kSampleRate, 5);
  for (size_t i = 0; i < pcm.size() - kSampleRate; ++i) pcm[i] *= 0.01f;  // the loud second is the last
  Mel whole = log_mel.piece(pcm, 0, 4500), part = log_mel.piece(pcm, 130, 300);
  EXPECT_EQ(std::memcmp(part.values.data(), whole.row(130).data(), part.values.size() * sizeof(float)), 0);
  EXPECT_EQ(*std::min_element(whole.values.span().begin(), whole.values.span().end()), whole.row(4400)[0]);
  EXPECT_EQ(whole.row(4001)[0] > whole.row(4002)[0], true) << "frame 4001 still hears the last samples, 4002 does not";
  EXPECT_EQ(sounding_frames(40 * kSampleRate), 4002);
  EXPECT_EQ(padded_frames(40 * kSampleRate), 7000);
}

TEST(LogMel, SilenceIsMinusOneAndAHalf) {
  const std::vector<float> pcm(5000);
  const Mel mel = best(80).piece(pcm, 0, 50);
  for (float v : mel.values.span()) ASSERT_EQ(v, -1.5f);  // (-10 + 4) / 4: the loudest is silence too
}

TEST(LogMel, ReturnsTheSameBitsOnEveryVariantAndAnyNumberOfThreads) {
  const std::vector<float> pcm = noise(7 * kSampleRate + 77, 9);
  const LogMel scalar(log_mel::choose(Isa::scalar), FilterBank::slaney(80));
  ASSERT_EQ(scalar.isa(), Isa::scalar);
  const Mel expected = scalar.piece(pcm, 0, 800);
  for (const log_mel::Variant& v : log_mel::variants()) {
    if (!isa_supported(v.isa)) continue;
    const LogMel log_mel(v, FilterBank::slaney(80));
    for (int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      const Mel mel = log_mel.piece(pcm, 0, 800, threads == 1 ? nullptr : &pool);
      EXPECT_EQ(std::memcmp(mel.values.data(), expected.values.data(), expected.values.size() * sizeof(float)), 0)
          << isa_name(v.isa) << ", threads " << threads;
    }
  }
}

// The published filters, bit for bit: a model says the same whether its file has them or not.
TEST(FilterBank, SlaneysFiltersAreThoseOfTheModels) {
  SHORTHAND_NEEDS_SHARED("data/golden/micro.ggml.bin");
  for (const auto& [model, n_mels] : {std::pair{"micro", 80}, {"micro-v3", 128}}) {
    const auto path = testing::shared_data_dir() / "data/golden" / (std::string(model) + ".ggml.bin");
    const std::string file = testing::file_bytes(path);
    const FilterBank ours = FilterBank::slaney(n_mels);
    for (size_t i = 0; i < ours.weights().size(); ++i) {
      float w;
      std::memcpy(&w, file.data() + 56 + 4 * i, 4);
      ASSERT_EQ(w, ours.weights()[i]) << n_mels << " mels, " << i;
    }
  }
}

TEST(FilterBank, SkipsZerosOnly) {
  std::vector<float> weights(3 * 201);
  weights[5] = 1;
  weights[7] = 2;              // mel 0: bins 5 to 7, a zero within
  weights[2 * 201 + 200] = 3;  // mel 2: the last bin; mel 1: nothing
  const auto bank = FilterBank::from_weights(weights, 3);
  ASSERT_TRUE(bank);
  const auto bands = bank->bands();
  EXPECT_EQ(bands[0].first_bin, 5);
  EXPECT_EQ(bands[0].bins, 3);
  EXPECT_EQ(bands[0].weights[2], 2);
  EXPECT_EQ(bands[1].bins, 0);
  EXPECT_EQ(bands[2].first_bin, 200);
  EXPECT_EQ(bands[2].bins, 1);
}

TEST(FilterBank, RefusesShapesAndNumbersThatCannotBe) {
  std::vector<float> weights(80 * 201, 0.1f);
  EXPECT_TRUE(FilterBank::from_weights(weights, 80));
  for (int n_mels : {0, -1, 79, 81, 1 << 30}) {
    const auto bank = FilterBank::from_weights(weights, n_mels);
    ASSERT_FALSE(bank) << n_mels;
    EXPECT_EQ(bank.error().message.find("mel filters: 16080 weights for"), 0u) << bank.error().message;
  }
  weights[201 + 3] = std::numeric_limits<float>::quiet_NaN();
  const auto bank = FilterBank::from_weights(weights, 80);
  ASSERT_FALSE(bank);
  EXPECT_EQ(bank.error().message, "mel filters: weight 3 of mel 1 is not a number");
}

}  // namespace
}  // namespace shorthand
