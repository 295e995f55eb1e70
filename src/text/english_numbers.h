// SPDX-License-Identifier: Apache-2.0
// Spoken English numbers as figures: "twenty five dollars" to "$25", "one oh one" to "101", "two point five" to "2.5",
// "sixties" to "60s". The rules are those of openai/whisper's EnglishNumberNormalizer, its oddities included, so that
// word error rates can be compared.
#pragma once

#include <string>
#include <string_view>

namespace shorthand {

// Precondition: valid UTF-8 in lower case. Words are parted by one space in the result.
std::string english_numbers_to_figures(std::string_view text);

}  // namespace shorthand
