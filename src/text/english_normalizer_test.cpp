// SPDX-License-Identifier: Apache-2.0
#include "text/english_normalizer.h"

#include <gtest/gtest.h>

#include "support/test_data.h"
#include "text/decimal.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

TEST(EnglishNormalizerTest, MakesOfEverySentenceWhatTheReferenceMakes) {
  const auto cases = testing::repository_json("normalizer_cases.json");
  ASSERT_GT(cases.size(), 400u);
  for (const auto& c : cases) EXPECT_EQ(normalize_english(c[0].get<std::string>()), c[1].get<std::string>()) << c[0];
}

TEST(EnglishNormalizerTest, BytesThatAreNotUtf8AreNoTrouble) {
  EXPECT_EQ(normalize_english("five\xff five \xf0\x9f dollars"), normalize_english("five\ufffd five \ufffd dollars"));
  EXPECT_TRUE(utf8::is_valid(normalize_english("\x80\xff<\xc3")));
}

TEST(EnglishNormalizerTest, TheSpellingTableIsThere) {
  EXPECT_EQ(normalize_english("accessorise yodelled"), "accessorize yodeled");
}

TEST(EnglishNormalizerTest, LongTextsAreNoTrouble) {
  for (const std::string& unit :
       {std::string(" "), std::string("one "), std::string("million "), std::string("' "), std::string("é1")}) {
    std::string text;
    while (text.size() < 20000) text += unit;
    EXPECT_TRUE(utf8::is_valid(normalize_english(text))) << unit;
  }
}

// Against 128-bit arithmetic where it reaches.
TEST(DecimalTest, IsArithmetic) {
  for (const uint64_t a : {0ull, 7ull, 10ull, 999ull, 1000ull, 123456ull, 999999999ull}) {
    const std::string n = std::to_string(a);
    for (const uint64_t b : {0ull, 1ull, 99ull, 123456789ull, 1ull << 60})
      EXPECT_EQ(decimal::add(n, std::to_string(b)), std::to_string(a + b));
    EXPECT_EQ(decimal::low_part(n, 3), std::to_string(a % 1000));
    EXPECT_EQ(decimal::high_part(n, 3), std::to_string(a / 1000 * 1000));
    EXPECT_EQ(decimal::times_power_of_ten(n, 6), std::to_string(a * 1000000));
  }
  EXPECT_EQ(decimal::whole_product("12.50", 1), "125");
  EXPECT_EQ(decimal::whole_product("12.50", 0), std::nullopt);
  EXPECT_EQ(decimal::whole_product(".5", 2), "50");
  EXPECT_EQ(decimal::whole_product("5.", 0), "5");
  EXPECT_EQ(decimal::whole_product("007", 1), "70");
  for (const char* no : {"", ".", "1.2.3", "1.x", "-1"}) EXPECT_EQ(decimal::whole_product(no, 9), std::nullopt) << no;
}

TEST(UnicodeTest, LowerCaseIsPythons) {
  EXPECT_EQ(unicode::lower("ÀÉ STRASSE ẞ"), "àé strasse ß");
  EXPECT_EQ(unicode::lower("İ"), "i\u0307");      // "İ".lower() == "i̇"
  EXPECT_EQ(unicode::lower("ΟΔΟΣ Σ"), "οδος σ");  // a final sigma only at the end of a word
}

}  // namespace
}  // namespace shorthand
