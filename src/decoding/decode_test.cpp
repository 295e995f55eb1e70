// SPDX-License-Identifier: Apache-2.0
// Attempts, thresholds and batches over a decoder whose logits are written down.
#include "decoding/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

namespace shorthand {
namespace {

const rowwise::Variant& kScalar = rowwise::variants()[0];
ThreadPool pool(2);
constexpr int kText = 26;                     // the letters, ids 0 to 25, and
constexpr int kVocab = kText + 1 + 1509 + 2;  // a space

Tokenizer letters() {
  std::vector<std::string> pieces;
  for (char c = 'a'; c <= 'z'; ++c) pieces.emplace_back(1, c);
  pieces.emplace_back(" ");
  const auto special = special_tokens_in_order(kText + 1, kVocab, false, "test");
  return *Tokenizer::create(std::move(pieces), *special);
}

// Logits as a function of the audio and the tokens so far; remembers what it was asked, as a cache would.
class ScriptedDecoder : public TextDecoder {
 public:
  using Script = std::function<void(int audio, const std::vector<int>& tokens, std::span<float> logits)>;
  ScriptedDecoder(Script script, int sequences) : script_(std::move(script)), caches_(static_cast<size_t>(sequences)) {}

  int n_vocab() const override { return kVocab; }
  int n_text_ctx() const override { return 64; }
  int max_sequences() const override { return static_cast<int>(caches_.size()); }
  std::span<float> forward(std::span<const DecoderRow> rows) override {
    logits_.clear();
    for (const DecoderRow& row : rows) {
      std::vector<int>& tokens = caches_[static_cast<size_t>(row.sequence)];
      EXPECT_LE(static_cast<size_t>(row.position), tokens.size());
      EXPECT_LT(row.position, n_text_ctx());
      tokens.resize(static_cast<size_t>(row.position));
      tokens.push_back(row.token);
      if (!row.wants_logits) continue;
      logits_.resize(logits_.size() + kVocab, -10.0f);
      script_(row.audio, tokens, std::span(logits_).last(kVocab));
    }
    return logits_;
  }
  void copy_sequence(int from, int to) override {
    caches_[static_cast<size_t>(to)] = caches_[static_cast<size_t>(from)];
  }

 private:
  Script script_;
  std::vector<std::vector<int>> caches_;
  std::vector<float> logits_;
};

class DecodeTest : public testing::Test {
 protected:
  DecodeTest() { options.timestamps = false; }

  std::vector<WindowRequest> windows(int n) const {
    const SpecialTokens& s = tokenizer.special();
    std::vector<WindowRequest> all;
    for (int i = 0; i < n; ++i) {
      all.push_back({i,
                     {s.startofprev, 5, 6, s.sot, s.first_language, s.transcribe, s.notimestamps},
                     3,
                     static_cast<uint64_t>(i) * 480000});
    }
    return all;
  }
  size_t sampled(const std::vector<int>& tokens) const { return tokens.size() - 7; }

  Tokenizer tokenizer = letters();
  int eot = tokenizer.special().eot;
  DecodingOptions options;
};

TEST_F(DecodeTest, SpellsWhatIsWrittenAndCountsTheEnd) {
  const std::vector<int> word = {7, 4, 11, 11, 14};  // hello
  ScriptedDecoder decoder(
      [&](int, const std::vector<int>& tokens, std::span<float> logits) {
        if (tokens.size() < 7) return;
        const size_t at = sampled(tokens);
        logits[static_cast<size_t>(at < word.size() ? word[at] : eot)] = 10.0f;
      },
      1);
  const DecodedWindow w = decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0);
  EXPECT_EQ(w.tokens, word);
  EXPECT_EQ(w.text, "hello");
  EXPECT_EQ(w.temperature, 0);
  // Six choices, each of softmax e^10 against 1,537 others at e^-10; blanks and ends are forbidden at the first.
  const auto logprob = [](int others) { return -std::log1p(others * std::exp(-20.0)); };
  EXPECT_NEAR(w.avg_logprob, (logprob(kVocab - 3) + 5 * logprob(kVocab - 1)) / 6, 1e-6);  // sums are float
}

TEST_F(DecodeTest, NoSpeechIsReadAtStartOfTranscriptBeforeAnyRule) {
  ScriptedDecoder decoder(
      [&](int, const std::vector<int>& tokens, std::span<float> logits) {
        std::ranges::fill(logits, 0.0f);
        const bool at_sot = tokens.back() == tokenizer.special().sot;
        logits[static_cast<size_t>(tokenizer.special().nospeech)] = at_sot ? 9.0f : 20.0f;
        logits[static_cast<size_t>(eot)] = tokens.size() > 7 ? 30.0f : 0.0f;
      },
      1);
  options.suppress_tokens = suppressed_special_tokens(tokenizer.special());
  options.temperatures = {0};
  const DecodedWindow w = decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0);
  EXPECT_NEAR(w.no_speech_prob, std::exp(9.0) / (std::exp(9.0) + kVocab - 1), 1e-5);
}

TEST_F(DecodeTest, RepetitionClimbsTheLadderUntilItPasses) {
  // At temperature 0 "a" is always a little ahead; a draw spreads over all letters. The end comes after 40.
  ScriptedDecoder decoder(
      [&](int, const std::vector<int>& tokens, std::span<float> logits) {
        for (size_t i = 0; i < 26; ++i) logits[i] = 5.0f;
        logits[0] = 5.4f;
        if (tokens.size() >= 7 && sampled(tokens) >= 40) logits[static_cast<size_t>(eot)] = 40.0f;
      },
      5);
  options.logprob_threshold.reset();
  const DecodedWindow w = decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0);
  EXPECT_GT(w.temperature, 0);
  EXPECT_EQ(w.redone_because, "compression_ratio");
  EXPECT_LE(w.compression_ratio, 2.4);
  EXPECT_GE(w.attempts, 2);

  options.temperatures = {0};
  const DecodedWindow first = decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0);
  EXPECT_EQ(first.text, std::string(40, 'a'));
  EXPECT_GT(first.compression_ratio, 2.4);
  EXPECT_TRUE(first.redone_because.empty());  // there was nothing left to try
}

TEST_F(DecodeTest, WithoutAnyAttemptThatPassesTheLastStands) {
  ScriptedDecoder decoder(
      [&](int, const std::vector<int>& tokens, std::span<float> logits) {
        std::ranges::fill(logits, 0.0f);  // every token is unlikely
        if (tokens.size() >= 7 && sampled(tokens) >= 3) logits[static_cast<size_t>(eot)] = 40.0f;
      },
      5);
  const DecodedWindow w = decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0);
  EXPECT_EQ(w.temperature, 1.0);
  EXPECT_EQ(w.attempts, 6);
  EXPECT_EQ(w.redone_because, "logprob");
}

TEST_F(DecodeTest, SilenceIsNotTriedAgain) {
  DecodedWindow w;
  w.avg_logprob = -2;
  EXPECT_TRUE(needs_fallback(w, options));
  w.no_speech_prob = 0.7;
  EXPECT_FALSE(needs_fallback(w, options));
  w.compression_ratio = 3;
  EXPECT_FALSE(needs_fallback(w, options));  // as in the reference: silence overrules both
  w.avg_logprob = -0.5;
  EXPECT_TRUE(needs_fallback(w, options));
  options.compression_ratio_threshold.reset();
  EXPECT_FALSE(needs_fallback(w, options));
}

TEST_F(DecodeTest, AWindowIsDecodedTheSameInAnyCompany) {
  // Logits that depend on audio and tokens in a tangled way, with ends at different lengths; windows 1 and 4 fail at
  // first.
  const auto script = [&](int audio, const std::vector<int>& tokens, std::span<float> logits) {
    uint32_t h = static_cast<uint32_t>(audio) * 2654435761u;
    for (int t : tokens) h = (h ^ static_cast<uint32_t>(t)) * 16777619u;
    for (size_t i = 0; i < 26; ++i)
      logits[i] = static_cast<float>((h >> (i % 16)) % 97) / (audio % 3 == 1 ? 400.0f : 8.0f);
    if (tokens.size() >= 7 && sampled(tokens) > 5 + static_cast<size_t>(audio))
      logits[static_cast<size_t>(eot)] = 30.0f;
  };
  const std::vector<WindowRequest> requests = windows(6);
  ScriptedDecoder many(script, 30), few(script, 5);
  const auto together = decode_windows(many, tokenizer, kScalar, pool, requests, options);
  bool some_redone = false;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = decode_windows(few, tokenizer, kScalar, pool, {&requests[i], 1}, options).at(0);
    EXPECT_EQ(together[i].tokens, alone.tokens);
    EXPECT_EQ(together[i].avg_logprob, alone.avg_logprob);
    EXPECT_EQ(together[i].temperature, alone.temperature);
    some_redone |= alone.attempts > 1;
  }
  EXPECT_TRUE(some_redone);
  const auto in_groups = decode_windows(few, tokenizer, kScalar, pool, requests, options);
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(together[i].tokens, in_groups[i].tokens);
}

TEST_F(DecodeTest, StopsAtTheLimitsOfTokensAndOfTheContext) {
  ScriptedDecoder decoder([&](int, const std::vector<int>&, std::span<float> logits) { logits[1] = 10.0f; }, 1);
  options.temperatures = {0};
  options.max_tokens = 12;
  EXPECT_EQ(decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0).tokens.size(), 12u);
  options.max_tokens = 1000;
  // Seven of the prompt; like the reference it stops once the sum exceeds the context of 64.
  EXPECT_EQ(decode_windows(decoder, tokenizer, kScalar, pool, windows(1), options).at(0).tokens.size(), 58u);
}

TEST_F(DecodeTest, DetectsAmongLanguagesOnly) {
  ScriptedDecoder decoder(
      [&](int, const std::vector<int>& tokens, std::span<float> logits) {
        EXPECT_EQ(tokens, std::vector<int>{tokenizer.special().sot});
        logits[0] = 50.0f;
        logits[static_cast<size_t>(tokenizer.special().first_language)] = 1.0f;
        logits[static_cast<size_t>(tokenizer.special().first_language) + 1] = 3.0f;
      },
      1);
  const LanguageGuess guess = detect_language(decoder, tokenizer, kScalar, 0);
  EXPECT_EQ(guess.code, "zh");
  ASSERT_EQ(guess.probabilities.size(), 2u);
  EXPECT_NEAR(guess.probabilities[1].second, 1 / (1 + std::exp(-2.0)), 1e-6);
  const std::vector<std::string> only{"en"};
  EXPECT_EQ(detect_language(decoder, tokenizer, kScalar, 0, only).code, "en");
}

}  // namespace
}  // namespace shorthand
