// SPDX-License-Identifier: Apache-2.0
#include "audio/tracks.h"

#include <gtest/gtest.h>

#include "audio/language_tag.h"

namespace shorthand {
namespace {

TEST(LanguageTag, SpellingsOfOneLanguageAreEqual) {
  for (const char* tag : {"de", "deu", "ger", "GER", "de-AT", "de_CH"}) EXPECT_EQ(short_language_tag(tag), "de") << tag;
  EXPECT_EQ(short_language_tag("aar"), "aa");
  EXPECT_EQ(short_language_tag("zul"), "zu");
  EXPECT_EQ(short_language_tag("chi"), short_language_tag("zho"));
  EXPECT_EQ(short_language_tag("yue"), "yue");
  EXPECT_EQ(short_language_tag(""), "");
  EXPECT_EQ(short_language_tag("qqq"), "qqq");
}

const std::vector<Track> kFilm = {
    {"eng", "aac", "", 2, true}, {"ger", "ac3", "Commentary", 6, false}, {"", "opus", "", 1, false}};

TEST(Tracks, AreFoundByNumberAndLanguage) {
  EXPECT_EQ(*matching_tracks(kFilm, ""), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(*matching_tracks(kFilm, "3"), (std::vector<size_t>{2}));
  EXPECT_EQ(*matching_tracks(kFilm, "de"), (std::vector<size_t>{1}));
  EXPECT_EQ(*matching_tracks(kFilm, "deu"), (std::vector<size_t>{1}));
  EXPECT_EQ(*matching_tracks(kFilm, "EN"), (std::vector<size_t>{0}));
}

TEST(Tracks, WhatIsNotThereIsAnErrorThatListsThem) {
  const std::string list = "1 (eng, aac, 2 channels), 2 (ger, ac3, 6 channels, \"Commentary\"), 3 (opus, 1 channel)";
  for (const char* n : {"0", "4", "99999999999999999999"}) {
    EXPECT_EQ(matching_tracks(kFilm, n).error().message,
              std::string("no sound track ") + n + ", counted from 1; it has " + list);
  }
  EXPECT_EQ(matching_tracks(kFilm, "fra").error().message, "no sound track is tagged as 'fra'; it has " + list);
  EXPECT_EQ(matching_tracks(kFilm, "fra").error().kind, Error::Kind::usage);
  EXPECT_EQ(describe_tracks(kFilm, 1), "1 (eng, aac, 2 channels), 3 (opus, 1 channel)");
}

}  // namespace
}  // namespace shorthand
