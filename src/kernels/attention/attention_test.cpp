// SPDX-License-Identifier: Apache-2.0
// int8: every combination of variants against scalar, bit for bit; scalar against the formulas of attention.h in double
// precision. float: every combination against double precision.
#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/attention/test_caches.h"
#include "kernels/attention/variants.h"
#include "kernels/gemm_i8/variants.h"
#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::attention {
namespace {

using testing::GuardedRows;
using testing::kUnitRoundoff;
using testing::Random;
using testing::same_bits;

// Queries, keys and values [.., kWidth]. With `sharp` around 1 weights are spread; at 4 one key wins.
struct Data {
  int rows, keys, capacity;
  bool causal;
  std::vector<float> q, k, v;
  Data(Random& random, int r, int n, bool c, float sharp = 1.0f)
      : rows(r),
        keys(n),
        capacity(static_cast<int>(round_up(size(n), kKeyAlign)) + kKeyAlign),
        causal(c),
        q(random.floats(size(rows * kWidth), sharp)),
        k(random.floats(size(keys * kWidth))),
        v(random.floats(size(keys * kWidth), 2.0f)) {}
  int visible(int row) const { return causal ? keys - (rows - 1 - row) : keys; }
};

// The keys of `d`, behind them what an earlier sequence left: it must not matter.
void fill(const Int8Memory& memory, const Data& d, Random& random) {
  const rowwise::Variant& scalar = rowwise::variants().front();
  const std::vector<float> stale = random.floats(size(d.capacity * kWidth), 100.0f);
  store(scalar, memory.cache, 0, stale.data(), kWidth, stale.data(), kWidth, d.capacity);
  store(scalar, memory.cache, 0, d.k.data(), kWidth, d.v.data(), kWidth, d.keys);
}

template <class Kernels, class Cache>
std::vector<float> attended(const Kernels& kernels, const Cache& cache, const Data& d, Scratch& scratch) {
  GuardedRows<float> out(d.rows, kWidth, kWidth + 3, 1);
  for (int h = 0; h < kHeads; ++h) {
    attend(kernels, cache, h,
           {d.q.data() + h * kHeadDim, kWidth, out.data() + h * kHeadDim, out.stride(), d.rows, d.keys, d.causal},
           scratch);
  }
  EXPECT_TRUE(out.untouched());
  return out.values();
}

const Int8Kernels kScalar = {&gemm_i8::variants().front(), &rowwise::variants().front(), &variants().front()};

// ---- every combination of variants, named product_rowwise_weigh

struct Combination {
  std::string name;
  gemm_i8::Variant product;
  rowwise::Variant rowwise;
  Variant weigh;
  Int8Kernels kernels() const { return {&product, &rowwise, &weigh}; }
};
void PrintTo(const Combination& c, std::ostream* os) { *os << c.name; }

std::vector<Combination> combinations() {
  std::vector<std::pair<std::string, gemm_i8::Variant>> products;
  for (const auto& p : gemm_i8::variants()) products.push_back({std::string(isa_name(p.isa)), p});
  products.push_back(
      {"avxvnni_emulated", {Isa::avx2, 12, 4, gemm_i8::tile_avxvnni_emulated, gemm_i8::epilogue_scalar}});
  products.push_back({"amx_emulated",
                      {Isa::scalar, gemm_i8::kAmxTileRows, gemm_i8::kAmxTilePanels, gemm_i8::tile_amx_emulated,
                       gemm_i8::epilogue_scalar}});
  std::vector<Combination> all;
  for (const auto& [name, product] : products) {
    for (const auto& r : rowwise::variants()) {
      for (const auto& w : variants())
        all.push_back({name + "_" + std::string(isa_name(r.isa)) + "_" + std::string(isa_name(w.isa)), product, r, w});
    }
  }
  return all;
}

class Int8Test : public ::testing::TestWithParam<Combination> {
 protected:
  void SetUp() override {  // each of them: AVX-512 does not imply the VEX-coded dot product
    SHORTHAND_NEEDS_ISA(GetParam().product.isa);
    SHORTHAND_NEEDS_ISA(GetParam().rowwise.isa);
    SHORTHAND_NEEDS_ISA(GetParam().weigh.isa);
  }
  Scratch scratch_;
};

TEST_P(Int8Test, EqualsScalar) {
  Random random(1);
  for (const auto& [rows, keys, causal] : {std::tuple{1, 1, false},
                                           {1, 37, false},
                                           {2, 2, true},
                                           {17, 40, true},
                                           {33, 64, false},
                                           {34, 100, true},
                                           {70, 131, false},
                                           {70, 300, true}}) {  // of the second block some rows see nothing
    for (float sharp : {0.3f, 2.0f}) {
      const Data d(random, rows, keys, causal, sharp);
      const Int8Memory memory(d.capacity);
      fill(memory, d, random);
      ASSERT_TRUE(same_bits(attended(GetParam().kernels(), memory.cache, d, scratch_),
                            attended(kScalar, memory.cache, d, scratch_)))
          << rows << " rows, " << keys << " keys";
    }
  }
}

// The largest sums there are: 2,048 keys, all weights 255, all values 127.
TEST_P(Int8Test, DoesNotOverflow) {
  Random random(2);
  Data d(random, 2, kMaxKeys, false);
  d.capacity = kMaxKeys;
  const Int8Memory memory(d.capacity);
  std::fill(d.k.begin(), d.k.end(), 0.0f);
  for (float value : {3.0f, -3.0f}) {
    std::fill(d.v.begin(), d.v.end(), value);
    store(*GetParam().kernels().rowwise, memory.cache, 0, d.k.data(), kWidth, d.v.data(), kWidth, d.keys);
    for (float got : attended(GetParam().kernels(), memory.cache, d, scratch_)) ASSERT_NEAR(got, value, 3e-6f);
  }
}

INSTANTIATE_TEST_SUITE_P(Combinations, Int8Test, ::testing::ValuesIn(combinations()),
                         [](const auto& test) { return test.param.name; });

// ---- one product, whatever the rest: the rows of a call

class Int8RowsTest : public ::testing::TestWithParam<gemm_i8::Variant> {
 protected:
  void SetUp() override { SHORTHAND_NEEDS_ISA(GetParam().isa); }
  Int8Kernels kernels() { return {&GetParam(), &rowwise::choose(GetParam().isa), &choose(GetParam().isa)}; }
  Scratch scratch_;
};

// Blocks of rows, and what a causal row may see, leave no trace: each row alone gives the same bits.
TEST_P(Int8RowsTest, RowsDoNotSeeEachOther) {
  Random random(3);
  for (const auto& [rows, causal] : {std::pair{1, true}, {7, true}, {24, true}, {33, true}, {70, true}, {65, false}}) {
    const Data d(random, rows, 75, causal);
    const Int8Memory memory(d.capacity);
    fill(memory, d, random);
    const std::vector<float> together = attended(kernels(), memory.cache, d, scratch_);
    for (int r = 0; r < rows; ++r) {
      Data one = d;
      one.rows = 1, one.keys = d.visible(r), one.causal = r % 2 != 0;  // one row: causal or not is the same
      one.q.assign(d.q.begin() + r * kWidth, d.q.begin() + (r + 1) * kWidth);
      ASSERT_TRUE(same_bits(attended(kernels(), memory.cache, one, scratch_),
                            std::vector<float>(together.begin() + r * kWidth, together.begin() + (r + 1) * kWidth)))
          << "row " << r << " of " << rows;
    }
  }
}

TEST_P(Int8RowsTest, TheResultMayTakeThePlaceOfTheQueries) {
  Random random(4);
  Data d(random, 50, 90, true);
  const Int8Memory memory(d.capacity);
  fill(memory, d, random);
  const std::vector<float> apart = attended(kernels(), memory.cache, d, scratch_);
  for (int h = 0; h < kHeads; ++h) {
    float* here = d.q.data() + h * kHeadDim;
    attend(kernels(), memory.cache, h, {here, kWidth, here, kWidth, d.rows, d.keys, d.causal}, scratch_);
  }
  EXPECT_TRUE(same_bits(d.q, apart));
}
INSTANTIATE_TEST_SUITE_P(Products, Int8RowsTest,
                         ::testing::ValuesIn(gemm_i8::variants().begin(), gemm_i8::variants().end()),
                         testing::variant_name());

// ---- the weights alone

class WeighTest : public ::testing::TestWithParam<Variant> {};

// What lies behind the visible keys in the cache is another sequence's, and may be anything.
TEST_P(WeighTest, Int8EqualsScalar) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  Random random(5);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int keys = -40; keys <= kBlockKeys; ++keys) {
    const int padded = static_cast<int>(round_up(size(std::max(keys, 1)), kKeyAlign));
    const std::vector<int32_t> sums = random.integers<int32_t>(size(padded), -1000000, 1000000);
    const std::vector<int32_t> key_bias = random.integers<int32_t>(size(padded), -1000000, 1000000);
    std::vector<float> key_scales(size(padded), nan), value_scales(size(padded), nan);
    for (int j = 0; j < keys; ++j) {
      key_scales[size(j)] = random.uniform(0.0f, 1e-5f);
      value_scales[size(j)] = random.integer(0, 5) ? random.uniform(0.0f, 3.0f) : 0.0f;
    }
    const float odd = keys % 7 == 3 ? nan : keys % 7 == 5 ? std::numeric_limits<float>::infinity() : 0.0f;
    if (odd != 0.0f && keys > 0) (keys % 2 ? key_scales : value_scales)[size(keys / 2)] = odd;
    for (float tiny : {1.0f, 1e-38f, 0.0f}) {  // at 1e-38 the levels overflow; at 0 there are none
      for (int j = 0; j < keys; ++j) value_scales[size(j)] *= tiny;
      for (float query_scale : {1.0f, 30.0f, 0.0f}) {
        // No blocks before; blocks whose keys weigh less or more.
        for (float largest : {-std::numeric_limits<float>::infinity(), random.uniform(-20.0f, 0.0f), 1e4f}) {
          RowState state = RowState::none(), want_state = state;
          if (keys != 1) state.largest = want_state.largest = largest;
          for (int i = 0; i < 16; ++i) state.total[i] = want_state.total[i] = random.uniform(0.0f, 5.0f);
          GuardedRows<uint8_t> weights(1, padded, size(padded));
          std::vector<uint8_t> want_weights(size(padded));
          std::vector<int32_t> other_spent = sums;
          GuardedRows<int32_t> spent(1, padded, size(padded));
          spent.assign(sums);
          BlockFactors got, want;
          WeighInt8 in{spent.data(), key_bias.data(), key_scales.data(), value_scales.data(), &query_scale, &keys, 1,
                       padded};
          GetParam().weigh_int8(in, &state, weights.data(), &got);
          in.sums = other_spent.data();
          weigh_int8_scalar(in, &want_state, want_weights.data(), &want);
          ASSERT_TRUE(same_bits(std::vector{got.keep, got.add}, std::vector{want.keep, want.add})) << keys << " keys";
          ASSERT_TRUE(same_bits(weights.values(), want_weights)) << keys << " keys";
          ASSERT_TRUE(same_bits(std::vector(state.total, state.total + 16),
                                std::vector(want_state.total, want_state.total + 16)))
              << keys << " keys";
          ASSERT_TRUE(same_bits(std::vector{state.largest}, std::vector{want_state.largest})) << keys << " keys";
          ASSERT_TRUE(weights.untouched() && spent.untouched()) << keys << " keys";
        }
      }
    }
  }
}

TEST_P(WeighTest, FloatIsTheSoftmaxOfDoublePrecision) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  Random random(6);
  for (int keys : {1, 5, 16, 17, 63, 64, 65, 100, 1500, 2048}) {
    const int padded = static_cast<int>(round_up(size(keys), kKeyAlign));
    const std::vector<float> before = random.floats(size(padded), 20.0f);
    GuardedRows<float> scores(1, padded, size(padded));
    scores.assign(before);
    const double scale = static_cast<double>(GetParam().weigh_float(scores.data(), keys, padded));
    ASSERT_TRUE(scores.untouched());
    const double m = static_cast<double>(*std::max_element(before.begin(), before.begin() + keys));
    double total = 0;
    for (int j = 0; j < keys; ++j) total += std::exp((static_cast<double>(before[size(j)]) - m) / 8);
    for (int j = 0; j < padded; ++j) {
      const double want = j < keys ? std::exp((static_cast<double>(before[size(j)]) - m) / 8) / total : 0;
      ASSERT_NEAR(static_cast<double>(scores.data()[j]) * scale, want, want * 150 * kUnitRoundoff + std::exp(-87.0))
          << "key " << j << " of " << keys;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Variants, WeighTest, ::testing::ValuesIn(variants().begin(), variants().end()),
                         testing::variant_name());

// ---- the meaning

// softmax attention in double precision for one row and head of queries, keys and values [.., 64] given by functions;
// also sum_j w_j |v_j| for every component and the largest |score|, which error bounds want.
struct Exact {
  std::vector<double> out, spread;
  double largest_score = 0;
  std::vector<double> weights;  // before the sum is divided out, times value_scale(j)
  double total = 0;
};
template <class Q, class K, class V, class S>
Exact exact(int keys, Q q, K k, V v, S value_scale) {
  std::vector<double> x(size(keys));
  Exact e{std::vector<double>(kHeadDim), std::vector<double>(kHeadDim), 0, {}, 0};
  double m = -std::numeric_limits<double>::infinity();
  for (int j = 0; j < keys; ++j) {
    for (int i = 0; i < kHeadDim; ++i) x[size(j)] += q(i) * k(j, i) / 8;
    m = std::max(m, x[size(j)]);
    e.largest_score = std::max(e.largest_score, std::fabs(x[size(j)]));
  }
  for (double& score : x) e.total += score = std::exp(score - m);
  for (int j = 0; j < keys; ++j) {
    e.weights.push_back(x[size(j)] * value_scale(j));
    for (int i = 0; i < kHeadDim; ++i) {
      e.out[size(i)] += x[size(j)] / e.total * v(j, i);
      e.spread[size(i)] += x[size(j)] / e.total * std::fabs(v(j, i));
    }
  }
  return e;
}

// Against exact attention over what the integers stand for. Rounding a weight to 8 bits costs half a level of its block
// a key, and its power of two 7.5e-5 of it, in the numerator and in the sum; the rest is float: a score of magnitude x
// enters with an error of a few x u.
TEST(AttentionMeaning, Int8IsAttentionOverTheDequantisedValues) {
  Random random(7);
  Scratch scratch;
  for (const auto& [rows, keys, causal, sharp] : {std::tuple{1, 1, false, 1.0f},
                                                  {9, 9, true, 1.0f},
                                                  {5, 200, false, 0.2f},
                                                  {5, 200, false, 4.0f},
                                                  {20, 1500, false, 1.0f}}) {
    const Data d(random, rows, keys, causal, sharp);
    const Int8Memory memory(d.capacity);
    fill(memory, d, random);
    const std::vector<float> got = attended(kScalar, memory.cache, d, scratch);
    const Int8Cache& c = memory.cache;
    std::vector<double> want;
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < kHeads; ++h) {
        uint8_t q[kHeadDim];
        float q_scale = 0;
        kScalar.rowwise->quantise(d.q.data() + r * kWidth + h * kHeadDim, 0, 1, kHeadDim, kHeadDim,
                                  {q, 0, &q_scale, 0});
        const auto scale_of = [&](const float* scales, int j) {
          return static_cast<double>(scales[h * c.capacity + j]);
        };
        const Exact e = exact(
            d.visible(r), [&](int i) { return (q[i] - 128) * static_cast<double>(q_scale); },
            [&](int j, int i) { return c.keys[key_at(h, c.capacity, j, i)] * scale_of(c.key_scales, j); },
            [&](int j, int i) { return c.values[value_at(h, c.capacity, j, i)] * scale_of(c.value_scales, j); },
            [&](int j) { return scale_of(c.value_scales, j); });
        for (int i = 0; i < kHeadDim; ++i) {
          double half_levels = 0;
          for (int j = 0; j < d.visible(r); ++j) {
            const auto block = e.weights.begin() + j / kBlockKeys * kBlockKeys;
            const auto end = e.weights.end() - block > kBlockKeys ? block + kBlockKeys : e.weights.end();
            half_levels += 0.5 * std::abs(c.values[value_at(h, c.capacity, j, i)]) * *std::max_element(block, end);
          }
          const double bound = half_levels / 255 / e.total +
                               (2 * 7.5e-5 + (10 * e.largest_score + 30) * kUnitRoundoff) * e.spread[size(i)];
          const double off = std::fabs(static_cast<double>(got[size(r * kWidth + h * kHeadDim + i)]) - e.out[size(i)]);
          ASSERT_LE(off, 1.01 * bound) << "row " << r << ", head " << h << ", component " << i << " of " << keys
                                       << " keys";
          want.push_back(e.out[size(i)]);
        }
      }
    }
    EXPECT_GT(testing::snr_db(got, want), 30) << keys << " keys";
  }
}

// Against attention over the values before they were quantised: 8 bits with outliers ten times the deviation.
TEST(AttentionMeaning, Int8IsNearTheUnquantisedAttention) {
  Random random(8);
  Scratch scratch;
  const Data d(random, 20, 600, false, 0.5f);
  const Int8Memory memory(d.capacity);
  fill(memory, d, random);
  const std::vector<float> got = attended(kScalar, memory.cache, d, scratch);
  std::vector<double> want;
  for (int r = 0; r < d.rows; ++r) {
    for (int h = 0; h < kHeads; ++h) {
      const auto at = [&](const std::vector<float>& x, int row, int i) {
        return static_cast<double>(x[size(row * kWidth + h * kHeadDim + i)]);
      };
      const Exact e = exact(
          d.keys, [&](int i) { return at(d.q, r, i); }, [&](int j, int i) { return at(d.k, j, i); },
          [&](int j, int i) { return at(d.v, j, i); }, [](int) { return 1.0; });
      want.insert(want.end(), e.out.begin(), e.out.end());
    }
  }
  EXPECT_GT(testing::snr_db(got, want), 20);
}

TEST(AttentionMeaning, ZerosStayHarmless) {
  Random random(9);
  Scratch scratch;
  Data d(random, 4, 70, false);
  std::fill_n(d.q.begin(), kWidth, 0.0f);  // every key weighs the same
  for (int j = 0; j < d.keys; j += 3) std::fill_n(d.k.begin() + j * kWidth, kWidth, 0.0f);
  for (int j = 0; j < d.keys; ++j) std::fill_n(d.v.begin() + j * kWidth, kHeadDim, 0.0f);  // head 0 has no values
  const Int8Memory memory(d.capacity);
  fill(memory, d, random);
  const std::vector<float> got = attended(kScalar, memory.cache, d, scratch);
  for (int r = 0; r < d.rows; ++r) {
    for (int i = 0; i < kHeadDim; ++i) EXPECT_EQ(got[size(r * kWidth + i)], 0.0f);
  }
  for (int i = kHeadDim; i < kWidth; ++i) {
    double mean = 0;
    for (int j = 0; j < d.keys; ++j) mean += static_cast<double>(d.v[size(j * kWidth + i)]) / d.keys;
    EXPECT_NEAR(static_cast<double>(got[size(i)]), mean, 0.05);
  }
}

// ---- float

class FloatTest : public ::testing::TestWithParam<std::tuple<gemm_f32::Variant, Variant>> {};

TEST_P(FloatTest, IsAttentionInDoublePrecision) {
  const auto& [product, weigh] = GetParam();
  SHORTHAND_NEEDS_ISA(product.isa);
  SHORTHAND_NEEDS_ISA(weigh.isa);
  Random random(10);
  Scratch scratch;
  for (const auto& [rows, keys, causal, sharp] :
       {std::tuple{1, 1, false, 1.0f}, {9, 9, true, 1.0f}, {40, 70, true, 2.0f}, {3, 500, false, 0.3f}}) {
    const Data d(random, rows, keys, causal, sharp);
    const FloatMemory memory(d.capacity);
    const std::vector<float> stale = random.floats(size(d.capacity * kWidth), 100.0f);
    store(memory.cache, 0, stale.data(), kWidth, stale.data(), kWidth, d.capacity);
    store(memory.cache, 0, d.k.data(), kWidth, d.v.data(), kWidth, d.keys);
    const std::vector<float> got = attended(FloatKernels{&product, &weigh}, memory.cache, d, scratch);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < kHeads; ++h) {
        const auto at = [&](const std::vector<float>& x, int row, int i) {
          return static_cast<double>(x[size(row * kWidth + h * kHeadDim + i)]);
        };
        double magnitude = 0;  // of the largest score, were no term to cancel
        for (int j = 0; j < d.visible(r); ++j) {
          double sum = 0;
          for (int i = 0; i < kHeadDim; ++i) sum += std::fabs(at(d.q, r, i) * at(d.k, j, i));
          magnitude = std::max(magnitude, sum / 8);
        }
        const Exact e = exact(
            d.visible(r), [&](int i) { return at(d.q, r, i); }, [&](int j, int i) { return at(d.k, j, i); },
            [&](int j, int i) { return at(d.v, j, i); }, [](int) { return 1.0; });
        for (int i = 0; i < kHeadDim; ++i) {
          const double bound = (2 * 66 * magnitude + keys + 30) * kUnitRoundoff * e.spread[size(i)];
          ASSERT_NEAR(static_cast<double>(got[size(r * kWidth + h * kHeadDim + i)]), e.out[size(i)], bound)
              << "row " << r << ", head " << h << " of " << keys << " keys";
        }
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Combinations, FloatTest,
                         ::testing::Combine(::testing::ValuesIn(gemm_f32::variants().begin(),
                                                                gemm_f32::variants().end()),
                                            ::testing::ValuesIn(variants().begin(), variants().end())),
                         [](const auto& test) {
                           return std::string(isa_name(std::get<0>(test.param).isa)) + "_" +
                                  std::string(isa_name(std::get<1>(test.param).isa));
                         });

}  // namespace
}  // namespace shorthand::attention
