// SPDX-License-Identifier: Apache-2.0
// Sums by blocks against double precision, and every variant against every other.
#include "model/logit_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace shorthand {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr int kVocab = 3 * kLogitBlock + 77;

std::vector<float> some_logits(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(kVocab);
  for (float& l : logits) l = normal(random);
  return logits;
}

bool in(std::span<const IdRange> ranges, int id) {
  for (IdRange r : ranges) {
    if (r.first <= id && id < r.last) return true;
  }
  return false;
}

// What stands in logits [first, last) and no range, in double precision.
void expect_sums(const rowwise::SoftmaxSums& got, const std::vector<float>& logits, const Selection& s, int first,
                 int last) {
  int largest = -1;
  for (int i = first; i < last; ++i) {
    if (in(s.always, i) || in(s.for_now, i)) continue;
    if (largest < 0 || logits[static_cast<size_t>(i)] > logits[static_cast<size_t>(largest)]) largest = i;
  }
  if (largest < 0) {
    EXPECT_EQ(got.sum_exp, 0);
    EXPECT_EQ(got.max, kNever);
    return;
  }
  const double max = logits[static_cast<size_t>(largest)];
  double sum = 0;
  for (int i = first; i < last; ++i) {
    if (!in(s.always, i) && !in(s.for_now, i))
      sum += std::exp(static_cast<double>(logits[static_cast<size_t>(i)]) - max);
  }
  EXPECT_EQ(got.argmax, largest);
  EXPECT_EQ(got.max, max);
  EXPECT_NEAR(got.sum_exp, sum, 2e-6 * sum);
}

// Ranges within a block, over its edges and over whole blocks; splits at the ends, on an edge and inside.
TEST(LogitSumsTest, AreThoseOfWhatIsAllowedOnEitherSideOfTheSplit) {
  const std::vector<IdRange> always = {{3, 4}, {90, 95}, {kLogitBlock - 2, kLogitBlock + 2}, {1500, 1501}};
  const std::vector<std::vector<IdRange>> now = {{}, {{1200, kVocab}, {7, 9}}, {{0, 2 * kLogitBlock}}, {{0, kVocab}}};
  for (const std::vector<IdRange>& for_now : now) {
    for (int split : {0, 1, 700, kLogitBlock, kVocab - 1, kVocab}) {
      const Selection s{split, always, for_now};
      std::vector<float> row = some_logits(1);
      const LogitSums sums = sum_row(rowwise::variants()[0], row, s);
      expect_sums(sums.text, some_logits(1), s, 0, split);
      expect_sums(sums.times, some_logits(1), s, split, kVocab);
      for (int i = 0; i < kVocab; ++i) {
        EXPECT_EQ(row[static_cast<size_t>(i)] == kNever, in(always, i) || in(for_now, i)) << i;
      }
    }
  }
}

TEST(LogitSumsTest, OfEqualsTheFirstIsTheLargestOverTheEdgesOfBlocks) {
  for (int later : {11, kLogitBlock, kVocab - 1}) {
    std::vector<float> row = some_logits(2);
    row[10] = row[static_cast<size_t>(later)] = 30.0f;
    EXPECT_EQ(softmax_sums(rowwise::variants()[0], row).argmax, 10);
    row[10] = -30.0f;
    EXPECT_EQ(softmax_sums(rowwise::variants()[0], row).argmax, later);
  }
}

TEST(LogitSumsTest, EveryVariantGivesTheSameBits) {
  const std::vector<IdRange> always = {{3, 4}, {500, 600}};
  for (const rowwise::Variant& v : rowwise::variants()) {
    if (!isa_supported(v.isa)) continue;
    for (unsigned seed = 0; seed < 20; ++seed) {
      std::vector<float> row = some_logits(seed), scalar = row;
      const Selection s{900 + static_cast<int>(seed), always, {}};
      const LogitSums got = sum_row(v, row, s), want = sum_row(rowwise::variants()[0], scalar, s);
      EXPECT_EQ(got.text.sum_exp, want.text.sum_exp);
      EXPECT_EQ(got.times.sum_exp, want.times.sum_exp);
      EXPECT_EQ(got.text.max, want.text.max);
      EXPECT_EQ(got.text.argmax, want.text.argmax);
      EXPECT_EQ(got.times.argmax, want.times.argmax);
    }
  }
}

}  // namespace
}  // namespace shorthand
