// SPDX-License-Identifier: Apache-2.0
// What needs Unicode's own tables, by ICU.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shorthand::unicode {

// str.lower(): the full mapping, with the context of a final sigma, in no language's own way.
std::string lower(std::string_view text);

// The text in compatibility decomposition (NFKD), in which a nonspacing mark is dropped, any other mark, symbol or
// punctuation becomes a space, and the letters that do not decompose (ø, ß, ł, ...) become the ASCII that Whisper's
// normaliser gives for them. The characters of `keep` stay.
std::string without_symbols_and_diacritics(std::string_view text, std::string_view keep);

// The value of a decimal digit of any script.
std::optional<int> decimal_digit(char32_t code_point);

}  // namespace shorthand::unicode
