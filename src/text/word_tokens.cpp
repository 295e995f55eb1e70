// SPDX-License-Identifier: Apache-2.0
#include "text/word_tokens.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/utf8.h"

namespace shorthand {
namespace {

constexpr std::array<std::string_view, 6> kLanguagesWithoutSpaces = {"zh", "ja", "th", "lo", "my", "yue"};

// Python's string.punctuation. What a word is looked for in it: "" and "()" are found as well.
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// The smallest runs of ids that are whole characters. A run with U+FFFD in it is whole only where the text of all ids
// has one in the same place: then no further id completes it.
std::vector<WordTokens> split_into_characters(const Tokenizer& tokenizer, std::span<const int> ids) {
  const std::u32string whole = utf8::code_points(tokenizer.decode_with_timestamps(ids));
  std::vector<WordTokens> runs;
  std::vector<int> run;
  size_t offset = 0;  // of the run's first character in `whole`
  for (const int id : ids) {
    run.push_back(id);
    std::string text = tokenizer.decode_with_timestamps(run);
    const std::u32string characters = utf8::code_points(text);
    const size_t broken = characters.find(utf8::kReplacement);
    if (broken != std::u32string::npos &&
        (offset + broken >= whole.size() || whole[offset + broken] != utf8::kReplacement))
      continue;
    offset += characters.size();
    runs.push_back({std::move(text), std::exchange(run, {})});
  }
  return runs;
}

bool begins_word(const WordTokens& run, int eot) {
  return run.tokens.front() >= eot || run.text.starts_with(' ') ||
         kPunctuation.find(utf8::strip(run.text)) != std::string_view::npos;
}

}  // namespace

std::vector<WordTokens> split_into_words(const Tokenizer& tokenizer, std::span<const int> ids,
                                         std::string_view language) {
  std::vector<WordTokens> runs = split_into_characters(tokenizer, ids);
  if (std::find(kLanguagesWithoutSpaces.begin(), kLanguagesWithoutSpaces.end(), language) !=
      kLanguagesWithoutSpaces.end())
    return runs;
  std::vector<WordTokens> words;
  for (WordTokens& run : runs) {
    if (words.empty() || begins_word(run, tokenizer.special().eot)) {
      words.push_back(std::move(run));
    } else {
      words.back().text += run.text;
      words.back().tokens.insert(words.back().tokens.end(), run.tokens.begin(), run.tokens.end());
    }
  }
  return words;
}

}  // namespace shorthand
