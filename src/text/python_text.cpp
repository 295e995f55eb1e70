// SPDX-License-Identifier: Apache-2.0
#include "text/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/utf8.h"

namespace shorthand {

std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

int64_t python_round(double value, double scale) {
  constexpr double kMost = 1e15;
  const double scaled = value * scale;
  if (std::isnan(scaled)) return 0;
  return static_cast<int64_t>(std::nearbyint(std::clamp(scaled, -kMost, kMost)));
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const utf8::Character c = utf8::first_character(text);
    const auto code = static_cast<uint32_t>(c.code_point);
    text.remove_prefix(c.bytes);
    switch (code) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\f': out += "\\f"; break;
      case '\b': out += "\\b"; break;
      default:
        if (code >= ' ' && code <= '~') {
          out.push_back(static_cast<char>(code));
        } else if (code < 0x10000) {
          out += fmt::format("\\u{:04x}", code);
        } else {
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
        }
    }
  }
  return out += '"';
}

}  // namespace shorthand
