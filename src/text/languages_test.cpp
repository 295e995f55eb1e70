// SPDX-License-Identifier: Apache-2.0
#include "text/languages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace shorthand {
namespace {

// The keys of LANGUAGES in openai/whisper 20250625's tokenizer.py, in their order.
constexpr const char* kReferenceOrder =
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy "
    "sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi "
    "lo "
    "uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue";

TEST(LanguagesTest, TheOrderIsTheReferences) {
  std::istringstream words(kReferenceOrder);
  std::string code;
  std::set<std::string_view> names;
  for (const Language& language : kLanguages) {
    words >> code;
    EXPECT_EQ(language.code, code);
    EXPECT_EQ(language_index(code), &language - kLanguages.data());
    EXPECT_EQ(language_name(code), language.name);
    names.insert(language.name);
  }
  EXPECT_FALSE(words >> code);
  EXPECT_EQ(names.size(), kLanguages.size());
  EXPECT_EQ(language_index("xx"), -1);
  EXPECT_EQ(language_name("xx"), "");
}

TEST(LanguagesTest, CodesNamesAndAliasesInAnyCase) {
  for (const Language& language : kLanguages) {
    EXPECT_EQ(*parse_language(language.code), language.code);
    EXPECT_EQ(*parse_language(language.name), language.code);
  }
  EXPECT_EQ(*parse_language("German"), "de");
  EXPECT_EQ(*parse_language(" YUE\n"), "yue");
  EXPECT_EQ(*parse_language("Haitian Creole"), "ht");
  // TO_LANGUAGE_CODE in the same file.
  const std::pair<const char*, const char*> aliases[] = {
      {"burmese", "my"},       {"valencian", "ca"}, {"Flemish", "nl"},   {"haitian", "ht"},
      {"letzeburgesch", "lb"}, {"pushto", "ps"},    {"panjabi", "pa"},   {"moldavian", "ro"},
      {"moldovan", "ro"},      {"sinhalese", "si"}, {"CASTILIAN", "es"}, {"mandarin", "zh"}};
  ASSERT_EQ(std::size(aliases), kLanguageAliases.size());
  for (const auto& [name, code] : aliases) EXPECT_EQ(*parse_language(name), code) << name;
}

TEST(LanguagesTest, AnUnknownOneNamesTheNearest) {
  const auto message = [](std::string_view text) {
    const auto result = parse_language(text);
    EXPECT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().kind, Error::Kind::usage);
    return result.error().message;
  };
  EXPECT_EQ(message("englsh"), "unknown language 'englsh'; did you mean english (en)?");
  EXPECT_EQ(message("Germann"), "unknown language 'germann'; did you mean german (de)?");
  EXPECT_EQ(message("mandarine"), "unknown language 'mandarine'; did you mean mandarin (zh)?");
  EXPECT_EQ(message("klingonese"), "unknown language 'klingonese'; give a code or a name, as en or english");
  EXPECT_THAT(message("ba\nd\xff"), ::testing::Not(::testing::HasSubstr("\n")));
  EXPECT_THAT(message("auto"), ::testing::HasSubstr("unknown language 'auto'"));
  EXPECT_THAT(message(""), ::testing::HasSubstr("unknown language ''"));
  EXPECT_LT(message(std::string(1 << 20, 'x')).size(), 200u);
}

}  // namespace
}  // namespace shorthand
