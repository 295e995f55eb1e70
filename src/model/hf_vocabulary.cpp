// SPDX-License-Identifier: Apache-2.0
// vocab.json, added_tokens.json and tokenizer.json of a Hugging Face tokenizer. Text tokens are spelled in GPT-2's
// alphabet: each byte is one character, itself where it is printable, else one of U+0100 and up.
#include <fmt/format.h>

#include <array>

#include "base/file.h"
#include "base/phrase.h"
#include "model/huggingface.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kEndOfText = "<|endoftext|>";
constexpr size_t kGpt2Pieces = 50256;

// alphabet[code point] is the byte, or -1. The bytes without a character of their own take 256, 257, ... in order.
constexpr auto kAlphabet = [] {
  std::array<int16_t, 256 + 68> byte_of{};
  byte_of.fill(-1);
  size_t next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable_byte = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    byte_of[printable_byte ? static_cast<size_t>(b) : next++] = static_cast<int16_t>(b);
  }
  return byte_of;
}();

// The bytes a token stands for; none where a character is not of the alphabet. `text` is valid UTF-8: the JSON parser
// saw to it, and the alphabet lies in the one and two byte forms.
std::optional<std::string> bytes_of(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    size_t code = lead;
    if (lead >= 0x80) {
      if (lead >= 0xe0 || i + 1 >= text.size()) return {};
      code = (lead & 0x1fu) << 6 | (static_cast<unsigned char>(text[i + 1]) & 0x3fu);
    }
    i += lead >= 0x80 ? 2 : 1;
    if (code >= kAlphabet.size() || kAlphabet[code] < 0) return {};
    bytes += static_cast<char>(kAlphabet[code]);
  }
  return bytes;
}

// Spelling to id, ids below n_vocab.
using Ids = std::map<std::string, int>;

Result<void> add_id(Ids& ids, const std::string& spelling, const json& id, std::string_view file, int n_vocab) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(n_vocab))
    return bad_input(fmt::format("{}: token '{}' has no id below vocab_size {}", file, printable(spelling), n_vocab));
  const auto [at, added] = ids.emplace(spelling, id.get<int>());
  if (!added && at->second != id.get<int>())
    return bad_input(
        fmt::format("{}: token '{}' has two ids, {} and {}", file, printable(spelling), at->second, id.get<int>()));
  return {};
}

Result<void> add_all(Ids& ids, const json& object, std::string_view file, int n_vocab) {
  if (!object.is_object()) return bad_input(fmt::format("{}: holds no tokens with their ids", file));
  for (const auto& [spelling, id] : object.items()) SHORTHAND_TRY(add_id(ids, spelling, id, file, n_vocab));
  return {};
}

// tokenizer.json: {"model": {"vocab": {...}}, "added_tokens": [{"id", "content"}, ...]}. The vocabulary is taken only
// where vocab.json did not give one.
Result<void> add_tokenizer(const std::string& text, std::string_view file, int n_vocab, bool with_vocab, Ids& vocab,
                           Ids& added) {
  const json root = SHORTHAND_TRY(parse_json(text, file));
  const json none = json::object();
  const json& model = root.is_object() && root.contains("model") ? root["model"] : none;
  if (with_vocab)
    SHORTHAND_TRY(
        add_all(vocab, model.is_object() && model.contains("vocab") ? model["vocab"] : json(), file, n_vocab));
  if (!root.is_object() || !root.contains("added_tokens") || !root["added_tokens"].is_array()) return {};
  for (const json& token : root["added_tokens"]) {
    if (!token.is_object() || !token.contains("content") || !token["content"].is_string() || !token.contains("id"))
      return bad_input(fmt::format("{}: an added token lacks its id or content", file));
    SHORTHAND_TRY(add_id(added, token["content"].get<std::string>(), token["id"], file, n_vocab));
  }
  return {};
}

Result<void> fill_pieces(const Ids& vocab, int end_of_text, std::string_view file, Checkpoint& checkpoint) {
  if (end_of_text == 0) return bad_input(fmt::format("{}: end of text has id 0, so that no text is left", file));
  std::vector<bool> seen(static_cast<size_t>(end_of_text));
  checkpoint.pieces.assign(static_cast<size_t>(end_of_text), {});
  for (const auto& [spelling, id] : vocab) {
    if (id >= end_of_text) continue;
    const auto at = static_cast<size_t>(id);
    auto bytes = bytes_of(spelling);
    if (!bytes)
      return bad_input(
          fmt::format("{}: token {} is not spelled in the byte alphabet: '{}'", file, id, printable(spelling)));
    if (seen[at]) return bad_input(fmt::format("{}: two tokens have id {}", file, id));
    seen[at] = true;
    checkpoint.pieces[at] = std::move(*bytes);
  }
  for (size_t id = 0; id < seen.size(); ++id) {
    if (!seen[id])
      return bad_input(fmt::format("{}: no token has id {}, and end of text is {}", file, id, end_of_text));
  }
  return {};
}

Result<std::optional<std::string>> read_optional(const fs::path& path) {
  auto text = read_text_file(path, kMaxJsonBytes);
  if (text.ok()) return std::optional(*std::move(text));
  if (text.error().kind == Error::Kind::not_found) return std::optional<std::string>();
  return text.error();
}

}  // namespace

Result<void> parse_vocabulary(const VocabularyFiles& files, std::string_view directory, Checkpoint& checkpoint) {
  const int n_vocab = checkpoint.config.n_vocab;
  const std::string vocab_file = fmt::format("{}/{}", directory, files.vocab ? "vocab.json" : "tokenizer.json");
  Ids vocab, added;
  if (files.vocab) {
    const json object = SHORTHAND_TRY(parse_json(*files.vocab, vocab_file));
    SHORTHAND_TRY(add_all(vocab, object, vocab_file, n_vocab));
  } else if (!files.tokenizer) {
    return bad_input(fmt::format("{}: has neither vocab.json nor tokenizer.json; fetch the tokenizer too", directory));
  }
  if (files.added_tokens) {
    const std::string file = fmt::format("{}/added_tokens.json", directory);
    const json object = SHORTHAND_TRY(parse_json(*files.added_tokens, file));
    SHORTHAND_TRY(add_all(added, object, file, n_vocab));
  }
  if (files.tokenizer && (!files.vocab || !files.added_tokens))
    SHORTHAND_TRY(add_tokenizer(*files.tokenizer, fmt::format("{}/tokenizer.json", directory), n_vocab, !files.vocab,
                                vocab, added));

  const auto in_added = added.find(kEndOfText), in_vocab = vocab.find(kEndOfText);
  if (in_added == added.end() && in_vocab == vocab.end())
    return bad_input(fmt::format("{}: has no {}; is added_tokens.json missing?", directory, kEndOfText));
  const int end_of_text = in_added != added.end() ? in_added->second : in_vocab->second;
  SHORTHAND_TRY(fill_pieces(vocab, end_of_text, vocab_file, checkpoint));
  for (const auto& [spelling, id] : vocab) {
    if (id >= end_of_text) added.emplace(spelling, id);
  }
  checkpoint.special_ids = std::move(added);
  // The directory seldom says nothing of languages; then OpenAI's English-only vocabulary is known by its size.
  checkpoint.english_only = checkpoint.generation.is_multilingual.has_value() ? !*checkpoint.generation.is_multilingual
                                                                              : checkpoint.pieces.size() == kGpt2Pieces;
  return {};
}

Result<void> read_vocabulary(const fs::path& directory, Checkpoint& checkpoint) {
  VocabularyFiles files;
  files.vocab = SHORTHAND_TRY(read_optional(directory / "vocab.json"));
  files.added_tokens = SHORTHAND_TRY(read_optional(directory / "added_tokens.json"));
  if (!files.vocab || !files.added_tokens) files.tokenizer = SHORTHAND_TRY(read_optional(directory / "tokenizer.json"));
  return parse_vocabulary(files, directory.string(), checkpoint);
}

}  // namespace shorthand
