// SPDX-License-Identifier: Apache-2.0
// Vectors, masks, and their way to memory and back.
#pragma once

#include <cassert>
#include <cstring>

#include "types.hpp"

namespace aie {

template <class T, unsigned N>
class vector {
  static_assert(std::has_single_bit(N) && N * sizeof(T) >= 16 && N * sizeof(T) <= 256, "128 to 2048 bits");

 public:
  using value_type = T;
  static constexpr unsigned size() { return N; }
  static constexpr unsigned bits() { return N * sizeof(T) * 8; }

  vector() = default;

  T operator[](unsigned i) const { return lane[i]; }
  T get(unsigned i) const { return lane[i]; }
  void set(T value, unsigned i) { lane[i] = value; }

  template <unsigned M>
  vector<T, M> extract(unsigned part) const {
    vector<T, M> v;
    std::memcpy(v.lane, lane + part * M, sizeof v.lane);
    return v;
  }
  template <unsigned M>
  vector& insert(unsigned part, const vector<T, M>& v) {
    std::memcpy(lane + part * M, v.lane, sizeof v.lane);
    return *this;
  }
  // A wider vector that holds this one; what else it holds is not defined, and here is a pattern.
  template <unsigned M>
  vector<T, M> grow(unsigned part = 0) const {
    vector<T, M> v;
    std::memset(v.lane, 0x5a, sizeof v.lane);
    return v.insert(part, *this);
  }
  // The same bits.
  template <class U>
  vector<U, N * sizeof(T) / sizeof(U)> cast_to() const {
    vector<U, N * sizeof(T) / sizeof(U)> v;
    std::memcpy(v.lane, lane, sizeof lane);
    return v;
  }
  // Integers of twice the width.
  auto unpack() const {
    using Wide = std::conditional_t<std::is_same_v<T, int8_t>, int16_t, int32_t>;
    static_assert(std::is_same_v<T, int8_t> || std::is_same_v<T, int16_t>);
    vector<Wide, N> v;
    for (unsigned i = 0; i < N; ++i) v.lane[i] = lane[i];
    return v;
  }

  // Host only: kernels use the members above.
  alignas(N * sizeof(T) < 32 ? N * sizeof(T) : 32) T lane[N];
};

// One truth a lane.
template <unsigned N>
class mask {
 public:
  static constexpr unsigned size() { return N; }
  bool test(unsigned i) const { return lane[i] != 0; }
  unsigned count() const {
    unsigned n = 0;
    for (unsigned i = 0; i < N; ++i) n += lane[i];
    return n;
  }
  bool empty() const { return count() == 0; }
  bool full() const { return count() == N; }

  mask operator&(const mask& b) const {
    return join(b, [](uint8_t x, uint8_t y) { return x & y; });
  }
  mask operator|(const mask& b) const {
    return join(b, [](uint8_t x, uint8_t y) { return x | y; });
  }
  mask operator~() const {
    return join(*this, [](uint8_t x, uint8_t) { return x ^ 1; });
  }

  uint8_t lane[N];  // host only; 0 or 1

 private:
  template <class F>
  mask join(const mask& b, F f) const {
    mask m;
    for (unsigned i = 0; i < N; ++i) m.lane[i] = static_cast<uint8_t>(f(lane[i], b.lane[i]));
    return m;
  }
};

namespace detail {
// The core's memory ports move 32 bytes: a vector as wide or wider stands on such a boundary, a narrower one on its
// own.
template <unsigned N, class T>
SHORTHAND_AIE_INLINE void assert_aligned(const T* p) {
  constexpr size_t bytes = N * sizeof(T);
  assert(reinterpret_cast<uintptr_t>(p) % (bytes < 32 ? bytes : 32) == 0 && "load_v, store_v: misaligned address");
  (void)p;
}
}  // namespace detail

template <unsigned N, class T>
SHORTHAND_AIE_INLINE auto load_v(const T* p) {
  detail::assert_aligned<N>(p);
  vector<T, N> v;
  std::memcpy(v.lane, p, sizeof v.lane);
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE void store_v(T* p, const vector<T, N>& v) {
  detail::assert_aligned<N>(p);
  std::memcpy(p, v.lane, sizeof v.lane);
}
// `align` elements are what the caller knows about the address.
template <unsigned N, class T>
SHORTHAND_AIE_INLINE auto load_unaligned_v(const T* p, unsigned align = 1) {
  assert(reinterpret_cast<uintptr_t>(p) % (align * sizeof(T)) == 0);
  (void)align;
  vector<T, N> v;
  std::memcpy(v.lane, p, sizeof v.lane);
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE void store_unaligned_v(T* p, const vector<T, N>& v, unsigned align = 1) {
  assert(reinterpret_cast<uintptr_t>(p) % (align * sizeof(T)) == 0);
  (void)align;
  std::memcpy(p, v.lane, sizeof v.lane);
}

template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> broadcast(T x) {
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.lane[i] = x;
  return v;
}
template <class T, unsigned N, class... More>
SHORTHAND_AIE_INLINE auto concat(const vector<T, N>& first, const More&... more) {
  vector<T, N*(1 + sizeof...(more))> v;
  v.insert(0, first);
  unsigned part = 1;
  (v.insert(part++, more), ...);
  return v;
}

}  // namespace aie
