// SPDX-License-Identifier: Apache-2.0
// Pieces of one-line messages: counts a person can read, and text from outside made harmless.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shorthand {

// 147951465 -> "147,951,465".
inline std::string grouped(uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

// What a file or a server said, fit for one line of a terminal: anything but printable ASCII becomes '?', and what is
// longer than `limit` is cut.
inline std::string printable(std::string_view text, size_t limit = 60) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > limit) out += "...";
  return out;
}

}  // namespace shorthand
