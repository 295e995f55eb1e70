// SPDX-License-Identifier: Apache-2.0
// Any bytes as text and as ids: through the tokenizers, the word splitter, the writers and the normaliser.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "text/english_normalizer.h"
#include "text/languages.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/word_tokens.h"
#include "text/words.h"
#include "text/writers.h"

using namespace shorthand;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

const Tokenizer& openai(OpenAiVocabulary which) {
  static const Tokenizer tokenizers[] = {
      *Tokenizer::create(*parse_tiktoken(openai_tiktoken(OpenAiVocabulary::english), "english"), 51864, "english"),
      *Tokenizer::create(*parse_tiktoken(openai_tiktoken(OpenAiVocabulary::multilingual), "multilingual"), 51866,
                         "multi")};
  return tokenizers[which == OpenAiVocabulary::multilingual];
}

// Four letters, of which three are missing, and repeats: nothing that a real vocabulary would be.
const Tokenizer& crippled() {
  static const Tokenizer tokenizer =
      *Tokenizer::create({{"a", "", "ab", "b", "a", "abab", "\xe3\x81"}, {}, false}, 1517, "c");
  return tokenizer;
}

void encode_and_decode(const Tokenizer& tokenizer, std::string_view text, bool whole) {
  const std::vector<int> ids = tokenizer.encode(text);
  for (const int id : ids) require(tokenizer.special().is_text(id));
  const std::string decoded = tokenizer.decode(ids);
  require(utf8::is_valid(decoded));
  if (whole) require(decoded == utf8::replace_invalid(text));
}

void decode_any_ids(const Tokenizer& tokenizer, std::string_view bytes) {
  std::vector<int> ids;
  for (size_t i = 0; i + 2 <= bytes.size() && ids.size() < 200; i += 2) {
    uint16_t id;
    std::memcpy(&id, bytes.data() + i, sizeof id);
    ids.push_back(id == 0xFFFF ? INT32_MIN : id);
  }
  require(utf8::is_valid(tokenizer.decode(ids)));
  require(utf8::is_valid(tokenizer.decode_with_timestamps(ids)));
  for (const char* language : {"en", "ja"})
    for (const WordTokens& word : split_into_words(tokenizer, ids, language)) require(!word.tokens.empty());
}

void write_everywhere(std::string_view bytes) {
  Transcript t;
  t.text = bytes;
  WriterOptions options;
  if (!bytes.empty()) {
    const auto b = static_cast<uint8_t>(bytes[0]);
    options = {b & 7, b >> 3 & 3, b >> 5 & 3, (b & 128) != 0};
  }
  for (size_t i = 0; i < bytes.size(); i += 16) {
    Segment segment;
    segment.start = static_cast<double>(i);
    segment.text = bytes.substr(i, 16);
    segment.words.emplace();
    for (size_t j = i; j < std::min(i + 16, bytes.size()); j += 4)
      segment.words->push_back(
          {std::string(bytes.substr(j, 4)), static_cast<double>(j), static_cast<double>(j) + 0.5, 0.5});
    if (i % 3 == 0) segment.speaker = std::string(bytes.substr(i, 5));
    t.segments.push_back(std::move(segment));
  }
  for (const Writer& writer : writers()) require(utf8::is_valid(writer.write(t, options)));
  const auto json = nlohmann::json::parse((*find_writer("json"))->write(t, options), nullptr, false);
  require(!json.is_discarded() && json["text"].get<std::string>() == utf8::replace_invalid(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Tokenizer& multilingual = openai(OpenAiVocabulary::multilingual);
  encode_and_decode(multilingual, bytes, true);
  encode_and_decode(openai(OpenAiVocabulary::english), bytes, true);
  encode_and_decode(crippled(), bytes, false);
  decode_any_ids(multilingual, bytes);
  write_everywhere(bytes);
  require(utf8::is_valid(normalize_english(bytes)));
  require(word_errors(bytes, bytes).total() == 0);
  require(utf8::complete_prefix(bytes) <= size);
  (void)parse_language(bytes);
  return 0;
}
