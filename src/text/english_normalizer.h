// SPDX-License-Identifier: Apache-2.0
// English text made comparable, as openai/whisper's EnglishTextNormalizer makes it (Whisper paper, appendix C): lower
// case, no punctuation, contractions spelt out, numbers as figures, American spelling. Word error rates of Whisper
// models are given after it.
#pragma once

#include <string>
#include <string_view>

namespace shorthand {

// Bytes that are not UTF-8 are taken for U+FFFD.
std::string normalize_english(std::string_view text);

}  // namespace shorthand
