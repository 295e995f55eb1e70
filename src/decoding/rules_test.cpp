// SPDX-License-Identifier: Apache-2.0
// The rules against cases worked out by hand from the reference's decoding.py, over a vocabulary of ten text tokens.
#include "decoding/rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace shorthand {
namespace {

constexpr int kText = 10;                 // ids 0 to 9
constexpr int kVocab = kText + 1509 + 2;  // two languages
const SpecialTokens kSpecial = *special_tokens_in_order(kText, kVocab, false, "test");
const int kBegin = kSpecial.timestamp_begin;

class RulesTest : public testing::Test {
 protected:
  // Which ids stay possible after `sampled`, starting from logits that prefer text.
  std::set<int> allowed(std::vector<int> sampled, std::vector<float> logits = {}) {
    if (logits.empty()) {
      logits.assign(kVocab, -5.0f);
      for (int i = 0; i <= kText; ++i) logits[static_cast<size_t>(i)] = 10.0f;
    }
    const Rules rules(kSpecial, options, blank, kVocab);
    std::vector<IdRange> ranges;
    const LogitSums sums = sum_row(rowwise::variants()[0], logits, rules.select(sampled, ranges));
    std::set<int> ids;
    for (int i = rules.forces_times(sums) ? kBegin : 0; i < kVocab; ++i) {
      if (!std::isinf(logits[static_cast<size_t>(i)])) ids.insert(i);
    }
    return ids;
  }
  static std::set<int> range(int first, int last) {
    std::set<int> ids;
    for (int i = first; i < last; ++i) ids.insert(i);
    return ids;
  }

  DecodingOptions options;
  std::vector<int> blank{3};
};

TEST_F(RulesTest, TheFirstTokenIsATimeWithinTheFirstSecond) {
  EXPECT_EQ(allowed({}), range(kBegin, kBegin + 51));
  options.max_initial_timestamp_s = 0.5;
  EXPECT_EQ(allowed({}), range(kBegin, kBegin + 26));
  options.max_initial_timestamp_s.reset();
  EXPECT_EQ(allowed({}), range(kBegin, kVocab));
  options.max_initial_timestamp_s = 0;  // as the reference reads it: no limit
  EXPECT_EQ(allowed({}), range(kBegin, kVocab));
}

TEST_F(RulesTest, TextFollowsAStart) {
  const std::set<int> ids = allowed({kBegin + 10});
  EXPECT_EQ(*ids.rbegin(), kSpecial.nospeech);  // no time, and <|notimestamps|> never
  EXPECT_TRUE(ids.contains(0) && ids.contains(kSpecial.eot));
}

TEST_F(RulesTest, TimesNeverGoBackAndSegmentsHaveALength) {
  const std::set<int> ids = allowed({kBegin + 10, 1});
  EXPECT_FALSE(ids.contains(kBegin + 10));
  EXPECT_TRUE(ids.contains(kBegin + 11));
  EXPECT_TRUE(ids.contains(2));
}

TEST_F(RulesTest, AnEndIsFollowedByAStartThatMayRepeatItOrByTheEnd) {
  const std::set<int> ids = allowed({kBegin + 10, 1, kBegin + 30});
  EXPECT_FALSE(ids.contains(1));
  EXPECT_TRUE(ids.contains(kSpecial.eot));
  EXPECT_FALSE(ids.contains(kBegin + 29));
  EXPECT_TRUE(ids.contains(kBegin + 30));
}

TEST_F(RulesTest, AfterAPairComesText) {
  const std::set<int> ids = allowed({kBegin + 10, 1, kBegin + 30, kBegin + 30});
  EXPECT_TRUE(ids.contains(1));
  EXPECT_FALSE(ids.contains(kBegin + 31));
}

TEST_F(RulesTest, TimesAreForcedWhereTogetherTheyOutweighEveryText) {
  // 1,490 times at logit 0 weigh e^7.3 together; the likeliest text token has e^7 in one case and e^8 in the other.
  std::vector<float> logits(kVocab, 0.0f);
  for (int i = 0; i < kBegin; ++i) logits[static_cast<size_t>(i)] = -20.0f;
  logits[2] = 7.0f;
  EXPECT_EQ(*allowed({kBegin + 10, 1}, logits).begin(), kBegin + 11);
  logits[2] = 8.0f;
  EXPECT_EQ(*allowed({kBegin + 10, 1}, logits).begin(), 0);
}

TEST_F(RulesTest, BlankAndEndAreSuppressedOnlyAtTheStart) {
  options.timestamps = false;
  EXPECT_FALSE(allowed({}).contains(3) || allowed({}).contains(kSpecial.eot));
  EXPECT_TRUE(allowed({1}).contains(3) && allowed({1}).contains(kSpecial.eot));
  options.suppress_blank = false;
  EXPECT_TRUE(allowed({}).contains(3) && allowed({}).contains(kSpecial.eot));
}

TEST_F(RulesTest, SuppressedTokensStaySuppressedAndLiesAreIgnored) {
  options.timestamps = false;
  options.suppress_tokens = {5, -1, kVocab + 7};
  EXPECT_FALSE(allowed({1}).contains(5));
  EXPECT_TRUE(allowed({1}).contains(6));
}

TEST_F(RulesTest, ForcedLengthEndsExactlyThere) {
  options.timestamps = false;
  options.force_tokens = 2;
  EXPECT_FALSE(allowed({1}).contains(kSpecial.eot));
  EXPECT_EQ(allowed({1, 2}), std::set<int>{kSpecial.eot});
}

}  // namespace
}  // namespace shorthand
