// SPDX-License-Identifier: Apache-2.0
#include "text/utf8.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "support/test_data.h"
#include "text/python_text.h"

namespace shorthand {
namespace {

using testing::repository_json;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

TEST(Utf8Test, RepairsWhatPythonRepairsAsPythonDoes) {
  const auto cases = repository_json("python_cases.json")["utf8"];
  ASSERT_GT(cases.size(), 200u);
  for (const auto& c : cases) {
    const std::string bytes = from_hex(c[0]), expected = c[1];
    EXPECT_EQ(utf8::replace_invalid(bytes), expected) << c[0];
    EXPECT_EQ(utf8::is_valid(bytes), bytes == expected) << c[0];
    EXPECT_TRUE(utf8::is_valid(expected));
    EXPECT_EQ(utf8::length(bytes), utf8::length(expected)) << c[0];
  }
}

TEST(Utf8Test, EveryCodePointSurvivesAndNothingElseIsValid) {
  for (char32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    utf8::append(text, c);
    const utf8::Character read = utf8::first_character(text);
    ASSERT_TRUE(read.valid);
    ASSERT_EQ(read.code_point, c);
    ASSERT_EQ(read.bytes, text.size());
    // Cut short it is one U+FFFD that may yet become a character, and is held back.
    for (size_t n = 1; n < text.size(); ++n) {
      const auto part = std::string_view(text).substr(0, n);
      ASSERT_TRUE(utf8::first_character(part).cut_short);
      ASSERT_EQ(utf8::complete_prefix("ab" + std::string(part)), 2u);
    }
    ASSERT_EQ(utf8::complete_prefix(text), text.size());
  }
  EXPECT_EQ(utf8::complete_prefix("\xff"), 1u);  // nothing can complete it
  EXPECT_EQ(utf8::complete_prefix("\xf0\x9f\x91\x8d\xf0\x9f"), 4u);
}

TEST(Utf8Test, SpacesAreThoseOfPython) {
  const auto cases = repository_json("python_cases.json");
  const std::set<char32_t> spaces(cases["spaces"].begin(), cases["spaces"].end());
  for (char32_t c = 0; c < 0x110000; ++c) ASSERT_EQ(utf8::is_space(c), spaces.contains(c)) << static_cast<uint32_t>(c);
  for (const auto& c : cases["strip"]) EXPECT_EQ(utf8::strip(c[0].get<std::string>()), c[1].get<std::string>()) << c[0];
  EXPECT_EQ(utf8::strip("\x80 a\xe2\x80 "), "\x80 a\xe2\x80");
}

TEST(PythonTextTest, NumbersAndStringsAreSpeltAsJsonDumpsDoes) {
  const auto cases = repository_json("python_cases.json");
  ASSERT_GT(cases["floats"].size(), 150u);
  for (const auto& c : cases["floats"]) {
    const auto bits = c[0].get<uint64_t>();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    EXPECT_EQ(python_float(value), c[1].get<std::string>());
  }
  for (const auto& c : cases["strings"]) EXPECT_EQ(json_string(c[0].get<std::string>()), c[1].get<std::string>());
  EXPECT_EQ(json_string("\xff"), "\"\\ufffd\"");
}

TEST(PythonTextTest, HalvesAreRoundedToTheEvenNeighbour) {
  EXPECT_EQ(python_round(0.0005, 1000), 0);
  EXPECT_EQ(python_round(0.0015, 1000), 2);
  EXPECT_EQ(python_round(0.0025, 1000), 2);
  EXPECT_EQ(python_round(-0.0025, 1000), -2);
  EXPECT_EQ(python_round(12.3456, 1000), 12346);
  EXPECT_EQ(python_round(std::numeric_limits<double>::quiet_NaN(), 1000), 0);
  EXPECT_EQ(python_round(std::numeric_limits<double>::infinity(), 1000), 1'000'000'000'000'000);
}

}  // namespace
}  // namespace shorthand
