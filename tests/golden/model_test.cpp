// SPDX-License-Identifier: Apache-2.0
// The network's promises that need no golden data, with the built-in model.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <span>

#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "model/checkpoint.h"
#include "support/process.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

struct Loaded {
  Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool{2};
  std::shared_ptr<const Model> model;
  explicit Loaded(ComputeType type, EncoderRows rows = EncoderRows::mixed)
      : model(*Model::from_bytes(builtin_model_bytes(), "builtin", type, pool, rows)) {}
  Context context() { return {&kernels, &pool}; }
};

// Something for the decoder to attend to: smooth, zero-mean, the size of an encoder's output.
EncoderOutput some_encoder_output(const Config& config) {
  EncoderOutput out(config);
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 1.5f);
  for (float& v : out.data.span()) v = normal(random);
  return out;
}

// Logits after `tokens`, the cache filled in steps of the lengths given.
std::vector<float> logits_after(Decoder& decoder, const std::vector<int>& tokens, const std::vector<size_t>& steps) {
  std::span<const float> logits;
  size_t at = 0;
  for (size_t step : steps) {
    std::vector<DecoderRow> rows;
    for (size_t i = 0; i < step; ++i, ++at) rows.push_back({0, 0, static_cast<int>(at), tokens[at], i + 1 == step});
    logits = decoder.forward(rows);
  }
  EXPECT_EQ(at, tokens.size());
  return {logits.begin(), logits.end()};
}

class CacheTest : public ::testing::TestWithParam<ComputeType> {};

TEST_P(CacheTest, CachedAndUncachedLogitsAgree) {
  Loaded loaded(GetParam());
  Decoder decoder(loaded.model->weights(), loaded.context(), 1, 1);
  decoder.set_audio(0, some_encoder_output(loaded.model->config()));
  std::vector<int> tokens = {897, 898, 900, 904};
  std::mt19937 random(3);
  while (tokens.size() < 100) tokens.push_back(static_cast<int>(random() % 896));
  const auto whole = logits_after(decoder, tokens, {100});
  const auto one_by_one = logits_after(decoder, tokens, std::vector<size_t>(100, 1));
  const auto mixed = logits_after(decoder, tokens, {4, 1, 65, 1, 29});
  if (GetParam() == ComputeType::int8) {
    EXPECT_EQ(whole, one_by_one);
    EXPECT_EQ(whole, mixed);
  } else {
    for (size_t i = 0; i < whole.size(); ++i) {
      ASSERT_NEAR(whole[i], one_by_one[i], 1e-3);
      ASSERT_NEAR(whole[i], mixed[i], 1e-3);
    }
  }
}

// The cache of a sequence must not show through in another, nor what stood in it before.
TEST_P(CacheTest, SequencesDoNotSeeEachOther) {
  Loaded loaded(GetParam());
  Decoder decoder(loaded.model->weights(), loaded.context(), 2, 3);
  const EncoderOutput audio = some_encoder_output(loaded.model->config());
  EncoderOutput other(loaded.model->config());
  std::ranges::transform(audio.data.span(), other.data.data(), [](float v) { return -0.7f * v; });
  decoder.set_audio(0, audio);
  decoder.set_audio(1, other);
  const std::vector<int> tokens = {897, 898, 900, 904, 10, 20, 30};
  const auto alone = logits_after(decoder, tokens, {7});

  std::vector<DecoderRow> rows;
  for (int sequence : {2, 0, 1}) {
    for (int i = 0; i < 7; ++i) {
      const int token = sequence == 0 ? tokens[static_cast<size_t>(i)] : 500 + i + sequence;
      rows.push_back({sequence, sequence == 1 ? 1 : 0, i, token, sequence == 0 && i == 6});
    }
  }
  const std::span<const float> together = decoder.forward(rows);
  EXPECT_EQ(alone, std::vector<float>(together.begin(), together.end()));

  // A copy goes on as its original would.
  const DecoderRow next{0, 0, 7, 40, true};
  const auto original = decoder.forward({&next, 1});
  const std::vector<float> expected(original.begin(), original.end());
  decoder.copy_sequence(0, 2);
  const DecoderRow copied{2, 0, 7, 40, true};
  const auto copy = decoder.forward({&copied, 1});
  EXPECT_EQ(expected, std::vector<float>(copy.begin(), copy.end()));
}

// A step that only sums its logits up has computed the rows of the one that writes them.
TEST_P(CacheTest, SumsAreThoseOfWholeRows) {
  Loaded loaded(GetParam());
  for (int sequences : {1, 5, 70}) {
    Decoder decoder(loaded.model->weights(), loaded.context(), 1, sequences);
    decoder.set_audio(0, some_encoder_output(loaded.model->config()));
    const std::vector<IdRange> always = {{3, 4}, {500, 600}}, few = {{890, 1100}, {0, 1}};
    std::mt19937 random(5);
    std::vector<DecoderRow> rows;
    std::vector<Selection> selections;
    for (int s = 0; s < sequences; ++s) {
      for (int p = 0; p < 3; ++p) rows.push_back({s, 0, p, static_cast<int>(random() % 896), p == 2 || s % 7 == p});
    }
    for (const DecoderRow& row : rows) {
      if (!row.wants_logits) continue;
      const std::span<const IdRange> for_now =
          selections.size() % 3 == 1 ? std::span<const IdRange>(few) : std::span<const IdRange>();
      selections.push_back({900 + static_cast<int>(selections.size()), always, for_now});
    }
    std::vector<LogitSums> fused(selections.size()), whole(selections.size());
    decoder.forward_sums(rows, selections, fused);
    decoder.TextDecoder::forward_sums(rows, selections, whole);
    for (size_t i = 0; i < fused.size(); ++i) {
      EXPECT_EQ(fused[i].text.argmax, whole[i].text.argmax);
      EXPECT_EQ(fused[i].text.max, whole[i].text.max);
      EXPECT_EQ(fused[i].text.sum_exp, whole[i].text.sum_exp);
      EXPECT_EQ(fused[i].times.argmax, whole[i].times.argmax);
      EXPECT_EQ(fused[i].times.sum_exp, whole[i].times.sum_exp);
      EXPECT_GT(fused[i].text.sum_exp, 1);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CacheTest, ::testing::Values(ComputeType::int8, ComputeType::float32),
                         [](const auto& test) { return std::string(compute_type_name(test.param)); });

// A backend that hands the decoder something else than it computed.
class TamperedBackend : public Backend {
 public:
  TamperedBackend(std::unique_ptr<Backend> real, bool tamper) : real_(std::move(real)), tamper_(tamper) {}
  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    SHORTHAND_TRY(real_->encode(mel, out));
    // The first two seconds are lost.
    if (tamper_) std::ranges::fill(out.data.span().first(192 * 100), 0.0f);
    return {};
  }
  RanOn ran_on() const override { return real_->ran_on(); }

 private:
  std::unique_ptr<Backend> real_;
  bool tamper_;
};

// A window shorter than the ones before it: what those left must not be heard.
TEST_P(CacheTest, AShorterWindowIsAloneInTheEncoderAndTheDecoder) {
  Loaded loaded(GetParam());
  const Config& config = loaded.model->config();
  const size_t n_mels = static_cast<size_t>(config.n_mels);
  std::vector<float> mel(static_cast<size_t>(2 * config.n_audio_ctx) * n_mels);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.5f);
  for (float& v : mel) v = normal(random);
  const std::span<const float> part = std::span(mel).first(2 * 333 * n_mels);
  const std::vector<int> tokens = {897, 898, 900, 904, 1, 2, 3};

  Encoder used(loaded.model->weights(), loaded.context()), fresh(loaded.model->weights(), loaded.context());
  Decoder used_decoder(loaded.model->weights(), loaded.context(), 1, 1);
  Decoder fresh_decoder(loaded.model->weights(), loaded.context(), 1, 1);
  EncoderOutput out(config), want(config);
  used.run(mel, out);
  used_decoder.set_audio(0, out);
  const std::vector<float> whole = logits_after(used_decoder, tokens, {7});
  used.run(part, out);
  fresh.run(part, want);
  ASSERT_EQ(out.positions, 333);
  const size_t size = 333 * static_cast<size_t>(config.n_audio_state);
  EXPECT_TRUE(std::ranges::equal(out.data.span().first(size), want.data.span().first(size)));
  used_decoder.set_audio(0, out);
  fresh_decoder.set_audio(0, want);
  const std::vector<float> got = logits_after(used_decoder, tokens, {7});
  EXPECT_EQ(got, logits_after(fresh_decoder, tokens, {7}));
  EXPECT_NE(got, whole);
}

TEST(BackendTest, TheDecoderUsesWhatTheBackendReturned) {
  std::string texts[2];
  for (bool tamper : {false, true}) {
    Loaded loaded(ComputeType::int8);
    auto backend =
        std::make_unique<TamperedBackend>(make_cpu_backend(loaded.model->weights(), loaded.context()), tamper);
    Transcriber transcriber(loaded.model, true, loaded.context(), std::move(backend));
    Recording recording = *open_recording(testing::repository_dir() / "tests/data/speech/short-02.flac", {});
    texts[tamper] = transcriber.run(recording, {}, {})->text;
  }
  EXPECT_FALSE(texts[0].empty());
  EXPECT_NE(texts[0], texts[1]);
}

// A native file is the weights as they are used: the same logits, and damage is found before it is used.
TEST(NativeTest, SavedAndMappedIsTheSameModel) {
  for (ComputeType type : {ComputeType::int8, ComputeType::float32}) {
    const testing::TemporaryFolder folder;
    Loaded loaded(type);
    ASSERT_TRUE(loaded.model->save(folder / "model.shorthand").ok());
    const auto mapped = Model::open(folder / "model.shorthand", type, loaded.pool);
    ASSERT_TRUE(mapped.ok()) << mapped.error().message;
    EXPECT_EQ((*mapped)->config(), loaded.model->config());
    EXPECT_EQ((*mapped)->tokenizer().pieces(), loaded.model->tokenizer().pieces());
    EXPECT_EQ((*mapped)->tokenizer().special(), loaded.model->tokenizer().special());
    EXPECT_TRUE(std::ranges::equal((*mapped)->filter_bank().weights(), loaded.model->filter_bank().weights()));
    std::vector<float> logits[2];
    for (int i = 0; i < 2; ++i) {
      Decoder decoder(i == 0 ? loaded.model->weights() : (*mapped)->weights(), loaded.context(), 1, 1);
      decoder.set_audio(0, some_encoder_output(loaded.model->config()));
      logits[i] = logits_after(decoder, {897, 898, 900, 904, 1, 2, 3}, {7});
    }
    EXPECT_EQ(logits[0], logits[1]);
    const auto other = Model::open(folder / "model.shorthand",
                                   type == ComputeType::int8 ? ComputeType::float32 : ComputeType::int8, loaded.pool);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().kind, Error::Kind::usage);
  }
}

// Rows for an array are the file's, rounded once; the decoder is packed as ever.
TEST(PlainRowsTest, AreTheWeightsWithinHalfAStep) {
  Loaded plain(ComputeType::int8, EncoderRows::plain), mixed(ComputeType::int8);
  const Weights &w = plain.model->weights(), &cpu = mixed.model->weights();
  ASSERT_EQ(w.encoder_rows, EncoderRows::plain);
  ASSERT_EQ(cpu.encoder_rows, EncoderRows::mixed);
  const Checkpoint file = *parse_checkpoint(builtin_model_bytes(), "builtin");
  const size_t last = w.encoder.size() - 1;
  const std::string block = fmt::format("encoder.blocks.{}.", last);
  for (const auto& [layer, name] :
       {std::pair(w.encoder[last].fc1, block + "mlp.0"), {w.encoder[0].fc2, "encoder.blocks.0.mlp.2"}}) {
    EXPECT_FALSE(layer.i8.panels || layer.f32.panels) << name;
    const size_t out = static_cast<size_t>(layer.out), in = static_cast<size_t>(layer.in);
    std::vector<float> want(out * in), bias(out);
    ASSERT_TRUE(file.read_tensor(name + ".weight", {out, in}, want).ok());
    ASSERT_TRUE(file.read_tensor(name + ".bias", {out}, bias).ok());
    EXPECT_TRUE(std::ranges::equal(bias, std::span(layer.bias, out)));
    for (size_t i = 0; i < want.size(); ++i) {
      const float step = layer.plain.scales[i / in];
      ASSERT_NEAR(static_cast<float>(layer.plain.values[i]) * step, want[i], 0.5001f * step) << name << " " << i;
    }
  }
  const auto decoder_bytes = [](const Linear& l) { return std::span(l.i8.panels, gemm_i8::packed_bytes(l.out, l.in)); };
  EXPECT_TRUE(std::ranges::equal(decoder_bytes(w.decoder[0].cross_kv), decoder_bytes(cpu.decoder[0].cross_kv)));
  EXPECT_TRUE(std::ranges::equal(decoder_bytes(w.token_embedding), decoder_bytes(cpu.token_embedding)));
}

// A native file holds mixed rows alone: none is written of plain ones, and one that is asked for them has not got them.
TEST(PlainRowsTest, AreInNoNativeFile) {
  const testing::TemporaryFolder folder;
  Loaded plain(ComputeType::int8, EncoderRows::plain), mixed(ComputeType::int8);
  const Result<void> saved = plain.model->save(folder / "model");
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().kind, Error::Kind::usage);
  ASSERT_TRUE(mixed.model->save(folder / "model").ok());
  const auto mapped = Model::open(folder / "model", ComputeType::int8, mixed.pool, EncoderRows::plain);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ((*mapped)->weights().encoder_rows, EncoderRows::mixed);
  EXPECT_EQ(Loaded(ComputeType::float32, EncoderRows::plain).model->weights().encoder_rows, EncoderRows::mixed);
}

// Weights of version 1 were not mixed: int8 must be converted again, float32 is what it was.
TEST(NativeTest, VersionOneIsReadInFloat32Alone) {
  for (ComputeType type : {ComputeType::int8, ComputeType::float32}) {
    const testing::TemporaryFolder folder;
    Loaded loaded(type);
    ASSERT_TRUE(loaded.model->save(folder / "model").ok());
    for (char version : {'\0', '\1', '\2', '\3'}) {
      std::string bytes = testing::contents(folder / "model");
      ASSERT_EQ(bytes[8], 2);
      bytes[8] = version;
      std::ofstream(folder / "other", std::ios::binary) << bytes;
      const auto opened = Model::open(folder / "other", type, loaded.pool);
      EXPECT_EQ(opened.ok(), version == 2 || (version == 1 && type == ComputeType::float32)) << int{version};
      if (opened.ok()) continue;
      EXPECT_NE(opened.error().message.find("convert the original again"), std::string::npos);
    }
  }
}

TEST(NativeTest, DamageIsFound) {
  const testing::TemporaryFolder folder;
  Loaded loaded(ComputeType::int8);
  ASSERT_TRUE(loaded.model->save(folder / "good").ok());
  const std::string good = testing::contents(folder / "good");
  std::mt19937 random(17);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    if (i < 100) {
      bad.resize(random() % good.size());
    } else {
      const size_t header = 40 + 300;  // numbers that say how much follows
      for (int k = 0; k < 3; ++k) bad[8 + random() % header] = static_cast<char>(random());
    }
    std::ofstream(folder / "bad", std::ios::binary) << bad;
    const auto opened = Model::open(folder / "bad", ComputeType::int8, loaded.pool);
    // A changed byte may have hit nothing that matters; it must not crash.
    if (i < 100) {
      EXPECT_FALSE(opened.ok());
    }
  }
}

}  // namespace
}  // namespace shorthand
