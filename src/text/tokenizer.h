// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text to a model's ids and back.
//
// Encoding is GPT-2's: the text is cut into words (letters, numbers, other signs, each with the space before it), and
// the bytes of a word are merged by rank. Decoding joins the bytes of the ids and repairs what is not UTF-8.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/byte_pair.h"
#include "text/special_tokens.h"
#include "text/vocabulary.h"

namespace shorthand {

// Immutable; may be used by many threads.
class Tokenizer {
 public:
  // Errors where the special tokens do not begin where the text tokens end.
  static Result<Tokenizer> create(std::vector<std::string> pieces, const SpecialTokens& special);
  // With the special tokens that special_tokens_of() finds. `source` is the file that errors speak of.
  static Result<Tokenizer> create(Vocabulary vocabulary, int n_vocab, std::string_view source);

  const SpecialTokens& special() const { return special_; }
  const std::vector<std::string>& pieces() const { return words_.pieces(); }

  // The ids of a text. Names of special tokens in it are text like any other. Bytes that are not UTF-8 are encoded as
  // U+FFFD. Bytes that the vocabulary has no piece for are left out: missing_bytes() tells how many there are.
  std::vector<int> encode(std::string_view text) const;

  // Of the 256 bytes, how many the vocabulary cannot spell. 0 for every vocabulary of a real model.
  int missing_bytes() const;

  // The text of ids, valid UTF-8. Ids that are no token are left out everywhere. The reference makes the text of a
  // segment by decode_text and that of a whole result by decode: a language token sampled amid text shows in the
  // latter.
  std::string decode(std::span<const int> ids) const;                  // without times; other special tokens by name
  std::string decode_with_timestamps(std::span<const int> ids) const;  // with them: "<|0.00|> So<|1.00|>"
  std::string decode_text(std::span<const int> ids) const;             // without any special token

  // The bytes of one token: its piece, which need not be UTF-8 by itself, or its special name.
  std::string token_bytes(int id) const;

  // What the reference never samples unless asked to: brackets, musical notes, speaker dashes. Those of its symbols
  // that are one token here (of notes, the first), sorted. For a vocabulary that cannot spell them, what it can.
  std::vector<int> non_speech_tokens() const;

  // The ids to suppress, sorted, each once: `ids`, in which -1 stands for non_speech_tokens(), and the special tokens
  // that are never sampled.
  std::vector<int> suppressed_tokens(std::span<const int> ids) const;

 private:
  Tokenizer(std::vector<std::string> pieces, const SpecialTokens& special)
      : words_(std::move(pieces)), special_(special) {}
  void append_bytes(int id, bool with_special, bool with_timestamps, std::string* bytes) const;
  std::string decode(std::span<const int> ids, bool with_special, bool with_timestamps) const;

  BytePairs words_;
  SpecialTokens special_;
};

// The words that GPT-2's pattern cuts a text into; joined they are the text. Precondition: valid UTF-8.
std::vector<std::string_view> split_words(std::string_view text);

}  // namespace shorthand
