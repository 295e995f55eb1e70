// SPDX-License-Identifier: Apache-2.0
#include "text/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace shorthand {
namespace {

using ::testing::ElementsAre;

TEST(WordsTest, AreWhatPythonSplits) {
  EXPECT_THAT(words_of("  a\tb\u3000c\u00a0 d\x1c"), ElementsAre("a", "b", "c", "d"));
  EXPECT_TRUE(words_of(" \n").empty());
  EXPECT_THAT(words_of("é\u200b"), ElementsAre("é\u200b"));
}

TEST(WordErrorsTest, OfKnownPairs) {
  const auto expect = [](const char* said, const char* heard, size_t s, size_t d, size_t i) {
    const WordErrors e = word_errors(said, heard);
    EXPECT_EQ(e.substitutions, s) << heard;
    EXPECT_EQ(e.deletions, d) << heard;
    EXPECT_EQ(e.insertions, i) << heard;
  };
  expect("the cat sat", "the cat sat", 0, 0, 0);
  expect("the cat sat", "the bat sat", 1, 0, 0);
  expect("the cat sat", "cat sat", 0, 1, 0);
  expect("the cat sat", "the big cat sat", 0, 0, 1);
  expect("the cat sat", "", 0, 3, 0);
  expect("", "noise here", 0, 0, 2);
  expect("a b c d e f", "b c x e f g", 1, 1, 1);
  EXPECT_DOUBLE_EQ(word_errors("a b c d", "a x c d").rate(), 0.25);
  EXPECT_EQ(word_errors("", "").rate(), 0);
  EXPECT_TRUE(std::isinf(word_errors("", "a").rate()));
  WordErrors sum = word_errors("a b", "a");
  sum += word_errors("c d", "c d e");
  EXPECT_DOUBLE_EQ(sum.rate(), 0.5);
}

// The definition, by recursion.
size_t distance(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  if (a[0] == b[0]) return distance(a.substr(1), b.substr(1));
  return 1 + std::min({distance(a.substr(1), b.substr(1)), distance(a.substr(1), b), distance(a, b.substr(1))});
}

TEST(WordErrorsTest, AreTheFewest) {
  std::mt19937 random(3);
  const auto spaced = [](const std::string& letters) {
    std::string words;
    for (const char c : letters) words += c, words += ' ';
    return words;
  };
  for (int round = 0; round < 300; ++round) {
    std::string a, b;
    for (size_t n = random() % 7; n > 0; --n) a += "xyz"[random() % 3];
    for (size_t n = random() % 7; n > 0; --n) b += "xyz"[random() % 3];
    const WordErrors e = word_errors(spaced(a), spaced(b));
    ASSERT_EQ(e.total(), distance(a, b)) << a << " " << b;
    ASSERT_EQ(e.reference_words, a.size());
    ASSERT_EQ(a.size() - e.deletions + e.insertions, b.size());
  }
}

}  // namespace
}  // namespace shorthand
