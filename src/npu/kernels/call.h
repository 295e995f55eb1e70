// SPDX-License-Identifier: Apache-2.0
// For tests: a kernel called by its name, on buffers that stand as a core's do and tell what was written outside them.
#pragma once

#include <gtest/gtest.h>

#include <aie_api/types.hpp>
#include <algorithm>
#include <initializer_list>
#include <span>
#include <vector>

#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu::testing {

// Elements on a 32-byte boundary between two patterns of 64 bytes.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t n, T fill = {}) : size_(n) {
    prepare();
    std::fill_n(data(), n, fill);
  }
  explicit Buffer(const std::vector<T>& v) : size_(v.size()) {
    prepare();
    std::copy(v.begin(), v.end(), data());
  }

  T* data() { return reinterpret_cast<T*>(bytes_.data() + start()); }
  std::byte* bytes() { return bytes_.data() + start(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data()[i]; }
  std::span<const T> span() { return {data(), size_}; }
  std::vector<T> values() { return std::vector<T>(data(), data() + size_); }
  bool untouched() {
    const size_t end = start() + size_ * sizeof(T);
    for (size_t i = 0; i < bytes_.size(); ++i) {
      if ((i < start() || i >= end) && bytes_[i] != kPattern) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr std::byte kPattern{0xc3};
  // 32 bytes past a boundary of 64, so that no more alignment is granted than a core has.
  size_t start() const { return kGuard + (96 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64) % 64; }

  [[gnu::noinline]] void prepare() { bytes_.assign(size_ * sizeof(T) + 3 * kGuard, kPattern); }

  size_t size_;
  std::vector<std::byte> bytes_;
};

inline void call(std::string_view name, std::initializer_list<std::byte*> buffers,
                 std::initializer_list<int32_t> numbers = {}) {
  const KernelType* kernel = find_aie_kernel(name);
  ASSERT_NE(kernel, nullptr) << name;
  aie::host::core = {};  // as a core wakes: rounding down, without saturation
  kernel->run({std::span<std::byte* const>(buffers.begin(), buffers.size()),
               std::span<const int32_t>(numbers.begin(), numbers.size())});
}

}  // namespace shorthand::npu::testing
