// SPDX-License-Identifier: Apache-2.0
// Every variant against scalar, bit for bit; scalar against double precision written out here.
#include "kernels/rowwise/rowwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::rowwise {
namespace {

using testing::GuardedRows;
using testing::Random;
using testing::same_bits;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

size_t size(int n) { return static_cast<size_t>(n); }
const Variant& scalar() { return variants().front(); }

class RowwiseTest : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override { SHORTHAND_NEEDS_ISA(GetParam().isa); }
};
INSTANTIATE_TEST_SUITE_P(Variants, RowwiseTest, ::testing::ValuesIn(variants().begin(), variants().end()),
                         testing::variant_name());

// ---- LayerNorm

struct Norm {
  std::vector<float> gamma, beta;
  Norm(Random& random, int n) : gamma(random.floats(size(n))), beta(random.floats(size(n))) {}
  LayerNorm view() const { return {gamma.data(), beta.data(), static_cast<int>(gamma.size())}; }
};

TEST_P(RowwiseTest, LayerNormEqualsScalar) {
  Random random(1);
  std::vector<int> widths = {127, 192, 384, 512, 1280};
  for (int n = 1; n <= 67; ++n) widths.push_back(n);
  for (int n : widths) {
    for (int rows : {1, 2, 7}) {
      const Norm norm(random, n);
      const size_t offset = size(n % 5);
      GuardedRows<float> x(rows, n, size(n) + size(n % 3), offset);
      x.assign(random.floats(size(rows * n), 3.0f));
      GuardedRows<float> got(rows, n, size(n) + 2, offset), want(rows, n, size(n));
      GetParam().layer_norm(norm.view(), x.data(), x.stride(), rows, got.data(), got.stride());
      scalar().layer_norm(norm.view(), x.data(), x.stride(), rows, want.data(), want.stride());
      ASSERT_TRUE(got.untouched());
      ASSERT_TRUE(same_bits(got.values(), want.values())) << rows << " x " << n;
      GetParam().layer_norm(norm.view(), x.data(), x.stride(), rows, x.data(), x.stride());
      ASSERT_TRUE(x.untouched());
      ASSERT_TRUE(same_bits(x.values(), want.values())) << "in place, " << rows << " x " << n;
    }
  }
}

// The error of a mean and of a variance grows with the sum of magnitudes, so rows far from zero lose what they must:
// the bound is a small multiple of the unit roundoff times (|mean| + deviation) / deviation.
TEST(RowwiseMeaning, LayerNormIsThatOfDoublePrecision) {
  Random random(2);
  for (int n : {5, 80, 192, 512, 1280}) {
    for (float centre : {0.0f, -30.0f, 1000.0f}) {
      constexpr int kRows = 6;
      const Norm norm(random, n);
      std::vector<float> x = random.floats(size(kRows * n), 2.0f), got(x.size());
      for (float& v : x) v += centre;
      std::fill_n(x.begin(), n, centre);  // a row without variance: epsilon decides
      scalar().layer_norm(norm.view(), x.data(), size(n), kRows, got.data(), size(n));
      for (int r = 0; r < kRows; ++r) {
        const std::span<const float> row(x.data() + r * n, size(n));
        double mean = 0, variance = 0;
        for (float v : row) mean += static_cast<double>(v) / n;
        for (float v : row) variance += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean) / n;
        const double deviation = std::sqrt(variance + 1e-5);
        std::vector<double> want;
        for (int i = 0; i < n; ++i) {
          want.push_back((static_cast<double>(row[size(i)]) - mean) / deviation *
                             static_cast<double>(norm.gamma[size(i)]) +
                         static_cast<double>(norm.beta[size(i)]));
        }
        const std::span<const float> y(got.data() + r * n, size(n));
        EXPECT_LT(testing::relative_l2(y, want), 8 * testing::kUnitRoundoff * (std::fabs(mean) + deviation) / deviation)
            << "n " << n << ", centre " << centre << ", row " << r;
      }
    }
  }
}

// ---- mix

// Widths of every kind: r = 4^a * {1, 2} * b, whole and with zeros behind; Whisper's and others.
constexpr int kMixed[] = {16,  64,  80,   120,  128,  192,  240,  256,  320,  384,  512,  576,
                          768, 832, 1024, 1152, 1280, 1536, 2048, 2304, 3072, 3840, 4096, 5120};

// The header's matrix over vectors, in double precision, as a product of Kronecker products: the factor of the smallest
// stride varies fastest.
std::vector<double> mix_matrix(int count) {
  std::vector<double> m = {1};
  int n = 1;
  const auto times = [&](const std::vector<double>& outer, int factor) {
    const int all = n * factor;
    std::vector<double> product(m.size() * outer.size());
    for (int i = 0; i < all; ++i) {
      for (int j = 0; j < all; ++j)
        product[size(i * all + j)] = outer[size(i / n * factor + j / n)] * m[size(i % n * n + j % n)];
    }
    m = product, n = all;
  };
  for (; count % 4 == 0; count /= 4) times({1, 1, 1, -1, 1, -1, 1, 1, 1, 1, -1, 1, 1, -1, -1, -1}, 4);
  for (; count % 2 == 0; count /= 2) times({1, 1, 1, -1}, 2);
  std::vector<double> rest(size(count * count), -2.0 / count);
  for (int i = 0; i < count; ++i) rest[size(i * count + i)] += 1;
  if (count > 1) times(rest, count);
  return m;
}

std::vector<float> mixed(const Variant& v, std::span<const float> x) {
  GuardedRows<float> y(1, mixed_width(static_cast<int>(x.size())), 1 << 20, x.size() % 3);
  v.mix(x.data(), static_cast<int>(x.size()), y.data());
  EXPECT_TRUE(y.untouched());
  return y.values();
}

TEST_P(RowwiseTest, MixEqualsScalar) {
  Random random(8);
  for (int n : kMixed) {
    const std::vector<float> x = random.floats(size(n), 3.0f), want = mixed(scalar(), x);
    ASSERT_TRUE(same_bits(mixed(GetParam(), x), want)) << n;
    std::vector<float> in_place = x;
    in_place.resize(want.size());
    GetParam().mix(in_place.data(), n, in_place.data());
    ASSERT_TRUE(same_bits(in_place, want)) << "in place, " << n;
  }
  for (int n = 1; n <= 300; ++n) {
    const std::vector<float> x = random.floats(size(n));
    ASSERT_TRUE(same_bits(mixed(GetParam(), x), mixed(scalar(), x))) << n;
  }
  for (float odd : {kNan, kInfinity, -kInfinity, -0.0f, 3.4e38f, 1e-45f}) {
    std::vector<float> x = random.floats(192);
    x[77] = x[141] = odd;
    ASSERT_TRUE(same_bits(mixed(GetParam(), x), mixed(scalar(), x))) << odd;
  }
}

TEST(RowwiseMeaning, MixIsTheMatrixOfItsFactors) {
  Random random(9);
  for (int n : kMixed) {
    const int count = mixed_width(n) / kMixLanes;
    const std::vector<double> m = mix_matrix(count);
    const std::vector<float> x = random.floats(size(n));
    std::vector<double> want(size(kMixLanes * count));
    for (int i = 0; i < count; ++i) {
      for (int at = 0; at < n; ++at)
        want[size(kMixLanes * i + at % kMixLanes)] +=
            m[size(i * count + at / kMixLanes)] * static_cast<double>(x[size(at)]);
    }
    EXPECT_LT(testing::relative_l2(mixed(scalar(), x), want), 4 * testing::kUnitRoundoff) << n;
  }
}

TEST(RowwiseMeaning, MixIsOrthogonalUpToItsGain) {
  for (int count : {1, 2, 3, 4, 8, 12, 15, 16, 24, 32, 36, 64, 96, 144, 240, 320}) {
    const std::vector<double> m = mix_matrix(count);
    for (int i = 0; i < count; ++i) {
      for (int j = 0; j < count; ++j) {
        double dot = 0;
        for (int k = 0; k < count; ++k) dot += m[size(i * count + k)] * m[size(j * count + k)];
        ASSERT_NEAR(dot, i == j ? static_cast<double>(mix_gain(count)) : 0.0, 1e-9) << count;
      }
    }
  }
  EXPECT_EQ(mix_gain(32), 32.0f);
  EXPECT_EQ(mix_gain(36), 4.0f);
  EXPECT_EQ(mix_gain(96), 32.0f);
}

// Products are what they were: (M x) . (M w) = gain x . w; and M transposed undoes M.
TEST(RowwiseMeaning, MixedRowsMultiplyAsTheyDidAndUnmixUndoes) {
  Random random(10);
  for (int n : kMixed) {
    const std::vector<float> x = random.floats(size(n)), w = random.floats(size(n), 0.1f);
    std::vector<float> mx = mixed(scalar(), x);
    const std::vector<float> mw = mixed(scalar(), w);
    const double gain = static_cast<double>(mix_gain(mixed_width(n) / kMixLanes));
    double product = 0, mixed_product = 0, xx = 0, ww = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      product += static_cast<double>(x[i]) * static_cast<double>(w[i]);
      xx += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      ww += static_cast<double>(w[i]) * static_cast<double>(w[i]);
    }
    for (size_t i = 0; i < mx.size(); ++i) mixed_product += static_cast<double>(mx[i]) * static_cast<double>(mw[i]);
    EXPECT_NEAR(mixed_product / gain, product, 16 * testing::kUnitRoundoff * std::sqrt(xx * ww)) << n;
    unmix_vectors(mx.data(), mixed_width(n) / kMixLanes, kMixLanes);
    std::vector<double> want(mx.size());
    for (size_t i = 0; i < x.size(); ++i) want[i] = gain * static_cast<double>(x[i]);
    EXPECT_LT(testing::relative_l2(mx, want), 8 * testing::kUnitRoundoff) << n;
  }
}

// What GELU leaves is nearly constant. A matrix of the usual signs would gather all of it in one element.
TEST(RowwiseMeaning, MixKeepsAConstantFlat) {
  for (int n : kMixed) {
    if (n % 64 != 0) continue;
    const int count = n / kMixLanes;
    const std::vector<float> y = mixed(scalar(), std::vector<float>(size(n), -0.17f));
    const float once = 0.17f * std::sqrt(mix_gain(count));
    const bool a_two = static_cast<int>(std::log2(mix_gain(count))) % 2 == 1;  // which makes 0 and twice as much of two
    for (float v : y) ASSERT_LE(std::fabs(v), once * (a_two ? 1.4143f : 1.0001f)) << n;
  }
}

// One large element decides nothing alone: after the mix the largest is a small part of the row.
TEST(RowwiseMeaning, MixSpreadsAnOutlier) {
  Random random(11);
  for (int n : {512, 768, 1024, 2048}) {
    std::vector<float> x = random.floats(size(n), 0.1f);
    x[size(n / 3)] = 40;
    const auto crest = [](std::span<const float> v) {
      double largest = 0, squares = 0;
      for (float f : v) {
        largest = std::max(largest, std::fabs(static_cast<double>(f)));
        squares += static_cast<double>(f) * static_cast<double>(f);
      }
      return largest / std::sqrt(squares / static_cast<double>(v.size()));
    };
    EXPECT_LT(crest(mixed(scalar(), x)), 0.35 * crest(x)) << n;
  }
}

TEST(RowwiseMeaning, MixOfOtherVectorsIsTheSameMatrix) {
  Random random(12);
  constexpr int kCount = 64;
  const std::vector<double> m = mix_matrix(kCount);
  for (int lanes : {1, 3, 100}) {
    std::vector<float> x = random.floats(size(kCount * lanes));
    std::vector<double> want(x.size());
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j < kCount; ++j) {
        for (int lane = 0; lane < lanes; ++lane)
          want[size(i * lanes + lane)] += m[size(i * kCount + j)] * static_cast<double>(x[size(j * lanes + lane)]);
      }
    }
    mix_vectors(x.data(), kCount, lanes);
    EXPECT_LT(testing::relative_l2(x, want), 4 * testing::kUnitRoundoff) << lanes;
  }
}

// ---- quantise

struct QuantisedRows {
  GuardedRows<uint8_t> q;
  GuardedRows<float> scales;
};

QuantisedRows quantised(const Variant& v, const GuardedRows<float>& x, int rows, int n, int group) {
  QuantisedRows out{GuardedRows<uint8_t>(rows, n, size(n) + 5, 3),
                    GuardedRows<float>(rows, n / group, size(n / group) + 2, 1)};
  v.quantise(x.data(), x.stride(), rows, n, group,
             {out.q.data(), out.q.stride(), out.scales.data(), out.scales.stride()});
  EXPECT_TRUE(out.q.untouched());
  EXPECT_TRUE(out.scales.untouched());
  return out;
}

void expect_equal(const QuantisedRows& got, const QuantisedRows& want) {
  EXPECT_TRUE(same_bits(got.q.values(), want.q.values()));
  EXPECT_TRUE(same_bits(got.scales.values(), want.scales.values()));
}

TEST_P(RowwiseTest, QuantiseEqualsScalar) {
  Random random(3);
  for (const auto& [n, group] :
       {std::pair{16, 16}, {64, 64}, {192, 192}, {192, 64}, {512, 512}, {1280, 64}, {48, 16}}) {
    for (int rows = 1; rows <= 5; ++rows) {
      GuardedRows<float> x(rows, n, size(n) + 7, size(rows));
      x.assign(random.floats(size(rows * n)));
      std::fill_n(x.row(rows - 1), group, 0.0f);
      expect_equal(quantised(GetParam(), x, rows, n, group), quantised(scalar(), x, rows, n, group));
    }
  }
}

// Denormal groups, whose inverse overflows, infinities and NaN: whatever comes out, it is the same everywhere.
TEST_P(RowwiseTest, QuantiseEqualsScalarOnTheEdgesOfFloat) {
  Random random(4);
  for (float magnitude : {1e-45f, 1e-41f, 3e-38f, 4e-37f, 1e-30f, 3.4e38f}) {
    GuardedRows<float> x(2, 64, 64);
    std::vector<float> v = random.floats(128);
    for (float& f : v) f = std::clamp(f, -1.0f, 1.0f) * magnitude;
    x.assign(v);
    expect_equal(quantised(GetParam(), x, 2, 64, 64), quantised(scalar(), x, 2, 64, 64));
  }
  for (float odd : {kNan, -kNan, kInfinity, -kInfinity, -0.0f}) {
    for (int at : {0, 7, 31, 63}) {
      GuardedRows<float> x(1, 64, 64);
      std::vector<float> v = random.floats(64);
      v[size(at)] = odd;
      x.assign(v);
      expect_equal(quantised(GetParam(), x, 1, 64, 64), quantised(scalar(), x, 1, 64, 64));
    }
  }
}

TEST_P(RowwiseTest, QuantiseFineEqualsScalarAndItsFirstHalfIsQuantise) {
  Random random(13);
  for (int n : {64, 192, 512, 2048}) {
    for (float sigma : {1.0f, 1e-30f, 1e-41f, 0.0f}) {
      const std::vector<float> x = random.floats(size(n), sigma);
      struct Fine {
        std::vector<uint8_t> q, rest;
        float scale = 0, rest_scale = 0;
      };
      const auto fine = [&](const Variant& v) {
        Fine f{std::vector<uint8_t>(size(n)), std::vector<uint8_t>(size(n))};
        std::vector<float> spent = x;
        v.quantise_fine(spent.data(), n, {f.q.data(), 0, &f.scale, 0}, {f.rest.data(), 0, &f.rest_scale, 0});
        return f;
      };
      const Fine got = fine(GetParam()), want = fine(scalar());
      EXPECT_EQ(got.q, want.q);
      EXPECT_EQ(got.rest, want.rest);
      EXPECT_TRUE(same_bits(std::vector{got.scale, got.rest_scale}, std::vector{want.scale, want.rest_scale}));
      std::vector<uint8_t> q(size(n));
      float scale = 0;
      scalar().quantise(x.data(), 0, 1, n, n, {q.data(), 0, &scale, 0});
      EXPECT_EQ(got.q, q);
      EXPECT_EQ(got.scale, scale);
      if (sigma < 1e-35f) continue;
      double worst = 0, absmax = 0;
      for (int i = 0; i < n; ++i) {
        const double value = (got.q[size(i)] - 128) * static_cast<double>(got.scale) +
                             (got.rest[size(i)] - 128) * static_cast<double>(got.rest_scale);
        worst = std::max(worst, std::fabs(value - static_cast<double>(x[size(i)])));
        absmax = std::max(absmax, std::fabs(static_cast<double>(x[size(i)])));
      }
      EXPECT_LT(worst, absmax / 127 / 127 / 4 * 1.01);  // half a step of the rest, which reaches half a step
    }
  }
}

TEST(RowwiseMeaning, QuantisedIsWithinHalfAStepAndUsesTheWholeRange) {
  Random random(5);
  constexpr int kRows = 20, kN = 192, kGroup = 64;
  GuardedRows<float> x(kRows, kN, kN);
  x.assign(random.floats(kRows * kN, 4.0f));
  std::fill_n(x.row(3) + 64, 64, 0.0f);
  const QuantisedRows out = quantised(scalar(), x, kRows, kN, kGroup);
  for (int r = 0; r < kRows; ++r) {
    for (int g = 0; g < kN / kGroup; ++g) {
      const double scale = static_cast<double>(out.scales.row(r)[g]);
      int largest = 0;
      double absmax = 0;
      for (int i = g * kGroup; i < (g + 1) * kGroup; ++i) {
        const int q = out.q.row(r)[i] - 128;
        largest = std::max(largest, std::abs(q));
        absmax = std::max(absmax, std::fabs(static_cast<double>(x.row(r)[i])));
        EXPECT_LE(std::fabs(static_cast<double>(x.row(r)[i]) - q * scale), 0.5001 * scale);
      }
      EXPECT_EQ(largest, absmax > 0 ? 127 : 0);
      EXPECT_NEAR(scale, absmax / 127, absmax * testing::kUnitRoundoff);
    }
  }
}

TEST(RowwiseMeaning, QuantiseRoundsTiesToEven) {
  GuardedRows<float> x(1, 16, 16);
  std::vector<float> v(16, 0.0f);
  v[0] = 127.0f;  // the scale is 1
  v[1] = 0.5f, v[2] = 1.5f, v[3] = 2.5f, v[4] = -0.5f, v[5] = -1.5f, v[6] = -2.5f, v[7] = -127.0f;
  x.assign(v);
  const std::vector<uint8_t> q = quantised(scalar(), x, 1, 16, 16).q.values();
  const std::vector<int> want = {127, 0, 2, 2, 0, -2, -2, -127};
  for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(q[i] - 128, want[i]) << v[i];
}

// ---- softmax

std::vector<float> logits(Random& random, int n) {
  std::vector<float> x = random.floats(size(n), 5.0f);
  for (float& v : x) {
    if (random.integer(0, 9) == 0) v = -kInfinity;
  }
  return x;
}

void expect_equal(const SoftmaxSums& got, const SoftmaxSums& want) {
  EXPECT_EQ(got.argmax, want.argmax);
  EXPECT_TRUE(same_bits(std::vector{got.max, got.sum_exp}, std::vector{want.max, want.sum_exp}));
}

TEST_P(RowwiseTest, SoftmaxSumsEqualScalar) {
  Random random(6);
  std::vector<int> lengths = {255, 1000, 1536, 51865};
  for (int n = 0; n <= 70; ++n) lengths.push_back(n);
  for (int n : lengths) {
    SCOPED_TRACE(n);
    std::vector<float> x = logits(random, n);
    expect_equal(GetParam().softmax_sums(x.data(), n), scalar().softmax_sums(x.data(), n));
    if (n < 3) continue;
    x[size(n - 1)] = x[size(n / 2)] = 200.0f;  // a tie, and everything else far below
    expect_equal(GetParam().softmax_sums(x.data(), n), scalar().softmax_sums(x.data(), n));
    EXPECT_EQ(GetParam().softmax_sums(x.data(), n).argmax, n / 2);
    x[0] = kNan, x[size(n - 2)] = kNan;
    expect_equal(GetParam().softmax_sums(x.data(), n), scalar().softmax_sums(x.data(), n));
    std::fill(x.begin(), x.end(), -kInfinity);
    expect_equal(GetParam().softmax_sums(x.data(), n), {-kInfinity, 0, 0});
    std::fill(x.begin(), x.end(), kNan);
    expect_equal(GetParam().softmax_sums(x.data(), n), {-kInfinity, 0, 0});
    std::fill(x.begin(), x.end(), -0.0f);
    x[size(n - 1)] = 0.0f;  // the first of two equal ones, with its sign
    expect_equal(GetParam().softmax_sums(x.data(), n), scalar().softmax_sums(x.data(), n));
  }
}

TEST(RowwiseMeaning, SoftmaxSumsAreThoseOfDoublePrecision) {
  Random random(7);
  for (int n : {1, 3, 16, 1000, 51865}) {
    const std::vector<float> x = logits(random, n);
    const SoftmaxSums got = scalar().softmax_sums(x.data(), n);
    const auto largest = std::max_element(x.begin(), x.end());
    double sum = 0;
    for (float v : x) sum += std::exp(static_cast<double>(v) - static_cast<double>(*largest));
    EXPECT_EQ(got.max, *largest);
    EXPECT_EQ(got.argmax, largest - x.begin());
    // x - max is rounded before exp: an argument a has the error |a| u, and terms with a < -20 do not count.
    EXPECT_NEAR(static_cast<double>(got.sum_exp), sum, sum * 32 * testing::kUnitRoundoff);
  }
}

}  // namespace
}  // namespace shorthand::rowwise
