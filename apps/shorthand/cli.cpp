// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdio>

namespace shorthand::cli {

void complain(std::string_view message) { fmt::print(stderr, "shorthand: {}\n", message); }

int status_of(const Error& error) { return error.kind == Error::Kind::usage ? kWrongCommand : kFailed; }

Result<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return usage_error(fmt::format("'{}' is not a number", text));
  }
  return value;
}

Result<double> parse_time(std::string_view text) {
  const Error wrong = usage_error(fmt::format("'{}' is not a time; give seconds or [HH:]MM:SS[.mmm]", text));
  double seconds = 0;
  std::string_view rest = text;
  for (int part = 0;; ++part) {
    const size_t colon = rest.find(':');
    const auto value = parse_number(rest.substr(0, colon));
    if (!value || *value < 0 || part > 2) return wrong;
    if (part > 0 && *value >= 60) return wrong;
    seconds = seconds * 60 + *value;
    if (colon == std::string_view::npos) return seconds;
    if (*value != std::floor(*value)) return wrong;
    rest.remove_prefix(colon + 1);
  }
}

Result<std::optional<double>> parse_threshold(std::string_view text) {
  if (text == "none") return std::optional<double>();
  return std::optional<double>(SHORTHAND_TRY(parse_number(text)));
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    parts.emplace_back(part);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return parts;
}

}  // namespace shorthand::cli
