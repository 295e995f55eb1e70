// SPDX-License-Identifier: Apache-2.0
// Windows, segments and prompts against cases worked out by hand from the reference's transcribe.py.
#include "engine/piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace shorthand {
namespace {

using testing::ElementsAre;

constexpr int kText = 26;
constexpr int kVocab = kText + 1509 + 1;

class PieceTest : public testing::Test {
 protected:
  PieceTest() {
    std::vector<std::string> pieces;
    for (char c = 'a'; c <= 'z'; ++c) pieces.emplace_back(1, c);
    tokenizer.emplace(*Tokenizer::create(std::move(pieces), *special_tokens_in_order(kText, kVocab, false, "test")));
    options.tokenizer = &*tokenizer;
    options.sot_sequence = {tokenizer->special().sot, tokenizer->special().first_language,
                            tokenizer->special().transcribe};
    options.n_text_ctx = 24;  // prompts of 11 tokens
    options.max_tokens = 12;
    options.logprob_threshold = -1.0;
    options.no_speech_threshold = 0.6;
  }
  int at(double seconds) const { return tokenizer->special().timestamp_begin + static_cast<int>(seconds / 0.02 + 0.5); }
  static DecodedWindow says(std::vector<int> tokens) {
    DecodedWindow w;
    w.tokens = std::move(tokens);
    w.avg_logprob = -0.3;
    return w;
  }
  // What the next window is shown before <|startoftranscript|>.
  std::vector<int> shown(Piece& piece) const {
    const auto window = piece.next();
    return {window->prompt.begin(), window->prompt.begin() + window->sot_index};
  }

  std::optional<Tokenizer> tokenizer;
  PieceOptions options;
};

TEST_F(PieceTest, CutsWhereAnEndMeetsAStartAndHearsTheRestAgain) {
  Piece piece(options, 0, 10000, {{0, 10000}});
  ASSERT_EQ(piece.next()->frames, 3000);
  piece.accept(says({at(0), 1, 2, at(4), at(5), 3, at(7.5), at(8), 4, 5}));  // "ef" has no end yet
  ASSERT_EQ(piece.segments().size(), 2u);
  EXPECT_EQ(piece.segments()[0].text, "bc");
  EXPECT_EQ(piece.segments()[0].end, 4.0);
  EXPECT_EQ(piece.segments()[1].start, 5.0);
  EXPECT_THAT(piece.segments()[1].tokens, ElementsAre(at(5), 3, at(7.5)));
  EXPECT_EQ(piece.next()->seek, 750);  // the last time before the cut, two frames a position
  piece.accept(says({at(1), 9, at(2), at(2), 8, at(3)}));
  EXPECT_DOUBLE_EQ(piece.segments()[2].start, 8.5);
  EXPECT_EQ(piece.segments()[3].text, "i");
  EXPECT_EQ(piece.next()->seek, 3750);  // a single time at the end: the window is done
}

TEST_F(PieceTest, WithoutAPairTheWindowIsOneSegment) {
  Piece piece(options, 0, 4000, {{0, 4000}});
  (void)piece.next();
  piece.accept(says({at(0), 1, at(2.5)}));
  EXPECT_EQ(piece.segments()[0].end, 2.5);
  EXPECT_EQ(piece.next()->seek, 3000);
  EXPECT_EQ(piece.next()->frames, 1000);
  piece.accept(says({at(0), 1}));
  EXPECT_EQ(piece.segments()[1].end, 40.0);  // no end was said: that of the sound
  EXPECT_FALSE(piece.next());
}

TEST_F(PieceTest, NoTimeLiesBehindTheSound) {
  const auto said = says({at(0), 1, at(2), at(2), 2, at(9), at(9), 3, at(5.5), at(5.5), 4, at(12)});
  Piece piece(options, 16000, 500, {{0, 500}});
  (void)piece.next();
  piece.accept(said);
  ASSERT_EQ(piece.segments().size(), 2u);
  EXPECT_DOUBLE_EQ(piece.segments()[0].end, 3.0);
  EXPECT_EQ(piece.segments()[1].text, "c");
  EXPECT_DOUBLE_EQ(piece.segments()[1].end, 6.0) << "the end of the sound, not 10 s";
  EXPECT_EQ(piece.tokens().size(), 6u) << "what begins behind the sound was not said";
  // A clip's sound ends with the clip.
  Piece clipped(options, 0, 2000, {{0, 500}});
  (void)clipped.next();
  clipped.accept(said);
  EXPECT_DOUBLE_EQ(clipped.segments().back().end, 5.0);
  options.end_as_reference = true;
  Piece reference(options, 16000, 500, {{0, 500}});
  (void)reference.next();
  reference.accept(said);
  ASSERT_EQ(reference.segments().size(), 4u);
  EXPECT_DOUBLE_EQ(reference.segments()[1].end, 10.0);
}

TEST_F(PieceTest, HundredthsOfASecondAtTheEndAreNotHeard) {
  for (int frames : {3001, 3009, 3010}) {
    Piece piece(options, 0, frames, {{0, frames}});
    (void)piece.next();
    piece.accept(says({at(0), 1, at(2)}));
    EXPECT_EQ(piece.next().has_value(), frames == 3010) << frames;
  }
  Piece clips(options, 0, 5000, {{0, 3005}, {4000, 5000}});
  (void)clips.next();
  clips.accept(says({at(0), 1, at(2)}));
  EXPECT_EQ(clips.next()->seek, 4000) << "on to the next clip";
  options.end_as_reference = true;
  Piece reference(options, 0, 3001, {{0, 3001}});
  (void)reference.next();
  reference.accept(says({at(0), 1, at(2)}));
  EXPECT_EQ(reference.next()->frames, 1);
}

TEST_F(PieceTest, AShortSilentRestSaysNothingHoweverSureOfIt) {
  auto repeated = says({at(0), 7, at(4)});
  repeated.no_speech_prob = 0.7;
  for (const bool as_reference : {false, true}) {
    options.end_as_reference = as_reference;
    for (int rest : {50, 100}) {
      Piece piece(options, 0, 3000 + rest, {{0, 3000 + rest}});
      (void)piece.next();
      piece.accept(says({at(0), 1, at(2)}));
      ASSERT_EQ(piece.next()->frames, rest);
      piece.accept(repeated);
      EXPECT_EQ(piece.segments().size(), rest == 50 && !as_reference ? 1u : 2u) << rest;
      EXPECT_FALSE(piece.next());
    }
  }
  options.end_as_reference = false;
  Piece word(options, 0, 50, {{0, 50}});  // a word that stands alone is no rest
  (void)word.next();
  word.accept(repeated);
  EXPECT_EQ(word.segments().size(), 1u);
}

TEST_F(PieceTest, TheSameWindowDoesNotComeForEver) {
  Piece piece(options, 0, 6000, {{0, 6000}});
  (void)piece.next();
  piece.accept(says({at(0), at(0), 1}));  // possible only without timestamp rules
  EXPECT_EQ(piece.next()->seek, 3000);
}

TEST_F(PieceTest, SilenceIsSkippedUnlessTheTextIsLikely) {
  Piece piece(options, 0, 9000, {{0, 9000}});
  DecodedWindow w = says({at(0), 1, at(1)});
  w.no_speech_prob = 0.7;
  (void)piece.next();
  piece.accept(w);
  EXPECT_EQ(piece.segments().size(), 1u);
  w.avg_logprob = -1.5;
  (void)piece.next();
  piece.accept(w);
  EXPECT_EQ(piece.segments().size(), 1u);
  EXPECT_EQ(piece.next()->seek, 6000);
}

TEST_F(PieceTest, BlankSegmentsKeepTheirPlaceAndSayNothing) {
  Piece piece(options, 0, 3000, {{0, 3000}});
  (void)piece.next();
  piece.accept(says({at(1), at(1), at(2), at(2), 3, at(3)}));
  ASSERT_EQ(piece.segments().size(), 4u);  // three of them a time alone
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(piece.segments()[i].tokens.empty() && piece.segments()[i].words->empty());
  EXPECT_THAT(std::vector<int>(piece.tokens().begin(), piece.tokens().end()), ElementsAre(at(2), 3, at(3)));
}

TEST_F(PieceTest, PreviousTextIsShownUntilItIsReset) {
  options.initial_prompt = {20, 21};
  const int prev = tokenizer->special().startofprev;
  Piece piece(options, 0, 12000, {{0, 12000}});
  EXPECT_THAT(shown(piece), ElementsAre(prev, 20, 21));
  piece.accept(says({at(0), 1, at(2)}));
  EXPECT_THAT(shown(piece), ElementsAre(prev, 20, 21, at(0), 1, at(2)));
  piece.accept(says({at(0), 2, 3, 4, 5, 6, 7, 8, at(2)}));
  EXPECT_THAT(shown(piece), ElementsAre(prev, 1, at(2), at(0), 2, 3, 4, 5, 6, 7, 8, at(2)));  // the last 11
  DecodedWindow hot = says({at(0), 9, at(2)});
  hot.temperature = 0.6;
  piece.accept(hot);
  EXPECT_TRUE(shown(piece).empty());
}

TEST_F(PieceTest, ACarriedPromptLeavesRoomForTheRest) {
  options.initial_prompt = {20, 21, 22, 23, 24, 25, 20, 21, 22};  // nine of eleven
  options.carry_initial_prompt = true;
  const int prev = tokenizer->special().startofprev;
  Piece piece(options, 0, 12000, {{0, 12000}});
  (void)piece.next();
  piece.accept(says({at(0), 1, at(2)}));
  EXPECT_THAT(shown(piece), ElementsAre(prev, 20, 21, 22, 23, 24, 25, 20, 21, 22, 1, at(2)));
}

TEST_F(PieceTest, ACarriedPromptThatFillsTheRoomShowsEverythingAsPythonDoes) {
  options.initial_prompt.assign(11, 20);
  options.carry_initial_prompt = true;
  Piece piece(options, 0, 12000, {{0, 12000}});
  (void)piece.next();
  piece.accept(says({at(0), 1, at(2)}));
  // list[-0:] is the whole list, so all three tokens are appended; then the last eleven of fourteen are kept.
  EXPECT_EQ(shown(piece).size(), 12u);
  EXPECT_EQ(shown(piece).back(), at(2));
}

TEST_F(PieceTest, ClipsBoundTheWindowsAndMayGoBack) {
  Piece piece(options, 16000 * 60, 9000, {{500, 600}, {100, 400}, {8000, 12000}});
  EXPECT_EQ(piece.next()->seek, 500);
  EXPECT_EQ(piece.next()->frames, 100);
  piece.accept(says({at(0), 1}));
  EXPECT_EQ(piece.segments()[0].start, 65.0);
  EXPECT_EQ(piece.segments()[0].end, 66.0);
  EXPECT_EQ(piece.segments()[0].seek, 6500);
  EXPECT_EQ(piece.next()->seek, 100);
  piece.accept(says({at(0), 1}));
  EXPECT_EQ(piece.next()->seek, 8000);
  EXPECT_EQ(piece.next()->frames, 1000);
}

TEST_F(PieceTest, ThePrefixFollowsTheTask) {
  options.prefix = {7, 8};
  options.max_tokens = options.n_text_ctx / 2;  // the reference's default: [-0:] keeps the whole prefix
  Piece piece(options, 0, 3000, {{0, 3000}});
  EXPECT_EQ(piece.next()->prompt.back(), 8);
  EXPECT_EQ(piece.next()->prompt.size(), 5u);
  options.max_tokens = 11;
  Piece shorter(options, 0, 3000, {{0, 3000}});
  EXPECT_EQ(shorter.next()->prompt.size(), 4u);
}

}  // namespace
}  // namespace shorthand
