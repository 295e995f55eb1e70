// SPDX-License-Identifier: Apache-2.0
// The vocabulary files of Hugging Face and of CTranslate2. Their keys spell bytes as characters: GPT-2's table keeps
// the 188 printable characters of Latin-1 and moves the other 68 bytes, in order, to U+0100 and on, so that a space is
// U+0120 "Ġ".
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "text/utf8.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

using Json = nlohmann::json;

constexpr int kMostTokens = 1 << 24;

constexpr bool keeps_its_character(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// The byte that a character of a key stands for, or -1.
constexpr std::array<int16_t, 0x144> kByteOfCharacter = [] {
  std::array<int16_t, 0x144> bytes{};
  bytes.fill(-1);
  size_t moved = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    bytes[keeps_its_character(byte) ? static_cast<size_t>(byte) : moved++] = static_cast<int16_t>(byte);
  return bytes;
}();

// The bytes that a key spells, or nothing if a character of it stands for no byte.
std::optional<std::string> bytes_of_key(std::string_view key) {
  std::string bytes;
  while (!key.empty()) {
    const utf8::Character c = utf8::first_character(key);
    const int byte = c.code_point < kByteOfCharacter.size() ? kByteOfCharacter[c.code_point] : -1;
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    key.remove_prefix(c.bytes);
  }
  return bytes;
}

Result<Json> parse_json(std::string_view text, std::string_view source) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return bad_input(fmt::format("{}: is not JSON", source));
  return json;
}

// A token id out of JSON, or nothing if it is not an integer from 0 to 2^24.
std::optional<int> id_of(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const int64_t id = value.is_number_unsigned() && value.get<uint64_t>() > kMostTokens ? -1 : value.get<int64_t>();
  return id < 0 || id > kMostTokens ? std::nullopt : std::optional(static_cast<int>(id));
}

// What an error message shows of a key: keys may be long and hold anything.
std::string shown(std::string_view key) {
  std::string text = Json(std::string(key.substr(0, 40))).dump(-1, ' ', true, Json::error_handler_t::replace);
  return text;
}

Result<NamedTokens> read_named(const Json& object, std::string_view source) {
  if (!object.is_object()) return bad_input(fmt::format("{}: is not an object of tokens and ids", source));
  NamedTokens named;
  for (const auto& [name, value] : object.items()) {
    const auto id = id_of(value);
    if (!id)
      return bad_input(fmt::format("{}: the id of {} is not a number from 0 to {}", source, shown(name), kMostTokens));
    named.emplace(name, *id);
  }
  return named;
}

// Sorts the tokens of a "vocab" object into pieces and specials. What `specials` already names is not text, nor is what
// comes after the end of text.
Result<Vocabulary> read_vocab(const Json& object, NamedTokens specials, std::string_view source) {
  const NamedTokens listed = SHORTHAND_TRY(read_named(object, source));
  const auto end_of_text = listed.find(kEndOfTextName);
  std::vector<const NamedTokens::value_type*> text;
  for (const auto& token : listed) {
    if (end_of_text != listed.end() && token.second >= end_of_text->second) {
      specials.emplace(token);
    } else if (!specials.contains(token.first)) {
      text.push_back(&token);
    }
  }
  std::vector<std::string> pieces(text.size());
  std::vector<bool> seen(text.size());
  for (const auto* token : text) {
    const auto id = static_cast<size_t>(token->second);
    if (id >= text.size() || seen[id]) {
      return bad_input(fmt::format("{}: {} has the id {}; the {} text tokens must have the ids 0 to {}, each once",
                                   source, shown(token->first), id, text.size(), text.size() - 1));
    }
    auto bytes = bytes_of_key(token->first);
    if (!bytes)
      return bad_input(
          fmt::format("{}: {} (id {}) does not spell bytes as GPT-2 does", source, shown(token->first), id));
    seen[id] = true;
    pieces[id] = std::move(*bytes);
  }
  Vocabulary vocabulary = SHORTHAND_TRY(vocabulary_from_pieces(std::move(pieces), source));
  vocabulary.named = std::move(specials);
  return vocabulary;
}

Error miscounted(size_t tokens, size_t n_vocab, std::string_view source) {
  return bad_input(fmt::format("{}: lists {} tokens, and the model has {}; the two files do not belong together",
                               source, tokens, n_vocab));
}

// Sorts the tokens of a model, in the order of their ids, into pieces and specials.
Result<Vocabulary> vocabulary_of_tokens(const std::vector<std::string>& tokens, std::string_view source) {
  const auto end_of_text = std::find(tokens.begin(), tokens.end(), kEndOfTextName);
  if (end_of_text == tokens.end())
    return bad_input(
        fmt::format("{}: lists no {}; is this the vocabulary of a Whisper model?", source, kEndOfTextName));
  std::vector<std::string> pieces;
  for (auto token = tokens.begin(); token != end_of_text; ++token) {
    auto bytes = bytes_of_key(*token);
    if (!bytes)
      return bad_input(
          fmt::format("{}: {} (id {}) does not spell bytes as GPT-2 does", source, shown(*token), pieces.size()));
    pieces.push_back(std::move(*bytes));
  }
  NamedTokens named;
  for (auto token = end_of_text; token != tokens.end(); ++token) {
    if (!named.emplace(*token, static_cast<int>(token - tokens.begin())).second)
      return bad_input(fmt::format("{}: lists {} twice", source, shown(*token)));
  }
  Vocabulary vocabulary = SHORTHAND_TRY(vocabulary_from_pieces(std::move(pieces), source));
  vocabulary.named = std::move(named);
  return vocabulary;
}

}  // namespace

Result<Vocabulary> parse_token_lines(std::string_view text, size_t n_vocab, std::string_view source) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  // Counted first: a file of line ends would make a list far larger than itself.
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (lines != n_vocab) return miscounted(lines, n_vocab, source);
  std::vector<std::string> tokens;
  for (size_t i = 0; i < lines; ++i) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    tokens.emplace_back(line);
  }
  return vocabulary_of_tokens(tokens, source);
}

Result<Vocabulary> parse_token_array(std::string_view text, size_t n_vocab, std::string_view source) {
  const Json json = SHORTHAND_TRY(parse_json(text, source));
  if (!json.is_array()) return bad_input(fmt::format("{}: is not an array of tokens", source));
  if (json.size() != n_vocab) return miscounted(json.size(), n_vocab, source);
  std::vector<std::string> tokens;
  for (const Json& token : json) {
    if (!token.is_string()) return bad_input(fmt::format("{}: token {} is no string", source, tokens.size()));
    tokens.push_back(token.get<std::string>());
  }
  return vocabulary_of_tokens(tokens, source);
}

Result<NamedTokens> parse_added_tokens(std::string_view text, std::string_view source) {
  return read_named(SHORTHAND_TRY(parse_json(text, source)), source);
}

Result<Vocabulary> parse_vocab_json(std::string_view text, std::string_view source) {
  return read_vocab(SHORTHAND_TRY(parse_json(text, source)), {}, source);
}

Result<Vocabulary> parse_tokenizer_json(std::string_view text, std::string_view source) {
  const Json json = SHORTHAND_TRY(parse_json(text, source));
  const auto member = [](const Json& object, const char* name) -> const Json* {
    if (!object.is_object()) return nullptr;
    const auto it = object.find(name);
    return it == object.end() ? nullptr : &*it;
  };
  NamedTokens specials;
  if (const Json* added = member(json, "added_tokens"); added && added->is_array()) {
    for (const Json& token : *added) {
      const Json* const content = member(token, "content");
      const Json* const id = member(token, "id");
      if (!content || !content->is_string() || !id || !id_of(*id))
        return bad_input(fmt::format("{}: an entry of added_tokens lacks its content or its id", source));
      specials.emplace(content->get<std::string>(), *id_of(*id));
    }
  }
  const Json* const model = member(json, "model");
  const Json* const vocab = model ? member(*model, "vocab") : nullptr;
  if (!vocab) return bad_input(fmt::format("{}: holds no model.vocab; is this a tokenizer.json?", source));
  return read_vocab(*vocab, std::move(specials), source);
}

Result<void> check_merges(std::string_view text, const Vocabulary& vocabulary, std::string_view source) {
  NamedTokens ids;
  for (size_t i = 0; i < vocabulary.pieces.size(); ++i) ids.emplace(vocabulary.pieces[i], static_cast<int>(i));
  int last = -1;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const size_t space = line.find(' ');
    const auto left = bytes_of_key(line.substr(0, space));
    const auto right = space == std::string_view::npos ? std::nullopt : bytes_of_key(line.substr(space + 1));
    if (!left || !right) return bad_input(fmt::format("{}: line {} is not two pieces", source, number));
    const auto it = ids.find(*left + *right);
    if (it == ids.end()) return bad_input(fmt::format("{}: line {} makes a piece that is no token", source, number));
    if (it->second <= last) {
      return unsupported(
          fmt::format("{}: line {} makes token {} after token {}; only vocabularies whose ids are in the "
                      "order of their merges can be used",
                      source, number, it->second, last));
    }
    last = it->second;
  }
  return {};
}

}  // namespace shorthand
