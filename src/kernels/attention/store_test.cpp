// SPDX-License-Identifier: Apache-2.0
// The caches of attention, byte by byte against their layout.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/attention/test_caches.h"
#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::attention {
namespace {

using testing::GuardedRows;
using testing::Random;

class StoreTest : public ::testing::TestWithParam<rowwise::Variant> {};

// Whole or in pieces, at any key: the same bytes in their places, and not one other byte of the cache.
TEST_P(StoreTest, PutsEveryByteInItsPlace) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  Random random(11);
  constexpr int kCapacity = 128;
  for (int i = 0; i < 60; ++i) {
    const int first = i < 20 ? i : random.integer(0, 70), rows = random.integer(1, 57);
    const size_t stride = kWidth + size(i % 3);
    GuardedRows<float> k(rows, kWidth, stride, size(i % 5)), v(rows, kWidth, stride, 1);
    k.assign(random.floats(size(rows * kWidth)));
    v.assign(random.floats(size(rows * kWidth)));
    if (i % 4 == 0) std::fill_n(k.row(0), kHeadDim, 0.0f), std::fill_n(v.row(rows - 1), kHeadDim, 0.0f);
    Int8Memory got(kCapacity), pieces(kCapacity), want(kCapacity);
    store(GetParam(), got.cache, first, k.data(), k.stride(), v.data(), v.stride(), rows);
    for (int r = 0; r < rows;) {
      const int count = std::min(random.integer(1, 7), rows - r);
      store(GetParam(), pieces.cache, first + r, k.row(r), k.stride(), v.row(r), v.stride(), count);
      r += count;
    }
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < kHeads; ++h) {
        uint8_t bytes[kHeadDim];
        const int key = first + r;
        const size_t at = size(h * kCapacity + key);
        const auto quantise = [&](const float* x, float* scale) {
          rowwise::variants().front().quantise(x + h * kHeadDim, 0, 1, kHeadDim, kHeadDim, {bytes, 0, scale, 0});
        };
        quantise(k.row(r), want.cache.key_scales + at);
        want.cache.key_bias[at] = 0;
        for (int j = 0; j < kHeadDim; ++j) {
          want.cache.keys[key_at(h, kCapacity, key, j)] = static_cast<int8_t>(bytes[j] - 128);
          want.cache.key_bias[at] += 128 * (bytes[j] - 128);
        }
        quantise(v.row(r), want.cache.value_scales + at);
        for (int j = 0; j < kHeadDim; ++j)
          want.cache.values[value_at(h, kCapacity, key, j)] = static_cast<int8_t>(bytes[j] - 128);
      }
    }
    const auto same = [&](const Int8Memory& m) {
      return std::memcmp(m.bytes.data(), want.bytes.data(), want.bytes.size()) == 0;
    };
    ASSERT_TRUE(same(got)) << rows << " rows from " << first;
    ASSERT_TRUE(same(pieces)) << rows << " rows from " << first << ", in pieces";
  }
}
INSTANTIATE_TEST_SUITE_P(Variants, StoreTest,
                         ::testing::ValuesIn(rowwise::variants().begin(), rowwise::variants().end()),
                         testing::variant_name());

TEST(StoreMeaning, FloatStorePutsEveryFloatInItsPlace) {
  Random random(12);
  constexpr int kCapacity = 64;
  for (const auto& [first, rows] : {std::pair{0, 64}, {5, 1}, {17, 30}}) {
    const std::vector<float> k = random.floats(size(rows * kWidth)), v = random.floats(size(rows * kWidth));
    FloatMemory got(kCapacity), want(kCapacity);
    store(got.cache, first, k.data(), kWidth, v.data(), kWidth, rows);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < kWidth; ++i) {
        const int h = i / 64, in_head = i % 64, key = first + r;
        want.cache.keys[size(h * kCapacity * 64 + key / 16 * 1024 + in_head * 16 + key % 16)] = k[size(r * kWidth + i)];
        want.cache.values[size(h * kCapacity * 64 + in_head / 16 * kCapacity * 16 + key * 16 + in_head % 16)] =
            v[size(r * kWidth + i)];
      }
    }
    EXPECT_EQ(std::memcmp(got.bytes.data(), want.bytes.data(), want.bytes.size()), 0);
  }
}

// Arrays lie behind each other on 64-byte boundaries and end where the cache ends.
TEST(StoreMeaning, CachesFillTheirMemory) {
  for (int capacity : {64, 192, 1536, 2048}) {
    AlignedBuffer<std::byte> bytes(int8_cache_bytes(kHeads, capacity));
    const Int8Cache c = int8_cache_in(bytes.data(), kHeads, capacity);
    const auto end = reinterpret_cast<std::byte*>(c.value_scales + kHeads * capacity);
    EXPECT_LE(end, bytes.data() + bytes.size());
    for (const void* p :
         {static_cast<const void*>(c.keys), static_cast<const void*>(c.values), static_cast<const void*>(c.key_scales),
          static_cast<const void*>(c.key_bias), static_cast<const void*>(c.value_scales)}) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % kAlignment, 0u);
    }
    EXPECT_GE(int8_cache_bytes(kHeads, capacity), size(kHeads * capacity) * (2 * kHeadDim + 12));
    EXPECT_GE(float_cache_bytes(kHeads, capacity), size(kHeads * capacity) * 2 * kHeadDim * sizeof(float));
  }
}

}  // namespace
}  // namespace shorthand::attention
