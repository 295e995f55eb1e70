// SPDX-License-Identifier: Apache-2.0
#include "text/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/test_data.h"
#include "text/languages.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The ids of openai/whisper 20250625 (tokenizer.py, get_encoding).
TEST(SpecialTokensTest, TheOrderGivesTheIdsOfOpenAisModels) {
  const SpecialTokens en = *special_tokens_in_order(50256, 51864, true, "en");
  EXPECT_EQ(en, (SpecialTokens{50256, 50257, 50258, 99, 50357, 50358, 50359, 50360, 50361, 50362, 50363, 51864, true}));
  const SpecialTokens multi = *special_tokens_in_order(50257, 51865, false, "multilingual");
  EXPECT_EQ(multi,
            (SpecialTokens{50257, 50258, 50259, 99, 50358, 50359, 50360, 50361, 50362, 50363, 50364, 51865, false}));
  const SpecialTokens v3 = *special_tokens_in_order(50257, 51866, false, "v3");
  EXPECT_EQ(v3,
            (SpecialTokens{50257, 50258, 50259, 100, 50359, 50360, 50361, 50362, 50363, 50364, 50365, 51866, false}));

  EXPECT_FALSE(en.is_multilingual());
  EXPECT_TRUE(multi.is_multilingual());
  EXPECT_EQ(language_token(multi, "en"), 50259);
  EXPECT_EQ(language_token(multi, "yue"), std::nullopt);
  EXPECT_EQ(language_token(v3, "yue"), 50358);
  EXPECT_EQ(language_token(en, "en"), std::nullopt);
  EXPECT_EQ(language_of_token(v3, 50358), "yue");
  EXPECT_THAT(suppressed_special_tokens(multi), ElementsAre(50258, 50358, 50359, 50360, 50361, 50362));
}

TEST(SpecialTokensTest, NamesAndTimes) {
  const SpecialTokens v3 = *special_tokens_in_order(50257, 51866, false, "v3");
  EXPECT_EQ(special_token_name(v3, 50257), "<|endoftext|>");
  EXPECT_EQ(special_token_name(v3, 50259), "<|en|>");
  EXPECT_EQ(special_token_name(v3, 50358), "<|yue|>");
  EXPECT_EQ(special_token_name(v3, 50363), "<|nospeech|>");
  EXPECT_EQ(special_token_name(v3, 50365), "<|0.00|>");
  EXPECT_EQ(special_token_name(v3, 50365 + 54), "<|1.08|>");
  EXPECT_EQ(special_token_name(v3, 51865), "<|30.00|>");
  for (int id : {-1, 0, 50256, 51866}) EXPECT_EQ(special_token_name(v3, id), "") << id;
  EXPECT_DOUBLE_EQ(v3.seconds(51865), 30.0);
  EXPECT_TRUE(v3.is_timestamp(51865));
  EXPECT_FALSE(v3.is_timestamp(51866));
  EXPECT_TRUE(v3.is_text(50256));
  EXPECT_FALSE(v3.is_text(-1));
}

TEST(SpecialTokensTest, NumbersThatCannotBeAreErrors) {
  EXPECT_THAT(special_tokens_in_order(50257, 51765, false, "x.bin").error().message,
              HasSubstr("x.bin: 50257 text tokens of 51765 leave -1 for languages, which may be 0 to 100"));
  EXPECT_TRUE(special_tokens_in_order(50257, 51766, false, "none").ok());
  EXPECT_FALSE(special_tokens_in_order(50257, 51867, false, "101").ok());
  EXPECT_FALSE(special_tokens_in_order(0, 1509, false, "no text").ok());
  EXPECT_FALSE(special_tokens_in_order(INT32_MAX, INT32_MIN, false, "far apart").ok());
  EXPECT_FALSE(special_tokens_in_order(INT32_MIN, INT32_MAX, false, "far apart").ok());
}

NamedTokens names_of(const SpecialTokens& special) {
  NamedTokens named;
  for (int id = special.eot; id < special.n_vocab; ++id) named.emplace(special_token_name(special, id), id);
  return named;
}

TEST(SpecialTokensTest, NamedTokensGiveTheSameIds) {
  for (int n_vocab : {1609, 1608, 1510}) {
    const SpecialTokens special = *special_tokens_in_order(1, n_vocab, false, "order");
    NamedTokens named = names_of(special);
    EXPECT_EQ(*special_tokens_named(named, 1, n_vocab, false, "names"), special);
    // Files of 2022, and all English-only ones, name no times, call nospeech nocaptions, and Hebrew iw.
    std::erase_if(named, [](const auto& t) { return t.first.find('.') != std::string::npos; });
    for (const auto& [ours, older] : {std::pair{"<|nospeech|>", "<|nocaptions|>"}, {"<|he|>", "<|iw|>"}}) {
      if (auto token = named.extract(ours)) {
        token.key() = older;
        named.insert(std::move(token));
      }
    }
    const auto older = special_tokens_named(named, 1, n_vocab, false, "names");
    ASSERT_TRUE(older.ok()) << older.error().message;
    EXPECT_EQ(*older, special);
    if (special.n_languages > 20) {
      EXPECT_EQ(language_token(*older, "he"), named.at("<|iw|>"));
      EXPECT_EQ(special_token_name(*older, named.at("<|iw|>")), "<|he|>");
    }
  }
}

TEST(SpecialTokensTest, NamedTokensInAnotherOrderKeepTheirIds) {
  const SpecialTokens usual = *special_tokens_in_order(100, 1709, false, "order");
  NamedTokens named = names_of(usual);
  std::swap(named["<|startoflm|>"], named["<|translate|>"]);
  const SpecialTokens special = *special_tokens_named(named, 100, 1709, true, "names");
  EXPECT_EQ(special.translate, usual.startoflm);
  EXPECT_EQ(special.startoflm, usual.translate);
  EXPECT_TRUE(special.english_only);
  EXPECT_EQ(special.transcribe, usual.transcribe);
}

TEST(SpecialTokensTest, NamedTokensThatDisagreeAreErrors) {
  const SpecialTokens usual = *special_tokens_in_order(100, 1709, false, "order");
  const NamedTokens named = names_of(usual);
  const auto message = [&](const NamedTokens& tokens, int n_text = 100, int n_vocab = 1709) {
    const auto result = special_tokens_named(tokens, n_text, n_vocab, false, "t.json");
    EXPECT_FALSE(result.ok());
    return result.ok() ? "" : result.error().message;
  };
  const auto changed = [&](const char* name, std::optional<int> id) {
    NamedTokens tokens = named;
    tokens.erase(name);
    if (id) tokens.emplace(name, *id);
    return message(tokens);
  };
  EXPECT_THAT(changed("<|transcribe|>", std::nullopt), HasSubstr("t.json: names no <|transcribe|>"));
  EXPECT_THAT(changed("<|zh|>", std::nullopt), HasSubstr("order of Whisper's languages"));
  EXPECT_THAT(changed("<|he|>", std::nullopt), HasSubstr("<|uk|> is token 123, out of the order"));
  EXPECT_THAT(changed("<|en|>", usual.first_language + 1), HasSubstr("order of Whisper's languages"));
  EXPECT_THAT(changed("<|translate|>", usual.transcribe), HasSubstr("two special tokens have the id"));
  EXPECT_THAT(changed("<|translate|>", 3), HasSubstr("the special token 3 lies outside"));
  EXPECT_THAT(changed("<|translate|>", 1700), HasSubstr("the special token 1700 lies outside"));
  EXPECT_THAT(changed("<|translate|>", -1), HasSubstr("no id"));
  EXPECT_THAT(changed("<|translate|>", INT32_MAX), HasSubstr("no id"));
  EXPECT_THAT(changed("<|1.00|>", usual.timestamp_begin), HasSubstr("<|1.00|> is token"));
  EXPECT_THAT(changed("<|endoftext|>", 0), HasSubstr("100 text tokens come before it"));
  EXPECT_THAT(message(named, 99), HasSubstr("99 text tokens come before it"));
  EXPECT_THAT(message(named, 100, 1710), HasSubstr("times must be its last"));
  EXPECT_THAT(message(named, 100, INT32_MIN), HasSubstr("times must be its last"));
  EXPECT_THAT(message({}), HasSubstr("is this the tokenizer of a Whisper model"));
}

TEST(SpecialTokensTest, TheBuiltInModelsFilesAgreeWithTheOrder) {
  SHORTHAND_NEEDS_SHARED("data/builtin/added_tokens.json");
  const auto dir = testing::shared_data_dir() / "data/builtin";
  const NamedTokens named = *parse_added_tokens(testing::read_bytes(dir / "added_tokens.json"), "added_tokens.json");
  const SpecialTokens special = *special_tokens_named(named, 896, 2406, false, "added_tokens.json");
  EXPECT_EQ(special, *special_tokens_in_order(896, 2406, false, "order"));
  EXPECT_EQ(special.n_languages, 1);
  EXPECT_TRUE(special.is_multilingual());
  EXPECT_EQ(language_token(special, "en"), 898);
  EXPECT_EQ(special.transcribe, 900);
  EXPECT_EQ(special.notimestamps, 904);
}

}  // namespace
}  // namespace shorthand
