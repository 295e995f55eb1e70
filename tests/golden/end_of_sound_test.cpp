// SPDX-License-Identifier: Apache-2.0
// The end of a recording on real weights: a model that is shown a fraction of a second, and 29 s of nothing, says again
// what it said before. What is heard of a speech must not depend on a little silence behind its first window.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/recording.h"
#include "engine/transcriber.h"
#include "support/real_models.h"
#include "support/shared_data.h"
#include "support/sound_files.h"

namespace shorthand {
namespace {

class EndOfSound : public ::testing::TestWithParam<std::string> {};

// `seconds` of a speech that is over before, and silence.
std::string speech_and_silence(double seconds) {
  Recording recording = *open_recording(testing::repository_dir() / "tests/data/general/moon.flac");
  const auto length = static_cast<size_t>(seconds * kSampleRate);
  std::vector<float> speech(std::min<size_t>(length, kSampleRate * 11));
  EXPECT_TRUE(recording.read(0, speech));
  std::vector<int16_t> samples(length);
  for (size_t i = 0; i < speech.size(); ++i) samples[i] = static_cast<int16_t>(speech[i] * 32768.0f);
  return testing::wav(samples);
}

TEST_P(EndOfSound, ALittleSilenceSaysNothing) {
  SHORTHAND_NEEDS_REAL_MODEL(GetParam());
  const Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool(physical_cores());
  const Context context{&kernels, &pool};
  const std::shared_ptr<const Model> model = *Model::open(testing::real_model(GetParam()), ComputeType::int8, pool);
  Transcriber transcriber(model, false, context, make_cpu_backend(model->weights(), context));
  const auto heard = [&](double seconds, bool as_reference = false) {
    const std::string file = speech_and_silence(seconds);
    auto source = ByteSource::from_memory(std::as_bytes(std::span(file)), "memory");
    Recording recording(*SoundReader::open(*std::move(source)));
    TranscribeOptions options;
    options.language = "en";
    options.end_as_reference = as_reference;
    const Transcript transcript = *transcriber.run(recording, options, {});
    if (!as_reference) {
      for (const Segment& s : transcript.segments) EXPECT_LE(s.end, seconds) << s.text;
    }
    return transcript.text;
  };
  const std::string whole = heard(30);  // one window, and nothing behind it
  EXPECT_THAT(whole, ::testing::HasSubstr("moon"));
  for (const double rest : {0.02, 0.05, 0.12, 0.3}) EXPECT_EQ(heard(30 + rest), whole) << rest;
  if (GetParam() == "base") {
    EXPECT_NE(heard(30.05, true), whole) << "the reference's rule tells them apart, so that this test can fail";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EndOfSound, ::testing::Values("base", "tiny.en"),
                         [](const auto& test) { return test.param == "base" ? "base" : "tiny_en"; });

}  // namespace
}  // namespace shorthand
