// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/pattern.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

// The pattern of openai/whisper's tokenizer.py. Every character matches one of its last five branches.
const Pattern& word_pattern() {
  static const Pattern pattern(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{L}\p{N})" SHORTHAND_WHITE_SPACE
                               R"(]+|[)" SHORTHAND_WHITE_SPACE R"(]+(?![^)" SHORTHAND_WHITE_SPACE
                               R"(])|[)" SHORTHAND_WHITE_SPACE R"(]+)");
  return pattern;
}

// The symbols of the reference's non_speech_tokens. Each is looked for as it stands and after a space.
constexpr std::string_view kNonSpeechSymbols[] = {
    "\"",  "#",  "(",  ")",  "*",   "+",  "/",  ":",   ";",   "<",  "=",  ">",  "@",  "[",   "\\",  "]",
    "^",   "_",  "`",  "{",  "|",   "}",  "~",  "「",  "」",  "『", "』", "<<", ">>", "<<<", ">>>", "--",
    "---", "-(", "-[", "('", "(\"", "((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪",  "♪♪♪"};
// Notes and accidentals lie in one block, so that the first of several tokens stands for nothing but such signs.
constexpr std::string_view kNotes[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const auto match = word_pattern().find(text, at);
    // Nothing is skipped where PCRE2 gives up: the next character is then a word.
    const bool found = match && match->begin == at && match->end > at;
    const size_t end = found ? match->end : at + utf8::first_character(text.substr(at)).bytes;
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

Result<Tokenizer> Tokenizer::create(std::vector<std::string> pieces, const SpecialTokens& special) {
  if (static_cast<int64_t>(pieces.size()) != special.eot || special.n_vocab <= special.eot) {
    return bad_input(fmt::format("the vocabulary has {} text tokens, but the special tokens begin at {}", pieces.size(),
                                 special.eot));
  }
  return Tokenizer(std::move(pieces), special);
}

Result<Tokenizer> Tokenizer::create(Vocabulary vocabulary, int n_vocab, std::string_view source) {
  const SpecialTokens special = SHORTHAND_TRY(special_tokens_of(vocabulary, n_vocab, source));
  return create(std::move(vocabulary.pieces), special);
}

std::vector<int> Tokenizer::encode(std::string_view text) const {
  std::string repaired;
  if (!utf8::is_valid(text)) text = repaired = utf8::replace_invalid(text);
  std::vector<int> ids;
  for (const std::string_view word : split_words(text)) words_.encode(word, &ids);
  return ids;
}

int Tokenizer::missing_bytes() const {
  int missing = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    missing += words_.find({&c, 1}) < 0;
  }
  return missing;
}

void Tokenizer::append_bytes(int id, bool with_special, bool with_timestamps, std::string* bytes) const {
  if (special_.is_text(id)) {
    *bytes += pieces()[static_cast<size_t>(id)];
  } else if (special_.is_timestamp(id) ? with_timestamps : with_special) {
    *bytes += special_token_name(special_, id);
  }
}

std::string Tokenizer::decode(std::span<const int> ids, bool with_special, bool with_timestamps) const {
  std::string bytes;
  for (const int id : ids) append_bytes(id, with_special, with_timestamps, &bytes);
  return utf8::replace_invalid(bytes);
}

std::string Tokenizer::decode(std::span<const int> ids) const { return decode(ids, true, false); }
std::string Tokenizer::decode_with_timestamps(std::span<const int> ids) const { return decode(ids, true, true); }
std::string Tokenizer::decode_text(std::span<const int> ids) const { return decode(ids, false, false); }

std::string Tokenizer::token_bytes(int id) const {
  std::string bytes;
  append_bytes(id, true, true, &bytes);
  return bytes;
}

std::vector<int> Tokenizer::non_speech_tokens() const {
  std::vector<int> ids;
  const auto add = [&](const std::string& text, bool first_of_several) {
    const std::vector<int> encoded = encode(text);
    if (encoded.size() == 1 || (first_of_several && !encoded.empty())) ids.push_back(encoded[0]);
  };
  // A dash or an apostrophe may stand inside a word, but not begin one.
  add(" -", true);
  add(" '", true);
  for (const auto symbol : kNonSpeechSymbols) add(std::string(symbol), false), add(" " + std::string(symbol), false);
  for (const auto note : kNotes) add(std::string(note), true), add(" " + std::string(note), true);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<int> Tokenizer::suppressed_tokens(std::span<const int> ids) const {
  std::vector<int> out = suppressed_special_tokens(special_);
  for (const int id : ids) {
    if (id >= 0 && id < special_.n_vocab) out.push_back(id);
  }
  if (std::find(ids.begin(), ids.end(), -1) != ids.end()) {
    const std::vector<int> non_speech = non_speech_tokens();
    out.insert(out.end(), non_speech.begin(), non_speech.end());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace shorthand
