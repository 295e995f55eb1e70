// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "base/file.h"
#include "support/test_data.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<std::string> openai_pieces(OpenAiVocabulary which) {
  return parse_tiktoken(openai_tiktoken(which), "embedded")->pieces;
}

TEST(VocabularyTest, TheTwoOfOpenAiArePartOfTheLibrary) {
  const auto english = openai_pieces(OpenAiVocabulary::english),
             multilingual = openai_pieces(OpenAiVocabulary::multilingual);
  // Counts, the space token and the last pieces of openai/whisper's two files.
  EXPECT_EQ(english.size(), 50256u);
  EXPECT_EQ(english.back(), " gazed");
  EXPECT_EQ(english[220], " ");
  EXPECT_EQ(english[94], "\xa1");
  EXPECT_EQ(multilingual.size(), 50257u);
  EXPECT_EQ(multilingual.back(), "");
  EXPECT_EQ(multilingual[50255], "场");
  EXPECT_EQ(multilingual[220], " ");
  EXPECT_TRUE(parse_tiktoken(openai_tiktoken(OpenAiVocabulary::english), "embedded")->english_only);
  EXPECT_FALSE(parse_tiktoken(openai_tiktoken(OpenAiVocabulary::multilingual), "embedded")->english_only);
  EXPECT_EQ(testing::read_bytes(testing::repository_dir() / "models/vocab/english.tiktoken"),
            openai_tiktoken(OpenAiVocabulary::english));
}

TEST(VocabularyTest, TiktokenLines) {
  const Vocabulary v = *parse_tiktoken("IQ== 0\r\nIHRoZQ== 2\n\n/+8= 1\n= 3", "t");
  EXPECT_THAT(v.pieces, ElementsAre("!", "\xff\xef", " the", ""));
  const auto message = [](std::string_view text) {
    const auto result = parse_tiktoken(text, "t.tiktoken");
    return result.ok() ? "" : result.error().message;
  };
  EXPECT_THAT(message(""), HasSubstr("holds no text tokens"));
  EXPECT_THAT(message("IQ== 0\nIg== 0\n"), HasSubstr("rank 0 comes twice; 2 tokens must have the ranks 0 to 1"));
  EXPECT_THAT(message("IQ== 1\n"), HasSubstr("rank 1 is too high"));
  EXPECT_THAT(message("IQ== 18446744073709551616\n"), HasSubstr("line 1 is not a base64 piece and its rank"));
  for (const char* line :
       {"IQ==", "IQ== ", " 0", "IQ== 0 ", "IQ== -1", "IQ== x", "I 0", "IQ=x 0", "IQ=== 0", "I?== 0", "IQ 0x0"})
    EXPECT_THAT(message(line), HasSubstr("line 1 is not")) << line;
  EXPECT_THAT(message("IQ== 0\n" + std::string(8000, 'A') + " 1\n"),
              HasSubstr("token 1 has 6000 bytes; none may have more"));
}

TEST(VocabularyTest, AListedEndOfTextIsNoText) {
  EXPECT_THAT(vocabulary_from_pieces({"a", "b", "<|endoftext|>"}, "m.bin")->pieces, ElementsAre("a", "b"));
  EXPECT_THAT(vocabulary_from_pieces({"a", "b", ""}, "m.bin")->pieces, ElementsAre("a", "b", ""));
  EXPECT_FALSE(vocabulary_from_pieces({"<|endoftext|>"}, "m.bin").ok());
}

TEST(VocabularyTest, BytesLostToReplacementComeBack) {
  for (const auto which : {OpenAiVocabulary::english, OpenAiVocabulary::multilingual}) {
    const auto whole = openai_pieces(which);
    std::vector<std::string> lossy = whole;
    for (std::string& piece : lossy) piece = utf8::replace_invalid(piece);
    ASSERT_NE(lossy, whole);
    std::vector<std::string> restored = lossy;
    EXPECT_EQ(restore_bytes(&restored), which);
    EXPECT_EQ(restored, whole);
    // One piece of another vocabulary, one too few or one too many, and nothing is touched.
    lossy[1000] = "other";
    restored = lossy;
    EXPECT_EQ(restore_bytes(&restored), std::nullopt);
    EXPECT_EQ(restored, lossy);
    restored = whole;
    restored.pop_back();
    EXPECT_EQ(restore_bytes(&restored), std::nullopt);
    restored = whole;
    restored.push_back("more");
    EXPECT_EQ(restore_bytes(&restored), std::nullopt);
  }
}

// The pieces that a ggml file lists after its header of 48 bytes and its filters.
std::vector<std::string> ggml_pieces(const std::filesystem::path& path) {
  const MappedFile file = *MappedFile::open(path);
  ByteReader reader(file.bytes());
  reader.take(48);
  const auto mels = reader.read<int32_t>(), bins = reader.read<int32_t>();
  reader.take(sizeof(float) * static_cast<size_t>(mels) * static_cast<size_t>(bins));
  std::vector<std::string> pieces(reader.read<uint32_t>());
  for (std::string& piece : pieces) piece = reader.take_text(reader.read<uint32_t>());
  EXPECT_FALSE(reader.failed());
  return pieces;
}

TEST(VocabularyTest, GgmlFilesGiveTheIdsOfTheirModels) {
  SHORTHAND_NEEDS_SHARED("data/models/vocab-english.ggml.bin");
  const auto dir = testing::shared_data_dir() / "data";
  const auto english = ggml_pieces(dir / "models/vocab-english.ggml.bin");
  ASSERT_EQ(english.size(), 50257u);
  const Vocabulary en = *vocabulary_from_pieces(english, "en");
  EXPECT_TRUE(en.english_only);
  EXPECT_EQ(en.pieces, openai_pieces(OpenAiVocabulary::english));
  EXPECT_EQ(special_tokens_of(en, 51864, "en")->eot, 50256);
  EXPECT_FALSE(special_tokens_of(en, 51864, "en")->is_multilingual());

  const auto multilingual = ggml_pieces(dir / "models/vocab-multilingual.ggml.bin");
  ASSERT_EQ(multilingual.size(), 50257u);
  const Vocabulary multi = *vocabulary_from_pieces(multilingual, "multi");
  EXPECT_FALSE(multi.english_only);
  EXPECT_EQ(multi.pieces, openai_pieces(OpenAiVocabulary::multilingual));
  EXPECT_EQ(special_tokens_of(multi, 51865, "multi")->eot, 50257);
  EXPECT_EQ(special_tokens_of(multi, 51866, "v3")->n_languages, 100);
  // Converters that start from vocab.json list the end of text after the multilingual pieces as well.
  auto listed = multilingual;
  listed.push_back("<|endoftext|>");
  EXPECT_EQ(*special_tokens_of(*vocabulary_from_pieces(listed, "m"), 51865, "m"),
            *special_tokens_of(multi, 51865, "m"));
  EXPECT_FALSE(vocabulary_from_pieces(listed, "m")->english_only);

  const Vocabulary builtin = *vocabulary_from_pieces(ggml_pieces(dir / "builtin/builtin-ggml-f16.bin"), "builtin");
  EXPECT_EQ(builtin.pieces.size(), 896u);
  EXPECT_FALSE(builtin.english_only);
  EXPECT_EQ(special_tokens_of(builtin, 2406, "builtin")->timestamp_begin, 905);
  const Vocabulary json = *parse_vocab_json(testing::read_bytes(dir / "builtin/vocab.json"), "vocab.json");
  EXPECT_EQ(json.pieces, builtin.pieces);
  EXPECT_TRUE(check_merges(testing::read_bytes(dir / "builtin/merges.txt"), json, "merges.txt").ok());
}

TEST(VocabularyTest, VocabJson) {
  const Vocabulary v = *parse_vocab_json(
      R"({"!": 0, "\u0120the": 2, "\u0100\u00ff\u0143": 1, "": 3, "<|endoftext|>": 4})", "vocab.json");
  EXPECT_THAT(v.pieces, ElementsAre("!", std::string_view("\x00\xff\xad", 3), " the", ""));
  EXPECT_THAT(v.named, ElementsAre(Pair("<|endoftext|>", 4)));
  const auto message = [](std::string_view text) {
    const auto result = parse_vocab_json(text, "vocab.json");
    return result.ok() ? "" : result.error().message;
  };
  EXPECT_EQ(message("{"), "vocab.json: is not JSON");
  EXPECT_EQ(message("{\"\xff\": 0}"), "vocab.json: is not JSON");
  EXPECT_THAT(message("[]"), HasSubstr("is not an object"));
  EXPECT_THAT(message("{}"), HasSubstr("holds no text tokens"));
  for (const char* id : {"-1", "1.0", "\"0\"", "null", "true", "[]", "18446744073709551615", "16777217", "1e3"})
    EXPECT_THAT(message(fmt::format("{{\"a\": {}}}", id)), HasSubstr("the id of \"a\" is not a number")) << id;
  EXPECT_THAT(message(R"({"a": 1})"), HasSubstr("\"a\" has the id 1; the 1 text tokens must have the ids 0 to 0"));
  EXPECT_THAT(message(R"({"a": 0, "b": 0})"), HasSubstr("\"b\" has the id 0"));
  EXPECT_THAT(message(R"({"a b": 0})"), HasSubstr("\"a b\" (id 0) does not spell bytes"));
  EXPECT_THAT(message(R"({"\u0144": 0})"), HasSubstr("does not spell bytes"));
  EXPECT_TRUE(utf8::is_valid(message("{\"" + std::string(39, 'x') + "é日本\": 7}")));
}

TEST(VocabularyTest, EveryByteHasItsCharacter) {
  // GPT-2's rule, restated: what is printable in Latin-1 stands for itself, the rest follow from U+0100.
  nlohmann::json vocab;
  char32_t moved = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    std::string key;
    utf8::append(key, printable ? static_cast<char32_t>(byte) : moved++);
    vocab[key] = byte;
  }
  const auto pieces = parse_vocab_json(vocab.dump(), "v")->pieces;
  for (size_t byte = 0; byte < 256; ++byte) EXPECT_EQ(pieces[byte], std::string(1, static_cast<char>(byte)));
}

TEST(VocabularyTest, TokenizerJson) {
  const Vocabulary v = *parse_tokenizer_json(
      R"({"added_tokens": [{"id": 2, "content": "<|endoftext|>"}, {"id": 3, "content": "<|startoftranscript|>", "special": true}],
          "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<|endoftext|>": 2}, "merges": []}})",
      "tokenizer.json");
  EXPECT_THAT(v.pieces, ElementsAre("a", "b"));
  EXPECT_THAT(v.named, ElementsAre(Pair("<|endoftext|>", 2), Pair("<|startoftranscript|>", 3)));
  for (const char* text : {"[]", "{}", R"({"model": []})", R"({"model": {"vocab": [1]}})",
                           R"({"model": {"vocab": {}}})", R"({"added_tokens": [1], "model": {"vocab": {"a": 0}}})",
                           R"({"added_tokens": [{"id": 0, "content": 0}], "model": {"vocab": {"a": 0}}})"})
    EXPECT_FALSE(parse_tokenizer_json(text, "t").ok()) << text;
  EXPECT_TRUE(parse_tokenizer_json(R"({"added_tokens": null, "model": {"vocab": {"a": 0}}})", "t").ok());
}

TEST(VocabularyTest, AddedTokens) {
  EXPECT_THAT(*parse_added_tokens(R"({"<|en|>": 5, "<|zh|>": 6})", "a"),
              ElementsAre(Pair("<|en|>", 5), Pair("<|zh|>", 6)));
  EXPECT_FALSE(parse_added_tokens("null", "a").ok());
  EXPECT_FALSE(parse_added_tokens(R"({"<|en|>": "5"})", "a").ok());
}

TEST(VocabularyTest, MergesMustBeInTheOrderOfTheIds) {
  const Vocabulary v = {{"a", "b", "c", "ab", "abc"}, {}, false};
  EXPECT_TRUE(check_merges("#version: 0.2\na b\nab c\n", v, "m").ok());
  EXPECT_EQ(check_merges("ab c\na b\n", v, "m").error().kind, Error::Kind::unsupported);
  EXPECT_THAT(check_merges("a c", v, "m").error().message, HasSubstr("line 1 makes a piece that is no token"));
  EXPECT_THAT(check_merges("a b\nab", v, "m").error().message, HasSubstr("line 2 is not two pieces"));
}

TEST(VocabularyTest, SpecialTokensComeFromNamesWhereThereAreAny) {
  Vocabulary v = {{"a"}, {{"<|endoftext|>", 1}}, false};
  EXPECT_EQ(special_tokens_of(v, 1511, "m")->first_language, 3);  // vocab.json names the end of text alone
  v.named["<|startoftranscript|>"] = 2;
  EXPECT_THAT(special_tokens_of(v, 1511, "m").error().message, HasSubstr("names no <|translate|>"));
}

}  // namespace
}  // namespace shorthand
