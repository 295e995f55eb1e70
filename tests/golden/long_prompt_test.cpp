// SPDX-License-Identifier: Apache-2.0
// More tokens than a block of attention's keys: Whisper's longest prompt, and all that a decoder can see, from sound to
// logits and to text, against the NumPy program. A model of random weights, since the built-in one sees 224 tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

#include "audio/recording.h"
#include "engine/transcriber.h"
#include "model/random.h"
#include "support/models.h"
#include "support/npy.h"
#include "support/process.h"

namespace shorthand {
namespace {

constexpr int kTokens = 448, kMaxTokens = 100;
constexpr int kBlock = attention::kBlockKeys;
// Tokens after which logits are compared: half of them have seen no more than a block.
constexpr int kRows[] = {0, 60, 150, 227, 240, 250, 254, 255, 256, 257, 258, 270, 300, 350, 400, 447};
constexpr int kEot = 256, kSot = 257, kEnglish = 258, kTranscribe = 260, kStartOfPrev = 262, kNoTimestamps = 264;

RandomModel model_of_bytes() {
  RandomModel m;
  for (int b = 0; b < 256; ++b) m.pieces.emplace_back(1, static_cast<char>(b));
  m.config = {.n_vocab = 256 + kSpecialsBesidesLanguages + 1,
              .n_audio_ctx = 1500,
              .n_audio_state = 128,
              .n_audio_head = 2,
              .n_audio_layer = 1,
              .n_text_ctx = kTokens,
              .n_text_state = 128,
              .n_text_head = 2,
              .n_text_layer = 2,
              .n_mels = 80};
  const FilterBank slaney = FilterBank::slaney(80);
  m.mel_filters.assign(slaney.weights().begin(), slaney.weights().end());
  m.eot_after = 0;
  m.seed = 41;
  m.decoder.cross_query_key = 1;  // what a row says depends on its text more than on the sound
  m.decoder.cross_out = 0.3;
  return m;
}

// A token a byte.
std::string letters(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < count) text += static_cast<char>('a' + random() % 26);
  return text;
}

// What a first pass sees at the most, and an answer.
std::vector<int> forced_tokens() {
  std::vector<int> tokens = {kStartOfPrev};
  std::mt19937 random(29);
  const auto text_up_to = [&](size_t count) {
    while (tokens.size() < count) tokens.push_back(static_cast<int>(random() % kEot));
  };
  text_up_to(1 + kTokens / 2 - 1);
  tokens.insert(tokens.end(), {kSot, kEnglish, kTranscribe, kNoTimestamps});
  text_up_to(kTokens);
  return tokens;
}

template <class T>
void write_values(const std::filesystem::path& path, const std::vector<T>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

double relative_l2(std::span<const float> got, std::span<const float> want) {
  double error = 0, power = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(double{got[i]} - double{want[i]}, 2);
    power += std::pow(double{want[i]}, 2);
  }
  return std::sqrt(error / power);
}

// The model, a sound, and what the NumPy program made of both.
class LongPrompt : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::python_with_numpy()) GTEST_SKIP() << "needs python3 with NumPy to run the network";
    const std::filesystem::path path = folder / "model.bin";
    ASSERT_TRUE(write_random_model(path, model_of_bytes(), pool));
    model = *Model::open(path, type(), pool);
    const SpecialTokens& s = model->tokenizer().special();
    ASSERT_EQ((std::vector{s.eot, s.sot, s.first_language, s.transcribe, s.startofprev, s.notimestamps}),
              (std::vector{kEot, kSot, kEnglish, kTranscribe, kStartOfPrev, kNoTimestamps}));
    std::vector<float> pcm(30 * 16000);
    Recording recording = *open_recording(sound, {});
    pcm.resize(*recording.read(0, pcm));
    std::vector<int16_t> samples;
    for (float x : pcm) samples.push_back(static_cast<int16_t>(std::lround(x * 32768)));
    write_values(folder / "sound.i16", samples);
    write_values(folder / "forced.i32", forced);
    std::vector<int> prompt = {kStartOfPrev};  // the last of what was said, then what the answer begins with
    prompt.insert(prompt.end(), said.end() - (kTokens / 2 - 1), said.end());
    prompt.insert(prompt.end(), {kSot, kEnglish, kTranscribe, kNoTimestamps, ' '});
    prompt.insert(prompt.end(), begun.begin(), begun.end());
    ASSERT_GT(std::ssize(prompt), kBlock);
    write_values(folder / "prompt.i32", prompt);
    const auto script = testing::repository_dir() / "tests/reference/long_prompt.py";
    const auto ran = testing::run_program({testing::python_with_numpy_program(), script.string(), path.string(),
                                           folder.path().string(), std::to_string(kMaxTokens), std::to_string(kEot)});
    ASSERT_EQ(ran.status, 0) << ran.err;
    encoder = testing::read_npy<float>(folder / "encoder.npy").values;
    want = testing::read_npy<float>(folder / "logits.npy").values;
  }

  virtual ComputeType type() const { return ComputeType::float32; }

  std::vector<float> encoded() {
    EncoderOutput out(model->config());
    const LogMel log_mel(*kernels.log_mel, model->filter_bank());
    std::vector<float> pcm(30 * 16000);
    Recording recording = *open_recording(sound, {});
    pcm.resize(*recording.read(0, pcm));
    Mel mel = log_mel.piece(pcm, 0, 3000, &pool);
    std::ranges::fill(mel.values.span().subspan(pcm.size() / 160 * 80), 0.0f);  // what follows a sound is no silence
    EXPECT_TRUE(make_cpu_backend(model->weights(), context())->encode(mel.values.span(), out));
    return {out.data.span().begin(), out.data.span().end()};
  }

  // The logits of kRows, the cache filled in passes of the lengths given.
  std::vector<float> logits_of(std::span<const float> audio, const std::vector<int>& passes) {
    EncoderOutput output(model->config());
    std::ranges::copy(audio, output.data.data());
    Decoder decoder(model->weights(), context(), 1, std::ssize(kRows) / 2);  // that many may want logits
    decoder.set_audio(0, output);
    std::vector<float> all;
    int at = 0;
    for (int pass : passes) {
      std::vector<DecoderRow> rows;
      for (int i = 0; i < pass; ++i, ++at)
        rows.push_back({0, 0, at, forced[static_cast<size_t>(at)], std::ranges::count(kRows, at) > 0});
      const std::span<const float> logits = decoder.forward(rows);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    EXPECT_EQ(at, kTokens);
    return all;
  }

  // Of the logits of kRows in [first, last).
  double loss(const std::vector<float>& got, int first, int last) const {
    const size_t n_vocab = static_cast<size_t>(model->config().n_vocab);
    std::vector<float> ours, theirs;
    for (size_t i = 0; i < std::size(kRows); ++i) {
      if (kRows[i] < first || kRows[i] >= last) continue;
      const auto of = got.begin() + static_cast<long>(i * n_vocab);
      const auto from = want.begin() + static_cast<long>(static_cast<size_t>(kRows[i]) * n_vocab);
      ours.insert(ours.end(), of, of + static_cast<long>(n_vocab));
      theirs.insert(theirs.end(), from, from + static_cast<long>(n_vocab));
    }
    return relative_l2(ours, theirs);
  }

  Context context() { return {&kernels, &pool}; }

  const std::filesystem::path sound = testing::repository_dir() / "tests/data/speech/short-02.flac";
  const std::vector<int> forced = forced_tokens();
  const std::string said = letters(300, 3), begun = letters(90, 4);
  testing::TemporaryFolder folder;
  Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool{2};
  std::shared_ptr<const Model> model;
  std::vector<float> encoder, want;  // want [kTokens, n_vocab]
};

class LongPromptLogits : public LongPrompt, public ::testing::WithParamInterface<ComputeType> {
  ComputeType type() const override { return GetParam(); }
};

// In one pass, as the engine does (the prompt, then token by token), and in passes whose blocks of rows lie across a
// block's edge: some of their rows see no key of the second.
TEST_P(LongPromptLogits, AreTheNumpyProgramsHoweverTheCacheIsFilled) {
  const bool int8 = GetParam() == ComputeType::int8;
  const std::vector<float> audio = encoded();
  const double of_encoder = relative_l2(audio, encoder);
  EXPECT_LT(of_encoder, int8 ? 0.05 : 1e-4);
  const std::vector<int> one_by_one(kTokens, 1);
  std::vector<int> as_the_engine(kTokens - 228 + 1, 1);
  as_the_engine[0] = 228;
  std::vector<float> first;
  for (const std::vector<int>& passes :
       {std::vector{kTokens}, one_by_one, as_the_engine, {7, 250, 191}, {245, 3, 200}, {251, 197}}) {
    const std::vector<float> got = logits_of(audio, passes);
    const double before = loss(got, 0, kBlock), after = loss(got, kBlock, kTokens);
    std::printf("%s, first pass %d of %zu: logits, relative L2 %.2e before a block of keys is full, %.2e after\n",
                int8 ? "int8" : "float32", passes[0], passes.size(), before, after);
    EXPECT_LT(before, int8 ? 0.08 : 1e-4);
    EXPECT_LT(after, int8 ? 0.08 : 1e-4);
    if (first.empty()) first = got;
    EXPECT_TRUE(!int8 || got == first) << "first pass " << passes[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LongPromptLogits, ::testing::Values(ComputeType::int8, ComputeType::float32),
                         [](const auto& test) { return std::string(compute_type_name(test.param)); });

// Through the whole engine: the longest prompt and a prefix make a first pass of more than a block, and the answer goes
// on from there. Random weights have no margins to spare, so int8 is held to its logits.
TEST_F(LongPrompt, IsHeardAsTheNumpyProgramHearsIt) {
  Transcriber transcriber(model, false, context(), make_cpu_backend(model->weights(), context()));
  TranscribeOptions o;
  o.language = "en";
  o.layout = Layout::sequential;
  o.initial_prompt = said;
  o.prefix = begun;
  o.max_tokens = kMaxTokens;
  o.suppress.clear();
  o.decoding.timestamps = o.decoding.suppress_blank = false;
  o.decoding.temperatures = {0};
  o.decoding.compression_ratio_threshold = o.decoding.logprob_threshold = o.decoding.no_speech_threshold = {};
  Recording recording = *open_recording(sound, {});
  const auto got = transcriber.run(recording, o, {});
  ASSERT_TRUE(got.ok()) << got.error().message;
  ASSERT_EQ(got->segments.size(), 1u);
  const std::string bytes = testing::file_bytes(folder / "tokens.i32");
  std::vector<int> expected(bytes.size() / sizeof(int));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  EXPECT_EQ(std::ssize(expected), kMaxTokens);
  std::vector<int> kinds = expected;
  std::ranges::sort(kinds);
  EXPECT_GT(std::ranges::unique(kinds).begin() - kinds.begin(), 10);
  EXPECT_EQ(got->segments[0].tokens, expected);
}

}  // namespace
}  // namespace shorthand
