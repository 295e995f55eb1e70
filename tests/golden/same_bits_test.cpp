// SPDX-License-Identifier: Apache-2.0
// The same bits everywhere (docs/numerics.md): in int8 one model and one recording give the same ids, log-probabilities
// and times on every instruction set, with any number of threads and at any batch size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "support/models.h"

namespace shorthand {
namespace {

struct Setting {
  Isa isa;
  int threads, batch;
};

struct Outcome {
  Transcript transcript;
  RunFacts facts;
};

Outcome transcribe(const Setting& setting, std::span<const std::byte> model_bytes, const std::filesystem::path& sound,
                   Layout layout, const TranscribeOptions& base) {
  const Kernels kernels = choose_kernels(setting.isa);
  ThreadPool pool(setting.threads);
  const auto model = *Model::from_bytes(model_bytes, "model", ComputeType::int8, pool);
  const Context context{&kernels, &pool};
  Transcriber transcriber(model, true, context, make_cpu_backend(model->weights(), context));
  Recording recording = *open_recording(sound, {});
  TranscribeOptions options = base;
  options.layout = layout;
  options.batch_size = setting.batch;
  auto transcript = transcriber.run(recording, options, {});
  EXPECT_TRUE(transcript.ok());
  return {std::move(*transcript), transcriber.facts()};
}

void expect_same(const Transcript& a, const Transcript& b) {
  EXPECT_EQ(a.text, b.text);
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (size_t i = 0; i < a.segments.size(); ++i) {
    EXPECT_EQ(a.segments[i].tokens, b.segments[i].tokens);
    EXPECT_EQ(a.segments[i].start, b.segments[i].start);
    EXPECT_EQ(a.segments[i].end, b.segments[i].end);
    EXPECT_EQ(a.segments[i].avg_logprob, b.segments[i].avg_logprob);
    EXPECT_EQ(a.segments[i].no_speech_prob, b.segments[i].no_speech_prob);
    EXPECT_EQ(a.segments[i].temperature, b.segments[i].temperature);
  }
}

class SameBitsTest : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam())) GTEST_SKIP() << "this machine has no " << isa_name(GetParam());
  }
  const std::filesystem::path sound = testing::repository_dir() / "tests/data/speech/long-1.flac";
};

// Against scalar, one thread, batch 1: the meaning itself. The thresholds are set so that windows are tried again:
// draws must agree too.
TEST_P(SameBitsTest, TheBuiltinModelOnALongRecording) {
  TranscribeOptions options;
  options.clips_s = {0, 9};  // scalar is slow
  options.decoding.logprob_threshold = -0.2;
  options.decoding.temperatures = {0.0, 0.5, 1.0};
  options.decoding.best_of = 2;
  static const Outcome meaning = transcribe({Isa::scalar, 1, 1}, builtin_model_bytes(), sound, Layout::pauses, options);
  EXPECT_GT(meaning.facts.fallbacks, 0);
  EXPECT_GE(meaning.transcript.segments.size(), 3u);
  for (int threads : {1, 2}) {
    for (int batch : {1, 4}) {
      SCOPED_TRACE(::testing::Message() << threads << " threads, batch " << batch);
      const Outcome here =
          transcribe({GetParam(), threads, batch}, builtin_model_bytes(), sound, Layout::pauses, options);
      EXPECT_EQ(here.facts.encoded_on.isa, isa_name(GetParam()));
      EXPECT_EQ(here.facts.batch_size, batch);
      expect_same(here.transcript, meaning.transcript);
    }
  }
}

// A random model has no margins: one different bit anywhere soon changes an id.
TEST_P(SameBitsTest, ARandomModelWithoutMargins) {
  SHORTHAND_NEEDS_SHARED("tools/make_random_model.py");
  if (!testing::python_with_numpy()) GTEST_SKIP() << "needs python3 with NumPy to make the model";
  const auto path = testing::random_model("micro --seed 300 --eot-after 60 --embed-std 0.2 --special-gain 1.0");
  const MappedFile file = *MappedFile::open(path);
  TranscribeOptions options;
  options.clips_s = {0, 30, 60};  // the last clip to the end, 37 s: two pieces
  options.decoding.temperatures = {0.0, 0.7};
  options.decoding.best_of = 1;
  options.max_tokens = 40;
  options.language = "en";
  static const Outcome meaning = transcribe({Isa::scalar, 2, 1}, file.bytes(), sound, Layout::fixed, options);
  for (const Setting& s : {Setting{GetParam(), 1, 1}, Setting{GetParam(), 2, 4}}) {
    expect_same(transcribe(s, file.bytes(), sound, Layout::fixed, options).transcript, meaning.transcript);
  }
}

INSTANTIATE_TEST_SUITE_P(Rungs, SameBitsTest, ::testing::ValuesIn(kAllIsas),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace shorthand
