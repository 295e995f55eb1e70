// SPDX-License-Identifier: Apache-2.0
// SpecialTokens: the ids above a model's text tokens, and what they mean.
//
// Whisper's order is: n_text text tokens, eot, sot, the languages, translate, transcribe, startoflm, startofprev,
// nospeech, notimestamps, and 1,501 times <|0.00|> to <|30.00|> in steps of 20 ms. Nothing else is assumed of a model:
// the number of languages is what n_vocab leaves over, and neither 50257 nor a size of vocabulary means anything here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand {

inline constexpr int kTimestampTokens = 1501;
inline constexpr double kSecondsPerTimestamp = 0.02;

// What a text token for the end of text is spelt like where a file lists it among the text.
inline constexpr std::string_view kEndOfTextName = "<|endoftext|>";

// Special tokens by the names that Hugging Face's files give them: "<|en|>" to its id.
using NamedTokens = std::map<std::string, int, std::less<>>;

struct SpecialTokens {
  int eot = 0;  // also the number of text tokens
  int sot = 0;
  int first_language = 0;  // languages follow each other in the order of kLanguages
  int n_languages = 0;
  int translate = 0, transcribe = 0;
  int startoflm = 0, startofprev = 0;
  int nospeech = 0, notimestamps = 0;
  int timestamp_begin = 0;  // up to n_vocab
  int n_vocab = 0;
  // The model knows no language or task tokens: its prompt is sot [notimestamps]. OpenAI's English-only models number
  // 99 languages all the same, so the ids cannot tell; whoever reads the model's files says it.
  bool english_only = false;

  bool is_multilingual() const { return !english_only && n_languages > 0; }
  bool is_text(int id) const { return id >= 0 && id < eot; }
  bool is_language(int id) const { return id >= first_language && id < first_language + n_languages; }
  bool is_timestamp(int id) const { return id >= timestamp_begin && id < n_vocab; }
  // Precondition: is_timestamp(id).
  double seconds(int id) const { return (id - timestamp_begin) * kSecondsPerTimestamp; }

  friend bool operator==(const SpecialTokens&, const SpecialTokens&) = default;
};

// The ids in Whisper's order. Errors where n_vocab does not leave from 0 to 100 languages. `source` is the name of the
// file that errors speak of.
Result<SpecialTokens> special_tokens_in_order(int n_text, int n_vocab, bool english_only, std::string_view source);

// The ids that a file names. Every special token but the timestamps has to be there; timestamps may be left out, and
// then follow notimestamps. Older names count too: <|nocaptions|> is nospeech, and <|iw|> is Hebrew. Errors where the
// ids collide, lie among the text, are not all below n_vocab, or where languages or timestamps do not follow each
// other.
Result<SpecialTokens> special_tokens_named(const NamedTokens& named, int n_text, int n_vocab, bool english_only,
                                           std::string_view source);

// The token of a language code, where the model has one that can be used.
std::optional<int> language_token(const SpecialTokens& special, std::string_view code);

// The code of a language token. Precondition: is_language(id).
std::string_view language_of_token(const SpecialTokens& special, int id);

// "<|endoftext|>", "<|en|>", "<|1.00|>". Empty for a text token or an id that is none.
std::string special_token_name(const SpecialTokens& special, int id);

// The special tokens that are never sampled: translate, transcribe, sot, startofprev, startoflm, nospeech; sorted.
// Languages are not among them: the reference leaves them free.
std::vector<int> suppressed_special_tokens(const SpecialTokens& special);

}  // namespace shorthand
