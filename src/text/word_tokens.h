// SPDX-License-Identifier: Apache-2.0
// The ids of a text gathered into words, for word times. The rules are the reference's split_to_word_tokens.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace shorthand {

struct WordTokens {
  std::string text;         // with the space before it; UTF-8
  std::vector<int> tokens;  // in order; at least one
};

// Languages written without spaces (zh ja th lo my yue) are cut wherever the ids so far end a character; all others
// also need a special token, a space or punctuation to begin a word. Ids at the end that end no character are left out.
std::vector<WordTokens> split_into_words(const Tokenizer& tokenizer, std::span<const int> ids,
                                         std::string_view language);

}  // namespace shorthand
