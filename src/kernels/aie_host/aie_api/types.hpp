// SPDX-License-Identifier: Apache-2.0
// Element types, modes, and what a core keeps between instructions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#define SHORTHAND_AIE_INLINE inline __attribute__((always_inline))

using int8 = int8_t;
using uint8 = uint8_t;
using int16 = int16_t;
using uint16 = uint16_t;
using int32 = int32_t;
using uint32 = uint32_t;

// The upper half of a float. Conversions written in the source are made by the compiler, to nearest even; those of
// accumulators follow the rounding mode.
struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  constexpr bfloat16(float x) : bits(nearest(std::bit_cast<uint32_t>(x))) {}
  constexpr operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
  static constexpr bfloat16 of_bits(uint16_t b) { return std::bit_cast<bfloat16>(b); }

 private:
  static constexpr uint16_t nearest(uint32_t b) {
    if ((b & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((b >> 16) | 0x40);
    return static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
  }
};
static_assert(std::is_trivial_v<bfloat16> && sizeof(bfloat16) == 2);

// Accumulators: integers of 32 or 64 bits that wrap, or floats.
struct acc32 {};
struct acc64 {};
struct accfloat {};

namespace aie {

// The values are those of the core's control registers.
enum class rounding_mode : unsigned {
  floor = 0,
  ceil = 1,
  symmetric_floor = 2,  // to zero
  symmetric_ceil = 3,   // away from zero
  negative_inf = 8,     // to nearest; ties down
  positive_inf = 9,     // ties up
  symmetric_zero = 10,  // ties to zero
  symmetric_inf = 11,   // ties away from zero
  conv_even = 12,
  conv_odd = 13,
};
enum class saturation_mode : unsigned { none = 0, truncate = 0, saturate = 1, symmetric = 3 };

namespace host {

// A core wakes with these, which is why every kernel sets them itself.
struct CoreState {
  rounding_mode rounding = rounding_mode::floor;
  saturation_mode saturation = saturation_mode::none;
  // How a matrix product of bfloat16 adds: as the machine does, or one IEEE sum after another.
  bool aligned_sums = true;
};

// The core whose program this thread runs at the moment. A simulator of many cores swaps it.
inline thread_local CoreState core;

}  // namespace host

SHORTHAND_AIE_INLINE void set_rounding(rounding_mode mode) { host::core.rounding = mode; }
SHORTHAND_AIE_INLINE rounding_mode get_rounding() { return host::core.rounding; }
SHORTHAND_AIE_INLINE void set_saturation(saturation_mode mode) { host::core.saturation = mode; }
SHORTHAND_AIE_INLINE saturation_mode get_saturation() { return host::core.saturation; }
SHORTHAND_AIE_INLINE rounding_mode swap_rounding(rounding_mode mode) {
  const rounding_mode old = get_rounding();
  set_rounding(mode);
  return old;
}
SHORTHAND_AIE_INLINE saturation_mode swap_saturation(saturation_mode mode) {
  const saturation_mode old = get_saturation();
  set_saturation(mode);
  return old;
}

namespace detail {

template <class T>
inline constexpr bool is_float = std::is_same_v<T, float> || std::is_same_v<T, bfloat16>;

// The unsigned integer of T's size: arithmetic in it wraps without undefined behaviour.
template <size_t Bytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
using unsigned_of = typename UnsignedOf<sizeof(T)>::type;

template <class Tag>
struct AccumOf;
template <>
struct AccumOf<acc32> {
  using type = int32_t;
};
template <>
struct AccumOf<acc64> {
  using type = int64_t;
};
template <>
struct AccumOf<accfloat> {
  using type = float;
};

// The machine knows no denormal numbers.
SHORTHAND_AIE_INLINE float flushed(float x) {
  const uint32_t b = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((b & 0x7f800000u) ? b : b & 0x80000000u);
}

}  // namespace detail
}  // namespace aie

// Trace marks of the core; they cost a slot there and nothing here.
SHORTHAND_AIE_INLINE void event0() {}
SHORTHAND_AIE_INLINE void event1() {}
