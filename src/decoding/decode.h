// SPDX-License-Identifier: Apache-2.0
// Windows to tokens: many windows step by step together, each by its own rules, and again at a higher temperature where
// the result looks wrong.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "decoding/options.h"
#include "kernels/rowwise/rowwise.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace shorthand {

// Decodes every window at the first temperature, and those that fail a threshold again at the next, until they pass or
// the temperatures are used up; then the last attempt stands. Windows do not see each other: the result of one is the
// same in any company. Precondition: decoder.max_sequences() >= 1, and every request's audio has been set.
std::vector<DecodedWindow> decode_windows(TextDecoder& decoder, const Tokenizer& tokenizer,
                                          const rowwise::Variant& rowwise, ThreadPool& pool,
                                          std::span<const WindowRequest> requests, const DecodingOptions& options);

// The reference's test of an attempt: repeats itself or is unlikely, and is not silence.
bool needs_fallback(const DecodedWindow& window, const DecodingOptions& options);

// The language that the decoder hears in `audio`: its code and the probability of every code. One step with
// <|startoftranscript|> alone, over the language tokens only, those in `allowed` if it is not empty.
struct LanguageGuess {
  std::string code;
  std::vector<std::pair<std::string, double>> probabilities;
};
LanguageGuess detect_language(TextDecoder& decoder, const Tokenizer& tokenizer, const rowwise::Variant& rowwise,
                              int audio, std::span<const std::string> allowed = {});

}  // namespace shorthand
