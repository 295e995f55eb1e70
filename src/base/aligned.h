// SPDX-License-Identifier: Apache-2.0
// AlignedBuffer: zeroed memory on a cache-line boundary, sized once; in huge pages where it is large.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace shorthand {

inline constexpr size_t kAlignment = 64;  // a cache line, a ZMM register, a row of an AMX tile

constexpr size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr size_t div_up(size_t n, size_t by) { return (n + by - 1) / by; }

// Zeroed memory, `bytes` > 0; free_zeroed() takes it back with the same size. Where it is large it costs nothing until
// it is written. Throws std::bad_alloc.
void* allocate_zeroed(size_t bytes);
void free_zeroed(void* p, size_t bytes);

template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc, as new does: callers bound `size` by what they have checked against a file or an option.
  explicit AlignedBuffer(size_t size) : size_(size) {
    if (size == 0) return;
    data_ = {static_cast<T*>(allocate_zeroed(size * sizeof(T))), Free{size * sizeof(T)}};
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_.get(), size_}; }
  std::span<const T> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    size_t bytes = 0;
    void operator()(T* p) const { free_zeroed(p, bytes); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t size_ = 0;
};

}  // namespace shorthand
