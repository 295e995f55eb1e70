// SPDX-License-Identifier: Apache-2.0
#include "text/words.h"

#include <limits>

#include "text/utf8.h"

namespace shorthand {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const utf8::Character c = utf8::first_character(text.substr(at));
    const bool space = utf8::is_space(c.code_point);
    if (!space && !inside) begin = at;
    if (space && inside) words.push_back(text.substr(begin, at - begin));
    inside = !space;
    at += c.bytes;
  }
  if (inside) words.push_back(text.substr(begin));
  return words;
}

double WordErrors::rate() const {
  if (total() == 0) return 0;
  if (reference_words == 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(total()) / static_cast<double>(reference_words);
}

WordErrors& WordErrors::operator+=(const WordErrors& other) {
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  reference_words += other.reference_words;
  return *this;
}

WordErrors word_errors(std::string_view reference, std::string_view hypothesis) {
  const auto said = words_of(reference), heard = words_of(hypothesis);
  // row[j]: the errors between the words said so far and the first j heard.
  std::vector<WordErrors> row(heard.size() + 1);
  for (size_t j = 0; j <= heard.size(); ++j) row[j].insertions = j;
  for (const std::string_view word : said) {
    WordErrors diagonal = row[0];
    ++row[0].deletions;
    for (size_t j = 1; j <= heard.size(); ++j) {
      WordErrors best = diagonal;
      if (word != heard[j - 1]) ++best.substitutions;
      diagonal = row[j];
      if (row[j].total() + 1 < best.total()) best = row[j], ++best.deletions;
      if (row[j - 1].total() + 1 < best.total()) best = row[j - 1], ++best.insertions;
      row[j] = best;
    }
  }
  WordErrors errors = row.back();
  errors.reference_words = said.size();
  return errors;
}

}  // namespace shorthand
