// SPDX-License-Identifier: Apache-2.0
// exp and GELU against the C library in double precision, and the vector forms against the scalar one. The vector forms
// live inside the kernels; they are reached through attention's weigh_float, which leaves exp((x - max) / 8), and
// through gemm_f32's epilogue, which leaves gelu(x).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/simd/scalar_math.h"
#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::simd {
namespace {

using testing::same_bits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Floats from 0 down to `lowest`: every `step`-th of those that there are.
std::vector<float> negatives_down_to(float lowest, uint32_t step) {
  std::vector<float> x;
  for (uint32_t bits = 0x80000000u; bits <= std::bit_cast<uint32_t>(lowest); bits += step)
    x.push_back(std::bit_cast<float>(bits));
  return x;
}

TEST(ExpTest, IsWithinOneUlp) {
  double worst = 0;
  float where = 0;
  for (float x : negatives_down_to(-87.0f, 601)) {
    const double off = testing::ulps(exp_scalar(x), std::exp(static_cast<double>(x)));
    if (off > worst) worst = off, where = x;
  }
  EXPECT_LE(worst, 1.0) << "at " << where;
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST(ExpTest, EndsInZero) {
  EXPECT_EQ(exp_scalar(0.0f), 1.0f);
  EXPECT_EQ(exp_scalar(-0.0f), 1.0f);
  EXPECT_GT(exp_scalar(-87.0f), 0.0f);
  EXPECT_EQ(exp_scalar(std::nextafter(-87.0f, -88.0f)), 0.0f);
  EXPECT_EQ(exp_scalar(-3e38f), 0.0f);
  EXPECT_EQ(exp_scalar(-kInfinity), 0.0f);
  EXPECT_EQ(exp_scalar(kNan), 0.0f);
}

TEST(Exp2Test, IsWithinWhatWeightsOfEightBitsWant) {
  double worst = 0;
  for (float x : negatives_down_to(-100.0f, 601)) {
    const double want = std::exp2(static_cast<double>(x));
    worst = std::max(worst, std::fabs(static_cast<double>(exp2_scalar(x)) - want) / want);
  }
  EXPECT_LE(worst, 7.51e-5);
  EXPECT_GE(worst, 7e-5);  // or the bound says too little
}

TEST(Exp2Test, EndsAtItsLowest) {
  for (float x : {-3e38f, -kInfinity, kNan, -100.5f}) EXPECT_EQ(exp2_scalar(x), exp2_scalar(-100.0f));
}

std::vector<float> gelu_arguments() {
  std::vector<float> x = {0.0f, -0.0f, 5.5f, -5.5f, kInfinity, -kInfinity, kNan, 3e38f, -3e38f, 1e-45f, -1e-45f};
  for (int i = -12 * 65536; i <= 12 * 65536; ++i) x.push_back(static_cast<float>(i) / 65536.0f);
  return x;
}

TEST(GeluTest, IsWithinItsAbsoluteError) {
  double worst = 0;
  float where = 0;
  for (float x : gelu_arguments()) {
    if (!(std::fabs(x) <= 12.0f)) continue;
    const double a = static_cast<double>(x);
    const double off = std::fabs(static_cast<double>(gelu_scalar(x)) - 0.5 * a * std::erfc(-a / std::sqrt(2.0)));
    if (off > worst) worst = off, where = x;
  }
  EXPECT_LE(worst, 4e-7) << "at " << where;
  RecordProperty("worst", std::to_string(worst * 1e7) + "e-7");
}

TEST(RoundToIntTest, IsThatOfTheVectorConversion) {
  EXPECT_EQ(round_to_int(0.5f), 0);
  EXPECT_EQ(round_to_int(1.5f), 2);
  EXPECT_EQ(round_to_int(-2.5f), -2);
  EXPECT_EQ(round_to_int(-2147483648.0f), INT32_MIN);
  for (float x : {2147483648.0f, -3e9f, kInfinity, -kInfinity, kNan}) EXPECT_EQ(round_to_int(x), INT32_MIN) << x;
}

class VectorExpTest : public ::testing::TestWithParam<attention::Variant> {};

TEST_P(VectorExpTest, EqualsScalar) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  std::vector<float> x = negatives_down_to(-88.0f, 2003);
  x.push_back(-kInfinity);
  constexpr size_t kLength = attention::kMaxKeys;
  for (size_t start = 0; start < x.size(); start += kLength - 1) {
    const size_t count = std::min(kLength - 1, x.size() - start);
    std::vector<float> scores(kLength, 0.0f), want(kLength, 0.0f);
    want[0] = 1.0f;  // the maximum is 0
    for (size_t i = 0; i < count; ++i) scores[i + 1] = x[start + i] * 8.0f, want[i + 1] = exp_scalar(x[start + i]);
    GetParam().weigh_float(scores.data(), static_cast<int>(count + 1), static_cast<int>(kLength));
    ASSERT_TRUE(same_bits(scores, want)) << "from " << x[start];
  }
}
INSTANTIATE_TEST_SUITE_P(Variants, VectorExpTest,
                         ::testing::ValuesIn(attention::variants().begin(), attention::variants().end()),
                         testing::variant_name());

class VectorGeluTest : public ::testing::TestWithParam<gemm_f32::Variant> {};

TEST_P(VectorGeluTest, EqualsScalar) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  std::vector<float> x = gelu_arguments();
  x.resize(round_up(x.size(), 16));
  std::vector<float> got(x.size()), want;
  for (float v : x) want.push_back(gelu_scalar(v + 0.0f));  // the epilogue adds no bias as 0
  Epilogue e{got.data(), got.size(), nullptr, Act::gelu, nullptr, 0};
  GetParam().epilogue(x.data(), x.size(), 1, static_cast<int>(x.size()), e);
  EXPECT_TRUE(same_bits(got, want));
}
INSTANTIATE_TEST_SUITE_P(Variants, VectorGeluTest,
                         ::testing::ValuesIn(gemm_f32::variants().begin(), gemm_f32::variants().end()),
                         testing::variant_name());

}  // namespace
}  // namespace shorthand::simd
