// SPDX-License-Identifier: Apache-2.0
#include "decoding/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace shorthand {
namespace {

const rowwise::Variant& kScalar = rowwise::variants()[0];
constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(SamplingTest, GreedyTakesTheFirstOfTheLargestAndItsLogSoftmax) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(1000);
  for (float& l : logits) l = normal(random);
  logits[17] = kNever;
  logits[400] = logits[700] = 30.0f;
  double sum = 0;
  for (float l : logits) sum += std::exp(static_cast<double>(l));
  const Choice choice = choose_largest(softmax_sums(kScalar, logits));
  EXPECT_EQ(choice.token, 400);
  EXPECT_NEAR(choice.logprob, 30.0 - std::log(sum), 1e-5);
  EXPECT_NEAR(probability(kScalar, logits, 3), std::exp(static_cast<double>(logits[3])) / sum, 1e-6);
}

TEST(SamplingTest, DrawsFollowTheSoftmaxAtTheTemperature) {
  const std::vector<float> logits = {1.0f, kNever, 0.0f, -1.0f, 2.0f};
  constexpr double kTemperature = 0.6;
  double weights[5], total = 0;
  for (size_t i = 0; i < 5; ++i) total += weights[i] = std::exp(static_cast<double>(logits[i]) / kTemperature);
  constexpr int kDraws = 20000;
  int counts[5] = {};
  const rowwise::SoftmaxSums sums = softmax_sums(kScalar, logits);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Choice choice = draw_token(logits, sums, {42, 480000, kTemperature, 0, i});
    ++counts[choice.token];
    // the log-probability is the one at temperature 1
    EXPECT_NEAR(choice.logprob, static_cast<double>(logits[static_cast<size_t>(choice.token)]) - 2.4402, 1e-3);
  }
  EXPECT_EQ(counts[1], 0);
  double chi_squared = 0;
  for (size_t i : {0u, 2u, 3u, 4u}) {
    const double expected = kDraws * weights[i] / total;
    chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi_squared, 16.3);  // 3 degrees of freedom, p = 0.001
}

TEST(SamplingTest, ADrawDependsOnItsNameAlone) {
  const Draw draw{1, 2, 0.4, 3, 4};
  EXPECT_EQ(uniform(draw), uniform(draw));
  std::set<double> all{uniform(draw)};
  for (const Draw& other : {Draw{2, 2, 0.4, 3, 4}, Draw{1, 3, 0.4, 3, 4}, Draw{1, 2, 0.6, 3, 4}, Draw{1, 2, 0.4, 4, 4},
                            Draw{1, 2, 0.4, 3, 5}}) {
    all.insert(uniform(other));
  }
  EXPECT_EQ(all.size(), 6u);
}

TEST(SamplingTest, UniformIsUniform) {
  constexpr int kDraws = 10000;
  double mean = 0, square = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double u = uniform({7, i / 100, 0.2, i % 10, i});
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    mean += u / kDraws;
    square += u * u / kDraws;
  }
  EXPECT_NEAR(mean, 0.5, 0.012);  // four standard errors
  EXPECT_NEAR(square, 1.0 / 3, 0.012);
}

}  // namespace
}  // namespace shorthand
