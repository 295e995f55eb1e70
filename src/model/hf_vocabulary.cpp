// SPDX-License-Identifier: Apache-2.0
// The tokenizer's files of a Hugging Face directory, put together into one vocabulary.
#include <fmt/format.h>

#include "base/file.h"
#include "base/phrase.h"
#include "model/huggingface.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

Result<std::optional<std::string>> read_optional(const fs::path& path) {
  auto text = read_text_file(path, kMaxJsonBytes);
  if (text.ok()) return std::optional(*std::move(text));
  if (text.error().kind == Error::Kind::not_found) return std::optional<std::string>();
  return text.error();
}

// vocab.json names few special tokens or none: beside it, added_tokens.json is asked, and tokenizer.json where there is
// no added_tokens.json. tokenizer.json holds the text tokens too, and is then all that is read.
Result<Vocabulary> merge_vocabulary(const VocabularyFiles& files, std::string_view directory) {
  const std::string vocab_file = fmt::format("{}/vocab.json", directory);
  const std::string tokenizer_file = fmt::format("{}/tokenizer.json", directory);
  const std::string added_file = fmt::format("{}/added_tokens.json", directory);
  if (!files.vocab && !files.tokenizer)
    return bad_input(fmt::format("{}: has neither vocab.json nor tokenizer.json; fetch the tokenizer too", directory));
  const bool by_vocab = files.vocab && (files.added_tokens || !files.tokenizer);
  Vocabulary vocabulary = by_vocab ? SHORTHAND_TRY(parse_vocab_json(*files.vocab, vocab_file))
                                   : SHORTHAND_TRY(parse_tokenizer_json(*files.tokenizer, tokenizer_file));
  if (!files.added_tokens) return vocabulary;
  for (const auto& [name, id] : SHORTHAND_TRY(parse_added_tokens(*files.added_tokens, added_file))) {
    const auto [at, is_new] = vocabulary.named.emplace(name, id);
    if (!is_new && at->second != id)
      return bad_input(fmt::format("{}: token '{}' has the id {}, and {} in the vocabulary", added_file,
                                   printable(name), id, at->second));
  }
  return vocabulary;
}

// Special tokens lie between the text and n_vocab, and end of text is the first of them.
Result<void> check_ids(const Vocabulary& vocabulary, int n_vocab, std::string_view directory) {
  const auto end_of_text = vocabulary.named.find(kEndOfTextName);
  if (end_of_text == vocabulary.named.end())
    return bad_input(fmt::format("{}: has no {}; is added_tokens.json missing?", directory, kEndOfTextName));
  if (static_cast<size_t>(end_of_text->second) != vocabulary.pieces.size())
    return bad_input(
        fmt::format("{}: {} text tokens, but {} has the id {}; the tokenizer's files do not belong together", directory,
                    vocabulary.pieces.size(), kEndOfTextName, end_of_text->second));
  for (const auto& [name, id] : vocabulary.named) {
    if (id < end_of_text->second || id >= n_vocab)
      return bad_input(fmt::format("{}: token '{}' has the id {}; special tokens have ids from {} to vocab_size {}",
                                   directory, printable(name), id, end_of_text->second, n_vocab));
  }
  return {};
}

}  // namespace

Result<void> parse_vocabulary(const VocabularyFiles& files, std::string_view directory, Checkpoint& checkpoint) {
  Vocabulary vocabulary = SHORTHAND_TRY(merge_vocabulary(files, directory));
  SHORTHAND_TRY(check_ids(vocabulary, checkpoint.config.n_vocab, directory));
  checkpoint.pieces = std::move(vocabulary.pieces);
  checkpoint.special_ids = {vocabulary.named.begin(), vocabulary.named.end()};
  // Directories seldom say anything of languages; then the pieces tell.
  checkpoint.english_only =
      checkpoint.generation.is_multilingual ? !*checkpoint.generation.is_multilingual : vocabulary.english_only;
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
