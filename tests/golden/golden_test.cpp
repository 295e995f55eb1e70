// SPDX-License-Identifier: Apache-2.0
// `shorthand dump` against tensors that a separate NumPy program computed from the same weights and the same sound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "support/models.h"
#include "support/npy.h"
#include "support/process.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

using testing::Npy;
using testing::read_npy;
using testing::run_shorthand;
using testing::TemporaryFolder;

double relative_l2(std::span<const float> got, std::span<const float> want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += (double{got[i]} - want[i]) * (double{got[i]} - want[i]);
    size += double{want[i]} * want[i];
  }
  return std::sqrt(difference / size);
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

std::span<const float> row(const Npy<float>& a, size_t r) {
  const size_t width = static_cast<size_t>(a.shape[1]);
  return std::span(a.values).subspan(r * width, width);
}

// The rows of the logits that the shared goldens keep: after the prompt and so many tokens.
constexpr size_t kLogitRows[] = {0, 1, 2, 10, 30, 59};

class GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path golden(const std::string& what) const {
    return testing::shared_data_dir() / "data/golden" / (std::string(GetParam()) + "." + what);
  }
};

TEST_P(GoldenTest, Float32EqualsTheNumpyProgram) {
  SHORTHAND_NEEDS_SHARED("data/golden");
  const TemporaryFolder folder;
  const auto ran = run_shorthand({"dump", (testing::shared_data_dir() / "data/audio/jfk.wav").string(), "-m",
                                  golden("ggml.bin").string(), "-o", folder.path().string(), "--greedy", "61",
                                  "--compute-type", "float32"});
  ASSERT_EQ(ran.status, 0) << ran.err;

  const auto mel = read_npy<float>(folder / "mel.npy"), want_mel = read_npy<float>(golden("mel.npy"));
  ASSERT_EQ(mel.shape, want_mel.shape);
  float worst = 0;
  for (size_t i = 0; i < mel.values.size(); ++i) worst = std::max(worst, std::abs(mel.values[i] - want_mel.values[i]));
  EXPECT_LT(worst, 1e-4f);

  const auto encoder = read_npy<float>(folder / "encoder.npy"), want_encoder = read_npy<float>(golden("enc.npy"));
  ASSERT_EQ(encoder.shape, want_encoder.shape);
  EXPECT_LT(relative_l2(encoder.values, want_encoder.values), 1e-4);

  const auto tokens = read_npy<int32_t>(folder / "tokens.npy");
  EXPECT_EQ(tokens.values, read_npy<int32_t>(golden("tokens.npy")).values);

  const auto logits = read_npy<float>(folder / "logits.npy"), want_logits = read_npy<float>(golden("logits.npy"));
  ASSERT_EQ(logits.shape, (std::vector<int64_t>{62, want_logits.shape[1]}));
  for (size_t i = 0; i < std::size(kLogitRows); ++i)
    EXPECT_LT(relative_l2(row(logits, kLogitRows[i]), row(want_logits, i)), 1e-4);
}

// Random weights have no margins to spare, so int8 is held to what it loses, not to the same ids.
TEST_P(GoldenTest, Int8LosesWhatItsArithmeticCosts) {
  SHORTHAND_NEEDS_SHARED("data/golden");
  const TemporaryFolder folder;
  const auto ran = run_shorthand({"dump", (testing::shared_data_dir() / "data/audio/jfk.wav").string(), "-m",
                                  golden("ggml.bin").string(), "-o", folder.path().string(), "--forced-ids",
                                  golden("tokens.npy").string(), "--compute-type", "int8"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto encoder = read_npy<float>(folder / "encoder.npy"), want = read_npy<float>(golden("enc.npy"));
  const double loss = relative_l2(encoder.values, want.values);
  const auto logits = read_npy<float>(folder / "logits.npy"), want_logits = read_npy<float>(golden("logits.npy"));
  double worst_cosine = 1;
  for (size_t i = 0; i < std::size(kLogitRows); ++i) {
    worst_cosine = std::min(worst_cosine, cosine(row(logits, kLogitRows[i]), row(want_logits, i)));
  }
  std::printf("%s int8: encoder %.1f dB, logits over forced text: smallest cosine %.4f\n", GetParam(),
              -20 * std::log10(loss), worst_cosine);
  EXPECT_LT(loss, 0.027);  // 31.4 dB
  EXPECT_GT(worst_cosine, 0.95);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, ::testing::Values("micro", "micro.en", "micro-v3"), [](const auto& test) {
  return std::string(test.param) == "micro" ? "micro" : std::string(test.param) == "micro.en" ? "micro_en" : "micro_v3";
});

// The built-in model on a recording of this repository: tests/data/golden/make_builtin_golden.py. Every tenth frame and
// position is kept.
class BuiltinGoldenTest : public ::testing::Test {
 protected:
  static std::filesystem::path data(const std::string& name) { return testing::repository_dir() / "tests/data" / name; }

  void dump(const std::string& type) {
    const auto ran =
        run_shorthand({"dump", data("speech/short-02.flac").string(), "-o", folder.path().string(), "--forced-ids",
                       data("golden/builtin.tokens.npy").string(), "--compute-type", type});
    ASSERT_EQ(ran.status, 0) << ran.err;
    mel = read_npy<float>(folder / "mel.npy");
    encoder = read_npy<float>(folder / "encoder.npy");
    logits = read_npy<float>(folder / "logits.npy");
    ASSERT_EQ(encoder.shape, (std::vector<int64_t>{1500, 192}));
    std::vector<float> kept;
    for (size_t r = 0; r < 1500; r += 10) kept.insert(kept.end(), row(encoder, r).begin(), row(encoder, r).end());
    encoder_loss = relative_l2(kept, read_npy<float>(data("golden/builtin.encoder.npy")).values);
    logits_loss = relative_l2(logits.values, read_npy<float>(data("golden/builtin.logits.npy")).values);
  }

  TemporaryFolder folder;
  Npy<float> mel, encoder, logits;
  double encoder_loss = 0, logits_loss = 0;
};

TEST_F(BuiltinGoldenTest, Float32EqualsTheNumpyProgram) {
  dump("float32");
  const auto want = read_npy<float>(data("golden/builtin.mel.npy"));
  for (size_t m = 0; m < 80; ++m) {
    for (size_t t = 0; t < 300; ++t) ASSERT_NEAR(mel.values[m * 3000 + t * 10], want.values[m * 300 + t], 1e-4);
  }
  EXPECT_LT(encoder_loss, 1e-4);
  EXPECT_LT(logits_loss, 1e-4);
}

TEST_F(BuiltinGoldenTest, Int8KeepsEveryGreedyTokenOverForcedText) {
  dump("int8");
  const auto want = read_npy<float>(data("golden/builtin.logits.npy"));
  int same = 0;
  for (size_t r = 0; r < static_cast<size_t>(want.shape[0]); ++r) {
    const auto best = [](std::span<const float> l) { return std::ranges::max_element(l) - l.begin(); };
    same += best(row(logits, r)) == best(row(want, r)) ? 1 : 0;
  }
  std::printf("builtin int8: encoder %.1f dB, logits %.1f dB, %d of %d greedy tokens the same\n",
              -20 * std::log10(encoder_loss), -20 * std::log10(logits_loss), same, static_cast<int>(want.shape[0]));
  EXPECT_LT(encoder_loss, 0.008);
  EXPECT_EQ(same, static_cast<int>(want.shape[0]));
}

// A window without its padding: the NumPy program with as many positions as there are frames for.
TEST_F(BuiltinGoldenTest, SkippedPaddingIsAShorterWindow) {
  if (!testing::python_with_numpy()) GTEST_SKIP() << "needs python3 with NumPy to run the network";
  const TemporaryFolder here;
  const std::string model = (testing::repository_dir() / "models/builtin/builtin-ggml-f16.bin").string();
  const auto ran =
      run_shorthand({"dump", data("speech/short-02.flac").string(), "-m", model, "-o", here.path().string(), "--greedy",
                     "8", "--compute-type", "float32", "--skip-padding"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto heard = read_npy<float>(here / "mel.npy"), encoded = read_npy<float>(here / "encoder.npy");
  const auto frames = heard.shape[1];
  ASSERT_LT(frames, 1000);
  ASSERT_EQ(encoded.shape[0], frames / 2);

  const std::string script =
      "import sys; sys.path.insert(0, sys.argv[1]); import numpy as np, reference_whisper as r\n"
      "w = r.Whisper(sys.argv[2]); mel = np.load(sys.argv[3] + '/mel.npy')\n"
      "w.W['encoder.positional_embedding'] = w.W['encoder.positional_embedding'][:mel.shape[1] // 2]\n"
      "np.save(sys.argv[3] + '/want_encoder.npy', w.encode(mel).astype(np.float32))\n"
      "tokens = np.load(sys.argv[3] + '/tokens.npy')\n"
      "rows = [w.decode([897, 898, 900, 904])[-1:]] + [w.decode([int(t)]) for t in tokens]\n"
      "np.save(sys.argv[3] + '/want_logits.npy', np.concatenate(rows).astype(np.float32))\n";
  const auto python =
      testing::run_program({testing::python_with_numpy_program(), "-c", script,
                            (testing::repository_dir() / "tests/reference").string(), model, here.path().string()});
  ASSERT_EQ(python.status, 0) << python.err;
  EXPECT_LT(relative_l2(encoded.values, read_npy<float>(here / "want_encoder.npy").values), 1e-4);
  EXPECT_LT(relative_l2(read_npy<float>(here / "logits.npy").values, read_npy<float>(here / "want_logits.npy").values),
            1e-4);
}

}  // namespace
}  // namespace shorthand
