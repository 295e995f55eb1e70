// SPDX-License-Identifier: Apache-2.0
// UTF-8, with the meanings that Python's str gives to text, because the reference counts, strips and repairs text by
// them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shorthand::utf8 {

inline constexpr char32_t kReplacement = 0xFFFD;

// One character at the front of some bytes. Bytes that no character begins with give U+FFFD for the longest prefix that
// some character could have begun with, or for one byte: the Unicode Standard's "maximal subpart" (section 3.9), and
// what bytes.decode(errors="replace") does.
struct Character {
  char32_t code_point;
  size_t bytes;    // at least 1
  bool valid;      // false: the bytes are not UTF-8
  bool cut_short;  // not valid, and only because the bytes ended
};

// Precondition: !bytes.empty().
Character first_character(std::string_view bytes);

bool is_valid(std::string_view bytes);

// The bytes as valid UTF-8; what is not becomes U+FFFD, as first_character says.
std::string replace_invalid(std::string_view bytes);

// How many of the bytes can be shown now: all but a character at the end that has begun and may yet be completed.
size_t complete_prefix(std::string_view bytes);

void append(std::string& text, char32_t code_point);

// Code points. Both count an invalid sequence as the U+FFFD it would become.
size_t length(std::string_view text);
std::u32string code_points(std::string_view text);

// str.isspace: Unicode's White_Space and the separators U+001C to U+001F.
bool is_space(char32_t code_point);

// str.strip(): without is_space at both ends.
std::string_view strip(std::string_view text);

}  // namespace shorthand::utf8
