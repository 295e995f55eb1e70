// SPDX-License-Identifier: Apache-2.0
// Words parted by white space, and how many of them two texts disagree on.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace shorthand {

// str.split(): the runs of what is no space.
std::vector<std::string_view> words_of(std::string_view text);

// The fewest words to exchange, drop and insert that make one text of another.
struct WordErrors {
  size_t substitutions = 0, deletions = 0, insertions = 0;
  size_t reference_words = 0;

  size_t total() const { return substitutions + deletions + insertions; }
  // Word error rate: errors over the words that were said. May exceed 1; infinite where nothing was said but words were
  // heard, and 0 where neither.
  double rate() const;
  WordErrors& operator+=(const WordErrors& other);
};

// Words that differ in anything differ: normalise both texts first. n and m words take n * m steps and memory for m.
WordErrors word_errors(std::string_view reference, std::string_view hypothesis);

}  // namespace shorthand
