// SPDX-License-Identifier: Apache-2.0
#include "text/languages.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "text/utf8.h"

namespace shorthand {
namespace {

constexpr size_t kLongestName = 64;  // longer text is no slip of the finger: it is not compared and not quoted whole
constexpr size_t kMostHints = 3;

// The least number of letters to insert, drop or exchange that make `b` of `a`.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchanged = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, exchanged}));
    }
  }
  return row[b.size()];
}

// The languages whose name is nearest to `text`, if any is near enough to have been meant.
std::vector<Language> nearest(std::string_view text) {
  std::vector<Language> found;
  if (text.size() > kLongestName) return found;
  size_t least = std::max<size_t>(1, text.size() / 3) + 1;
  const auto consider = [&](const Language& language) {
    const size_t distance = edit_distance(text, language.name);
    if (distance > least || (distance == least && found.empty())) return;
    if (distance < least) found.clear();
    least = distance;
    found.push_back(language);
  };
  for (const Language& language : kLanguages) consider(language);
  for (const Language& alias : kLanguageAliases) consider(alias);
  if (found.size() > kMostHints) found.resize(kMostHints);
  return found;
}

Error unknown_language(std::string_view text) {
  std::string hint;
  for (const Language& language : nearest(text)) {
    if (!hint.empty()) hint += " or ";
    hint += fmt::format("{} ({})", language.name, language.code);
  }
  std::string shown = utf8::replace_invalid(text.substr(0, kLongestName));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  if (hint.empty())
    return usage_error(fmt::format("unknown language '{}'; give a code or a name, as en or english", shown));
  return usage_error(fmt::format("unknown language '{}'; did you mean {}?", shown, hint));
}

}  // namespace

int language_index(std::string_view code) {
  const auto it = std::find_if(kLanguages.begin(), kLanguages.end(), [&](const Language& l) { return l.code == code; });
  return it == kLanguages.end() ? -1 : static_cast<int>(it - kLanguages.begin());
}

std::string_view language_name(std::string_view code) {
  const int index = language_index(code);
  return index < 0 ? std::string_view() : kLanguages[static_cast<size_t>(index)].name;
}

Result<std::string_view> parse_language(std::string_view text) {
  std::string lower(utf8::strip(text));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const Language& language : kLanguages)
    if (lower == language.code || lower == language.name) return language.code;
  for (const Language& alias : kLanguageAliases)
    if (lower == alias.name) return alias.code;
  return unknown_language(lower);
}

}  // namespace shorthand
