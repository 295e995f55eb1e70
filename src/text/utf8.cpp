// SPDX-License-Identifier: Apache-2.0
#include "text/utf8.h"

#include <cstdint>

namespace shorthand::utf8 {
namespace {

// What may follow a lead byte: the number of bytes in all, and the range of the second. The Unicode Standard, table
// 3-7.
struct Lead {
  int bytes;
  uint8_t second_low, second_high;
};

constexpr Lead lead_of(uint8_t b) {
  if (b >= 0xC2 && b <= 0xDF) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};  // no longer form of what two bytes can say
  if (b == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (b >= 0xE1 && b <= 0xEF) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b >= 0xF1 && b <= 0xF3) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};  // nothing above U+10FFFF
  return {1, 0, 0};
}

}  // namespace

Character first_character(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (at(0) < 0x80) return {at(0), 1, true, false};
  const Lead lead = lead_of(at(0));
  if (lead.bytes == 1) return {kReplacement, 1, false, false};
  char32_t value = at(0) & (0xFFu >> (lead.bytes + 1));
  for (size_t i = 1; i < static_cast<size_t>(lead.bytes); ++i) {
    if (i == bytes.size()) return {kReplacement, i, false, true};
    const uint8_t low = i == 1 ? lead.second_low : 0x80, high = i == 1 ? lead.second_high : 0xBF;
    if (at(i) < low || at(i) > high) return {kReplacement, i, false, false};
    value = value << 6 | (at(i) & 0x3Fu);
  }
  return {value, static_cast<size_t>(lead.bytes), true, false};
}

bool is_valid(std::string_view bytes) {
  while (!bytes.empty()) {
    const Character c = first_character(bytes);
    if (!c.valid) return false;
    bytes.remove_prefix(c.bytes);
  }
  return true;
}

std::string replace_invalid(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character c = first_character(bytes);
    if (c.valid) {
      text.append(bytes.substr(0, c.bytes));
    } else {
      append(text, kReplacement);
    }
    bytes.remove_prefix(c.bytes);
  }
  return text;
}

size_t complete_prefix(std::string_view bytes) {
  // A character that can still be completed lies in the last three bytes.
  const size_t from = bytes.size() < 3 ? 0 : bytes.size() - 3;
  for (size_t i = from; i < bytes.size(); ++i) {
    const Character c = first_character(bytes.substr(i));
    if (c.cut_short) return i;
  }
  return bytes.size();
}

void append(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto put_rest = [&](int bits) {
    for (; bits >= 0; bits -= 6) put(0x80 | ((c >> bits) & 0x3F));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put_rest(0);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put_rest(6);
  } else {
    put(0xF0 | c >> 18), put_rest(12);
  }
}

size_t length(std::string_view text) {
  size_t n = 0;
  for (; !text.empty(); ++n) text.remove_prefix(first_character(text).bytes);
  return n;
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const Character c = first_character(text);
    out.push_back(c.code_point);
    text.remove_prefix(c.bytes);
  }
  return out;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!is_space(c.code_point)) break;
    text.remove_prefix(c.bytes);
  }
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 3 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    const Character c = first_character(text.substr(start));
    if (!is_space(c.code_point) || start + c.bytes != text.size()) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

}  // namespace shorthand::utf8
