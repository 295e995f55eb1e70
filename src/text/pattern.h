// SPDX-License-Identifier: Apache-2.0
// Pattern: a regular expression over valid UTF-8, by PCRE2, with Unicode's meaning of \w, \d and \b.
//
// PCRE2's own \s takes U+180E for a space and Python's takes U+001C to U+001F; the classes below say what is meant.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace shorthand {

// Unicode's White_Space, for use inside a character class.
#define SHORTHAND_WHITE_SPACE \
  R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"

// What str.isspace and Python's \s take for a space.
#define SHORTHAND_PYTHON_SPACE SHORTHAND_WHITE_SPACE R"(\x{1c}-\x{1f})"

class Pattern {
 public:
  static constexpr size_t kMostGroups = 4;

  // Where the whole match and its groups lie; a group that took no part is nothing.
  struct Match {
    size_t begin = 0, end = 0;
    std::array<std::optional<std::string_view>, kMostGroups> group;  // group[0] is the whole
  };

  // Precondition: `expression` is right, and has fewer groups than kMostGroups: it is a constant of the program.
  explicit Pattern(const char* expression);

  // The first match at or after `from`. None also where PCRE2 gives up for its limits, of which no pattern of this room
  // comes near: they do not backtrack over more than they match.
  // Preconditions: `text` is valid UTF-8, `from` is at a character and not past the end.
  std::optional<Match> find(std::string_view text, size_t from = 0) const;

  // The text with every match replaced by what `replacement` makes of it.
  std::string replace(std::string_view text, const std::function<std::string(const Match&)>& replacement) const;
  // The text with every match replaced by a constant in which \1 stands for group 1.
  std::string replace(std::string_view text, std::string_view replacement) const;

 private:
  struct Free {
    void operator()(void* code) const;
  };
  std::unique_ptr<void, Free> code_;
};

}  // namespace shorthand
