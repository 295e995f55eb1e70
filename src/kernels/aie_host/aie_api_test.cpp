// SPDX-License-Identifier: Apache-2.0
// The host's AIE API against arithmetic written another way: exact fractions for shift-round-saturate, 64-bit integers
// for products, long doubles for the aligned sums of bfloat16.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "support/arrays.h"

namespace {

using aie::rounding_mode;
using aie::saturation_mode;
using shorthand::testing::Random;

constexpr rounding_mode kRoundings[] = {rounding_mode::floor,           rounding_mode::ceil,
                                        rounding_mode::symmetric_floor, rounding_mode::symmetric_ceil,
                                        rounding_mode::negative_inf,    rounding_mode::positive_inf,
                                        rounding_mode::symmetric_zero,  rounding_mode::symmetric_inf,
                                        rounding_mode::conv_even,       rounding_mode::conv_odd};
constexpr saturation_mode kSaturations[] = {saturation_mode::none, saturation_mode::saturate,
                                            saturation_mode::symmetric};

class AieApi : public ::testing::Test {
 protected:
  void SetUp() override { aie::host::core = {}; }
  void TearDown() override { aie::host::core = {}; }
};

// x / 2^shift to an integer, by comparing with the neighbours in 128 bits. The table of docs/npu.md defines floor, ceil
// and the to-nearest modes by value, but symmetric_floor and symmetric_ceil by which sign is stepped up.
__int128 rounded(int64_t x, int shift, rounding_mode mode) {
  const __int128 unit = __int128{1} << shift, doubled = 2 * static_cast<__int128>(x);
  __int128 low = x / unit;
  if (low * unit > x) --low;
  const __int128 high = low + (low * unit < x);
  if (low == high) return low;
  const __int128 from_middle = doubled - (low + high) * unit;  // its sign says which neighbour is nearer
  const bool negative = x < 0, low_is_even = (low & 1) == 0;
  switch (mode) {
    case rounding_mode::floor: return low;
    case rounding_mode::ceil: return high;
    case rounding_mode::symmetric_floor: return negative ? high : low;
    case rounding_mode::symmetric_ceil: return negative ? low : high;
    default: break;
  }
  if (from_middle != 0) return from_middle < 0 ? low : high;
  switch (mode) {
    case rounding_mode::negative_inf: return low;
    case rounding_mode::positive_inf: return high;
    case rounding_mode::symmetric_zero: return negative ? high : low;
    case rounding_mode::symmetric_inf: return negative ? low : high;
    case rounding_mode::conv_even: return low_is_even ? low : high;
    default: return low_is_even ? high : low;
  }
}

template <class T>
T fitted(__int128 x, saturation_mode mode) {
  const __int128 high = std::numeric_limits<T>::max();
  const __int128 low = mode == saturation_mode::symmetric ? -high : std::numeric_limits<T>::min();
  if (mode == saturation_mode::none) return static_cast<T>(static_cast<uint64_t>(x));
  return static_cast<T>(x < low ? low : x > high ? high : x);
}

template <class T, class Tag, unsigned N>
void expect_srs(const std::vector<int64_t>& numbers, const std::vector<int>& shifts) {
  using A = typename aie::accum<Tag, N>::value_type;
  for (rounding_mode rounding : kRoundings) {
    for (saturation_mode saturation : kSaturations) {
      aie::set_rounding(rounding);
      aie::set_saturation(saturation);
      for (int shift : shifts) {
        for (size_t first = 0; first + N <= numbers.size(); first += N) {
          aie::accum<Tag, N> acc;
          for (unsigned i = 0; i < N; ++i) acc.lane[i] = static_cast<A>(numbers[first + i]);
          const auto got = acc.template to_vector<T>(shift);
          for (unsigned i = 0; i < N; ++i) {
            ASSERT_EQ(got[i], fitted<T>(rounded(acc.lane[i], shift, rounding), saturation))
                << acc.lane[i] << " >> " << shift << ", rounding " << static_cast<int>(rounding) << ", saturation "
                << static_cast<int>(saturation);
          }
        }
      }
    }
  }
}

// Ties and their neighbours around small numbers for every shift tried, the ends of the range, and random ones.
std::vector<int64_t> telling_numbers(Random& random, const std::vector<int>& shifts, int64_t low, int64_t high) {
  std::vector<int64_t> v = {low, low + 1, high, high - 1, 0, 1, -1};
  for (int shift : shifts) {
    for (int64_t k : {-129, -128, -127, -3, -2, -1, 0, 1, 2, 3, 126, 127, 128, 32767, -32768}) {
      for (int64_t off : {-1, 0, 1}) {
        for (int64_t half : {0, 1}) {
          const __int128 x = (static_cast<__int128>(2 * k + half) << shift) / 2 + off;
          if (x >= low && x <= high) v.push_back(static_cast<int64_t>(x));
        }
      }
    }
  }
  for (int i = 0; i < 500; ++i) {
    const auto bits =
        static_cast<int64_t>(random.integers<uint64_t>(1, 0, std::numeric_limits<int>::max())[0] * 4294967311u);
    v.push_back(low + static_cast<int64_t>(static_cast<unsigned __int128>(static_cast<uint64_t>(bits)) %
                                           (static_cast<unsigned __int128>(static_cast<__int128>(high) - low) + 1)));
  }
  while (v.size() % 32) v.push_back(0);
  return v;
}

TEST_F(AieApi, ShiftsRoundsAndSaturatesInEveryMode) {
  Random random(1);
  const std::vector<int> narrow = {0, 1, 2, 5, 8, 15, 24, 31}, wide = {0, 1, 7, 16, 31, 40, 63};
  const auto n32 = telling_numbers(random, narrow, INT32_MIN, INT32_MAX);
  const auto n64 = telling_numbers(random, wide, INT64_MIN, INT64_MAX);
  expect_srs<int8_t, acc32, 32>(n32, narrow);
  expect_srs<int16_t, acc32, 32>(n32, narrow);
  expect_srs<int16_t, acc64, 16>(n64, wide);
  expect_srs<int32_t, acc64, 16>(n64, wide);
}

TEST_F(AieApi, RenamesAcc32AsInt32) {
  aie::set_saturation(saturation_mode::saturate);
  const auto least = aie::broadcast<int32, 16>(INT32_MIN + 1);
  const aie::accum<acc32, 16> acc(least);
  EXPECT_EQ(acc.to_vector<int32>()[7], INT32_MIN + 1);
#ifndef NDEBUG
  EXPECT_DEATH(acc.to_vector<int32>(3), "not shifted");
  EXPECT_DEATH((aie::accum<acc32, 16>(least, 1)), "not shifted");
#endif
}

TEST_F(AieApi, ShiftsVectorsThroughAccumulators) {
  const auto seven = aie::broadcast<int32, 16>(7), large = aie::broadcast<int32, 16>(0x60000000);
  EXPECT_EQ(aie::downshift(seven, 1)[0], 3);
  EXPECT_EQ(aie::upshift(large, 1)[0], static_cast<int32>(0xc0000000));
  aie::set_rounding(rounding_mode::conv_even);
  aie::set_saturation(saturation_mode::saturate);
  EXPECT_EQ(aie::downshift(seven, 1)[0], 4);
  EXPECT_EQ(aie::upshift(large, 1)[0], INT32_MAX);
}

TEST_F(AieApi, WakesWithFloorAndNoSaturation) {
  EXPECT_EQ(aie::get_rounding(), rounding_mode::floor);
  EXPECT_EQ(aie::get_saturation(), saturation_mode::none);
  const aie::accum<acc32, 32> acc(aie::broadcast<int32, 32>(0x17f), 0);
  EXPECT_EQ(acc.to_vector<int8>(1)[5], static_cast<int8_t>(0xbf));  // 191 wraps
}

TEST_F(AieApi, UpshiftsExactlyModuloTheWidth) {
  Random random(2);
  aie::vector<int16, 32> v;
  for (unsigned i = 0; i < 32; ++i) v.set(random.integers<int16_t>(1)[0], i);
  for (int shift : {0, 3, 16, 20}) {
    const aie::accum<acc32, 32> acc(v, shift);
    for (unsigned i = 0; i < 32; ++i) {
      EXPECT_EQ(acc.lane[i], static_cast<int32_t>(static_cast<int64_t>(v[i]) * (int64_t{1} << shift)));
    }
  }
  for (int shift : {-1, 32}) EXPECT_DEATH((aie::accum<acc32, 32>(v, shift)), "does not have");
}

template <unsigned M, unsigned K, unsigned N, class T>
void expect_integer_product(int seed) {
  Random random(static_cast<uint64_t>(seed));
  using P = aie::mmul<M, K, N, T, T, acc32>;
  for (int round = 0; round < 50; ++round) {
    aie::vector<T, M * K> a;
    aie::vector<T, K * N> b;
    aie::vector<int32, M * N> c;
    for (unsigned i = 0; i < M * K; ++i) a.set(random.integers<T>(1)[0], i);
    for (unsigned i = 0; i < K * N; ++i) b.set(random.integers<T>(1)[0], i);
    for (unsigned i = 0; i < M * N; ++i) c.set(random.integers<int32_t>(1)[0], i);  // large: sums wrap now and then
    P p(c);
    p.mac(a, b);
    const auto got = p.template to_vector<int32>();
    for (unsigned m = 0; m < M; ++m) {
      for (unsigned n = 0; n < N; ++n) {
        int64_t sum = c[m * N + n];
        for (unsigned k = 0; k < K; ++k) sum += int64_t{a[m * K + k]} * b[k * N + n];
        ASSERT_EQ(got[m * N + n], static_cast<int32_t>(static_cast<uint64_t>(sum)));
      }
    }
  }
}

TEST_F(AieApi, MultipliesSmallMatricesExactly) {
  expect_integer_product<4, 8, 8, int8_t>(3);
  expect_integer_product<2, 8, 8, int8_t>(4);
  expect_integer_product<8, 8, 8, int8_t>(5);
  expect_integer_product<4, 4, 4, int16_t>(6);
}

// The aligned sum in long double: every term rounded by nearbyint to the grid of the largest, the sum rounded once.
float aligned(const std::vector<double>& terms) {
  int top = -1000;
  for (double t : terms) {
    if (t != 0) top = std::max(top, std::ilogb(t));
  }
  if (top == -1000) return 0;
  long double sum = 0;
  for (double t : terms) sum += std::nearbyint(std::ldexp(static_cast<long double>(t), 23 - top));
  return static_cast<float>(std::ldexp(sum, top - 23));
}

// Numbers of many sizes, so that small terms fall off the grid of large ones.
bfloat16 spread(Random& random) { return bfloat16(std::ldexp(random.uniform(-2, 2), random.integer(-14, 14))); }

TEST_F(AieApi, AddsProductsOfBfloat16AsTheMachineDoes) {
  Random random(7);
  int other_than_in_turn = 0;
  for (int round = 0; round < 3000; ++round) {
    aie::vector<bfloat16, 32> a, b;
    aie::vector<float, 16> c;
    for (unsigned i = 0; i < 32; ++i) a.set(spread(random), i);
    for (unsigned i = 0; i < 32; ++i) b.set(spread(random), i);
    for (unsigned i = 0; i < 16; ++i) c.set(std::ldexp(random.uniform(-2, 2), random.integer(-20, 20)), i);
    aie::mmul<4, 8, 4, bfloat16> p(c), in_turn(c);
    p.mac(a, b);
    aie::host::core.aligned_sums = false;
    in_turn.mac(a, b);
    aie::host::core.aligned_sums = true;
    const auto got = p.to_vector<float>(), plain = in_turn.to_vector<float>();
    for (unsigned m = 0; m < 4; ++m) {
      for (unsigned n = 0; n < 4; ++n) {
        std::vector<double> terms = {c[m * 4 + n]};
        float sum = c[m * 4 + n];
        for (unsigned k = 0; k < 8; ++k) {
          terms.push_back(static_cast<double>(a[m * 8 + k]) * static_cast<double>(b[k * 4 + n]));
          sum += static_cast<float>(terms.back());
        }
        ASSERT_EQ(got[m * 4 + n], aligned(terms));
        ASSERT_EQ(plain[m * 4 + n], sum);
        other_than_in_turn += got[m * 4 + n] != sum;
      }
    }
    const auto lanes = aie::mac(aie::accum<accfloat, 16>(c), a.extract<16>(0), b.extract<16>(1)).to_vector<float>();
    for (unsigned i = 0; i < 16; ++i) {
      ASSERT_EQ(lanes[i], aligned({c[i], static_cast<double>(a[i]) * static_cast<double>(b[16 + i])}));
    }
  }
  EXPECT_GT(other_than_in_turn, 1000);  // the two forms are told apart by this data
}

TEST_F(AieApi, FlushesDenormalNumbers) {
  const auto tiny = aie::broadcast<bfloat16, 16>(bfloat16(1e-30f));
  EXPECT_EQ(aie::mul(tiny, tiny).to_vector<float>()[0], 0.0f);
  const auto least = aie::broadcast<float, 16>(1.5e-38f), more = aie::broadcast<float, 16>(1.2e-38f);
  EXPECT_EQ(aie::sub(least, more)[0], 0.0f);
}

// A float stands between two bfloat16; the reference knows both and their distance.
TEST_F(AieApi, RoundsFloatsToBfloat16InTheModeThatIsSet) {
  Random random(8);
  for (int i = 0; i < 4000; ++i) {
    uint32_t bits = static_cast<uint32_t>(random.integer(0x00800000, 0x7f000000)) | (i % 2 ? 0x80000000u : 0);
    if (i % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;  // a tie
    const float x = std::bit_cast<float>(bits);
    const float near = std::bit_cast<float>(bits & 0xffff0000u),
                far = std::bit_cast<float>((bits & 0xffff0000u) + 0x10000u);
    const bool exact = x == near, tie = (bits & 0xffffu) == 0x8000u, odd = (bits >> 16) & 1;
    const float nearest =
        std::fabs(static_cast<double>(x) - near) < std::fabs(static_cast<double>(x) - far) ? near : far;
    const auto in_mode = [&](rounding_mode mode) {
      aie::set_rounding(mode);
      return static_cast<float>(aie::accum<accfloat, 16>(aie::broadcast<float, 16>(x)).to_vector<bfloat16>()[3]);
    };
    EXPECT_EQ(in_mode(rounding_mode::floor), near);
    EXPECT_EQ(in_mode(rounding_mode::ceil), exact || x < 0 ? near : far);
    EXPECT_EQ(in_mode(rounding_mode::conv_even), exact ? near : tie ? (odd ? far : near) : nearest);
    EXPECT_EQ(in_mode(rounding_mode::conv_odd), exact ? near : tie ? (odd ? near : far) : nearest);
    EXPECT_EQ(in_mode(rounding_mode::symmetric_inf), exact ? near : tie ? far : nearest);
    EXPECT_EQ(in_mode(rounding_mode::symmetric_zero), exact || tie ? near : nearest);
    EXPECT_EQ(in_mode(rounding_mode::positive_inf), exact ? near : tie ? std::max(near, far) : nearest);
    EXPECT_EQ(in_mode(rounding_mode::negative_inf), exact ? near : tie ? std::min(near, far) : nearest);
  }
}

TEST_F(AieApi, WrapsSumsComparesAndChooses) {
  Random random(9);
  aie::vector<int16, 32> a, b;
  for (unsigned i = 0; i < 32; ++i) a.set(random.integers<int16_t>(1)[0], i), b.set(random.integers<int16_t>(1)[0], i);
  const auto sum = aie::add(a, b), difference = aie::sub(a, b), low = aie::min(a, b), high = aie::max(a, b);
  const auto chosen = aie::select(a, b, aie::lt(a, b));
  const auto product = aie::mul<acc32>(a, b), less = aie::msc(product, a, a);
  for (unsigned i = 0; i < 32; ++i) {
    EXPECT_EQ(sum[i], static_cast<int16_t>(a[i] + b[i]));
    EXPECT_EQ(difference[i], static_cast<int16_t>(a[i] - b[i]));
    EXPECT_EQ(low[i], std::min(a[i], b[i]));
    EXPECT_EQ(high[i], std::max(a[i], b[i]));
    EXPECT_EQ(chosen[i], a[i] < b[i] ? b[i] : a[i]);
    EXPECT_EQ(product.lane[i], a[i] * b[i]);
    EXPECT_EQ(less.lane[i], static_cast<int32_t>(int64_t{a[i]} * b[i] - int64_t{a[i]} * a[i]));
    EXPECT_EQ(aie::downshift(a, 3)[i], a[i] >> 3);
    EXPECT_EQ(aie::abs(a)[i], static_cast<int16_t>(std::abs(a[i])));
  }
  int64_t total = 0;
  int16_t most = a[0];
  for (unsigned i = 0; i < 32; ++i) total += a[i], most = std::max(most, a[i]);
  EXPECT_EQ(aie::reduce_add(a), static_cast<int16_t>(total));
  EXPECT_EQ(aie::reduce_max(a), most);
}

TEST_F(AieApi, MovesLanesToTheirPlaces) {
  aie::vector<int16, 32> a, b;
  for (unsigned i = 0; i < 32; ++i) a.set(static_cast<int16_t>(i), i), b.set(static_cast<int16_t>(100 + i), i);
  const auto turned = aie::transpose(a, 4, 8);
  EXPECT_EQ(turned[1], 8);  // row 0 of [8, 4] is column 0 of [4, 8]
  EXPECT_EQ(turned[4], 1);
  EXPECT_EQ(turned[31], 31);
  const auto [first, second] = aie::interleave_zip(a, b, 2);
  EXPECT_EQ(first[1], 1);
  EXPECT_EQ(first[2], 100);
  EXPECT_EQ(first[5], 3);
  EXPECT_EQ(second[0], 16);
  const auto [even, odd] = aie::interleave_unzip(first, second, 2);
  for (unsigned i = 0; i < 32; ++i) EXPECT_TRUE(even[i] == a[i] && odd[i] == b[i]) << i;
  EXPECT_EQ(aie::filter_odd(a, 4)[5], 13);
  EXPECT_EQ(aie::shuffle_down(a, 5)[3], 8);
  EXPECT_EQ(aie::shuffle_up(a, 5)[9], 4);
  EXPECT_EQ(aie::shuffle_down_rotate(a, 30)[4], 2);
  EXPECT_EQ(aie::reverse(a)[0], 31);
  EXPECT_EQ(aie::concat(a, b)[40], 108);
  EXPECT_EQ(a.cast_to<int32>()[1], 2 | 3 << 16);
}

#ifndef NDEBUG
TEST_F(AieApi, RefusesAnAddressTheCoreCouldNotLoadFrom) {
  alignas(64) static int8_t bytes[128];
  EXPECT_DEATH(aie::load_v<32>(bytes + 16), "misaligned");
  EXPECT_DEATH(aie::store_v(bytes + 8, aie::zeros<int8, 64>()), "misaligned");
  EXPECT_EQ(aie::load_v<16>(bytes + 16)[0], 0);  // 16 bytes need no more than 16
}
#endif

}  // namespace
