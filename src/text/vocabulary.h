// SPDX-License-Identifier: Apache-2.0
// Vocabulary: what a model's files say of its tokens, read from any of the forms they come in.
//
// In every Whisper vocabulary a text token's id is also its rank: the lower, the earlier its two halves were merged. So
// the pieces in the order of their ids are all that byte-pair encoding needs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/special_tokens.h"

namespace shorthand {

struct Vocabulary {
  std::vector<std::string> pieces;  // bytes of text token i; not always UTF-8 by themselves
  NamedTokens named;                // special tokens that the source names; often none
  // The pieces are those of OpenAI's English-only models. A loader that knows better (is_multilingual in Hugging Face's
  // generation_config.json) overwrites it.
  bool english_only = false;
};

// No piece may be longer: a bound on the work that a hostile file can cause. The longest real one has 128 bytes.
inline constexpr size_t kMostPieceBytes = 4096;

// The pieces that a ggml file lists after its filters. A last piece "<|endoftext|>" is the special token, not text: it
// is dropped. Copies of OpenAI's vocabularies in which bytes that are not UTF-8 by themselves were replaced by U+FFFD
// (the ggml files of some converters) get their bytes back: see restore_bytes.
Result<Vocabulary> vocabulary_from_pieces(std::vector<std::string> pieces, std::string_view source);

// A .tiktoken file: one line a token, the piece in base64, a space, its rank. "=" is the empty piece.
Result<Vocabulary> parse_tiktoken(std::string_view text, std::string_view source);

// Hugging Face's vocab.json: {"Ġthe": 264, ...}, every byte spelt as the character that GPT-2's table gives it. A key
// "<|endoftext|>" is taken for the special token, and what has a higher id for special tokens too.
Result<Vocabulary> parse_vocab_json(std::string_view text, std::string_view source);

// Hugging Face's tokenizer.json: "model": {"vocab": ...} as above, and "added_tokens": [{"id", "content"}, ...].
Result<Vocabulary> parse_tokenizer_json(std::string_view text, std::string_view source);

// Hugging Face's added_tokens.json: {"<|en|>": 50259, ...}.
Result<NamedTokens> parse_added_tokens(std::string_view text, std::string_view source);

// CTranslate2's vocabulary.txt, a token a line, and vocabulary.json, an array of them: all n_vocab tokens of the model
// by id, the special ones and the times too, text spelt as in vocab.json. An empty line is a token like any other. What
// comes from "<|endoftext|>" on is special.
Result<Vocabulary> parse_token_lines(std::string_view text, size_t n_vocab, std::string_view source);
Result<Vocabulary> parse_token_array(std::string_view text, size_t n_vocab, std::string_view source);

// Holds Hugging Face's merges.txt ("Ġ t" a line) against the pieces: an error unless the merges make tokens in the
// order of their ids, which is what encoding by rank relies on.
Result<void> check_merges(std::string_view text, const Vocabulary& vocabulary, std::string_view source);

// The ids of the special tokens: those that the vocabulary names, or those of Whisper's order where it names no
// <|startoftranscript|>.
Result<SpecialTokens> special_tokens_of(const Vocabulary& vocabulary, int n_vocab, std::string_view source);

// OpenAI's two vocabularies, which are part of this library (models/vocab).
enum class OpenAiVocabulary : uint8_t { english, multilingual };

// The .tiktoken file.
std::string_view openai_tiktoken(OpenAiVocabulary which);

// If the pieces are those of one of OpenAI's vocabularies, as they are or with U+FFFD in place of what is not UTF-8 by
// itself, makes them what they should be and says which it was.
std::optional<OpenAiVocabulary> restore_bytes(std::vector<std::string>* pieces);

}  // namespace shorthand
