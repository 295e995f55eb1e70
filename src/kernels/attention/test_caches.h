// SPDX-License-Identifier: Apache-2.0
// Caches for the tests of attention, and their layout written out a second time.
#pragma once

#include <cstring>

#include "base/aligned.h"
#include "kernels/attention/attention.h"

namespace shorthand::attention {

inline size_t size(int n) { return static_cast<size_t>(n); }

inline constexpr int kHeads = 3;
inline constexpr int kWidth = kHeads * kHeadDim;

// Where the header says that things lie.
inline size_t key_at(int head, int capacity, int key, int i) {
  return size(head * capacity * 64 + key / 16 * 1024 + i / 4 * 64 + key % 16 * 4 + i % 4);
}
inline size_t value_at(int head, int capacity, int key, int i) {
  return size(head * capacity * 64 + i / 16 * capacity * 16 + key / 4 * 64 + i % 16 * 4 + key % 4);
}

struct Int8Memory {
  AlignedBuffer<std::byte> bytes;
  Int8Cache cache;
  explicit Int8Memory(int capacity) : bytes(int8_cache_bytes(kHeads, capacity)) {
    std::memset(bytes.data(), 0x5a, bytes.size());
    cache = int8_cache_in(bytes.data(), kHeads, capacity);
  }
};
struct FloatMemory {
  AlignedBuffer<std::byte> bytes;
  FloatCache cache;
  explicit FloatMemory(int capacity) : bytes(float_cache_bytes(kHeads, capacity)) {
    std::memset(bytes.data(), 0x5a, bytes.size());
    cache = float_cache_in(bytes.data(), kHeads, capacity);
  }
};

}  // namespace shorthand::attention
