// SPDX-License-Identifier: Apache-2.0
// Accumulators, and the way back to narrower numbers: shift, round, saturate.
#pragma once

#include <limits>

#include "vector.hpp"

namespace aie {
namespace detail {

// x / 2^shift as the mode rounds it. guard is the first bit that falls off, sticky the OR of the others.
template <rounding_mode mode, class A>
SHORTHAND_AIE_INLINE A shift_round(A x, int shift) {
  if (shift == 0) return x;
  const A kept = x >> shift;
  const A guard = (x >> (shift - 1)) & 1;
  const A sticky = (x & ((A{1} << (shift - 1)) - 1)) != 0;
  const A negative = x < 0, odd = kept & 1;
  A up = 0;
  switch (mode) {
    case rounding_mode::floor: up = 0; break;
    case rounding_mode::ceil: up = guard | sticky; break;
    case rounding_mode::symmetric_floor: up = negative & (guard | sticky); break;
    case rounding_mode::symmetric_ceil: up = (negative ^ 1) & (guard | sticky); break;
    case rounding_mode::negative_inf: up = guard & sticky; break;
    case rounding_mode::positive_inf: up = guard; break;
    case rounding_mode::symmetric_zero: up = guard & (negative | sticky); break;
    case rounding_mode::symmetric_inf: up = guard & ((negative ^ 1) | sticky); break;
    case rounding_mode::conv_even: up = guard & (odd | sticky); break;
    case rounding_mode::conv_odd: up = guard & ((odd ^ 1) | sticky); break;
  }
  return kept + up;  // kept has lost a bit at the top: no overflow
}

template <class T, class A>
SHORTHAND_AIE_INLINE T saturated(A x, saturation_mode mode) {
  constexpr A low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  if (mode == saturation_mode::none) return static_cast<T>(static_cast<unsigned_of<T>>(x));
  const A least = mode == saturation_mode::symmetric && std::is_signed_v<T> ? -high : low;
  return static_cast<T>(x < least ? least : x > high ? high : x);
}

template <class T, rounding_mode rounding, class A, unsigned N>
SHORTHAND_AIE_INLINE void srs_lanes(T* to, const A* from, int shift, saturation_mode saturation) {
  if (saturation == saturation_mode::saturate) {
    for (unsigned i = 0; i < N; ++i) {
      to[i] = saturated<T>(shift_round<rounding>(from[i], shift), saturation_mode::saturate);
    }
  } else {
    for (unsigned i = 0; i < N; ++i) to[i] = saturated<T>(shift_round<rounding>(from[i], shift), saturation);
  }
}

// x + bias - 1 + odd is the usual way to round to even; it needs no guard bits and suits vectors. The sum may pass the
// largest integer by less than `half`, so it is done unsigned and the carry put right by taking the shift first.
template <class T, class A, unsigned N>
SHORTHAND_AIE_INLINE void srs_even(T* to, const A* from, int shift, saturation_mode saturation) {
  if (shift == 0 || saturation != saturation_mode::saturate) {
    return srs_lanes<T, rounding_mode::conv_even, A, N>(to, from, shift, saturation);
  }
  constexpr A low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  using U = unsigned_of<A>;
  const U below = (U{1} << shift) - 1, half = U{1} << (shift - 1);
  for (unsigned i = 0; i < N; ++i) {
    A kept = from[i] >> shift;
    const U rest = static_cast<U>(from[i]) & below;
    kept += static_cast<A>((rest + (static_cast<U>(kept) & 1) + half - 1) >> shift & 1);
    to[i] = static_cast<T>(kept < low ? low : kept > high ? high : kept);
  }
}

template <class T, class A, unsigned N>
SHORTHAND_AIE_INLINE void srs(T* to, const A* from, int shift) {
  assert(shift >= 0 && shift < static_cast<int>(sizeof(A) * 8) && "srs: a shift the accumulator does not have");
  const saturation_mode s = host::core.saturation;
  switch (host::core.rounding) {
    case rounding_mode::conv_even: return srs_even<T, A, N>(to, from, shift, s);
    case rounding_mode::floor: return srs_lanes<T, rounding_mode::floor, A, N>(to, from, shift, s);
    case rounding_mode::ceil: return srs_lanes<T, rounding_mode::ceil, A, N>(to, from, shift, s);
    case rounding_mode::symmetric_floor: return srs_lanes<T, rounding_mode::symmetric_floor, A, N>(to, from, shift, s);
    case rounding_mode::symmetric_ceil: return srs_lanes<T, rounding_mode::symmetric_ceil, A, N>(to, from, shift, s);
    case rounding_mode::negative_inf: return srs_lanes<T, rounding_mode::negative_inf, A, N>(to, from, shift, s);
    case rounding_mode::positive_inf: return srs_lanes<T, rounding_mode::positive_inf, A, N>(to, from, shift, s);
    case rounding_mode::symmetric_zero: return srs_lanes<T, rounding_mode::symmetric_zero, A, N>(to, from, shift, s);
    case rounding_mode::symmetric_inf: return srs_lanes<T, rounding_mode::symmetric_inf, A, N>(to, from, shift, s);
    case rounding_mode::conv_odd: return srs_lanes<T, rounding_mode::conv_odd, A, N>(to, from, shift, s);
  }
}

// float -> bfloat16 under the mode, on sign and magnitude: the sixteen bits that fall off are guard and sticky. floor,
// the mode a core wakes with, drops them.
SHORTHAND_AIE_INLINE bfloat16 to_bfloat16(float x, rounding_mode mode) {
  const uint32_t b = std::bit_cast<uint32_t>(flushed(x));
  if ((b & 0x7f800000u) == 0x7f800000u) return bfloat16(x);  // infinity and NaN keep their kind
  const uint32_t kept = b >> 16, guard = (b >> 15) & 1, sticky = (b & 0x7fff) != 0, negative = b >> 31;
  uint32_t up = 0;
  switch (mode) {
    case rounding_mode::floor:
    case rounding_mode::symmetric_floor: up = 0; break;
    case rounding_mode::ceil: up = (negative ^ 1) & (guard | sticky); break;
    case rounding_mode::symmetric_ceil: up = guard | sticky; break;
    case rounding_mode::negative_inf: up = guard & (negative | sticky); break;
    case rounding_mode::positive_inf: up = guard & ((negative ^ 1) | sticky); break;
    case rounding_mode::symmetric_zero: up = guard & sticky; break;
    case rounding_mode::symmetric_inf: up = guard; break;
    case rounding_mode::conv_even: up = guard & (sticky | (kept & 1)); break;
    case rounding_mode::conv_odd: up = guard & (sticky | ((kept & 1) ^ 1)); break;
  }
  return bfloat16::of_bits(static_cast<uint16_t>(kept + up));
}

}  // namespace detail

template <class Tag, unsigned N>
class accum {
 public:
  using value_type = typename detail::AccumOf<Tag>::type;
  static constexpr bool is_float = std::is_same_v<Tag, accfloat>;
  static constexpr unsigned size() { return N; }

  accum() = default;
  template <class T>
  explicit accum(const vector<T, N>& v, int shift = 0) {
    from_vector(v, shift);
  }

  // Exactly v * 2^shift, modulo the accumulator's width. Between int32 and acc32 a core only renames the register: a
  // shift is silently left out.
  template <class T>
  void from_vector(const vector<T, N>& v, int shift = 0) {
    if constexpr (is_float) {
      for (unsigned i = 0; i < N; ++i) lane[i] = static_cast<float>(v.lane[i]);
    } else if constexpr (sizeof(T) == sizeof(value_type)) {
      assert(shift == 0 && "accum: 32 bits into 32 are not shifted");
      std::memcpy(lane, v.lane, sizeof lane);
    } else {
      using U = detail::unsigned_of<value_type>;
      assert(shift >= 0 && shift < static_cast<int>(sizeof(U) * 8) && "ups: a shift the accumulator does not have");
      for (unsigned i = 0; i < N; ++i) {
        lane[i] = static_cast<value_type>(static_cast<U>(static_cast<value_type>(v.lane[i])) << shift);
      }
    }
  }

  // Shift, round, saturate as the core's modes say; a float accumulator becomes float as it is, or bfloat16 rounded;
  // acc32 becomes int32 as it is, whatever the shift.
  template <class T>
  vector<T, N> to_vector(int shift = 0) const {
    vector<T, N> v;
    if constexpr (std::is_same_v<T, float>) {
      static_assert(is_float);
      std::memcpy(v.lane, lane, sizeof v.lane);
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      static_assert(is_float);
      if (host::core.rounding == rounding_mode::conv_even) {
        for (unsigned i = 0; i < N; ++i) v.lane[i] = bfloat16(detail::flushed(lane[i]));
      } else {
        for (unsigned i = 0; i < N; ++i) v.lane[i] = detail::to_bfloat16(lane[i], host::core.rounding);
      }
    } else if constexpr (sizeof(T) == sizeof(value_type)) {
      static_assert(!is_float);
      assert(shift == 0 && "accum: 32 bits into 32 are not shifted");
      std::memcpy(v.lane, lane, sizeof v.lane);
    } else {
      static_assert(!is_float);
      detail::srs<T, value_type, N>(v.lane, lane, shift);
    }
    return v;
  }

  template <unsigned M>
  accum<Tag, M> extract(unsigned part) const {
    accum<Tag, M> a;
    std::memcpy(a.lane, lane + part * M, sizeof a.lane);
    return a;
  }
  template <unsigned M>
  accum& insert(unsigned part, const accum<Tag, M>& a) {
    std::memcpy(lane + part * M, a.lane, sizeof a.lane);
    return *this;
  }

  alignas(N * sizeof(value_type) < 32 ? N * sizeof(value_type) : 32) value_type lane[N];  // host only
};

// zeros<int16, 32>() is a vector, zeros<acc32, 32>() an accumulator.
template <class T, unsigned N>
SHORTHAND_AIE_INLINE auto zeros() {
  std::conditional_t<std::is_empty_v<T>, accum<T, N>, vector<T, N>> v;
  std::memset(static_cast<void*>(v.lane), 0, sizeof v.lane);
  return v;
}

}  // namespace aie
