// SPDX-License-Identifier: Apache-2.0
// Lane by lane: sums, products, comparisons, bits; and reductions.
//
// Integers of vectors wrap, as on the machine. A product of floats does not exist here on purpose: a core has none and
// would emulate it by nine products of bfloat16 parts, so kernels say what parts they mean (kernels/aie_math.h).
#pragma once

#include "accum.hpp"

namespace aie {
namespace detail {

template <class T, unsigned N, class F>
SHORTHAND_AIE_INLINE vector<T, N> each(const vector<T, N>& a, F f) {
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.lane[i] = f(a.lane[i]);
  return v;
}
template <class T, unsigned N, class F>
SHORTHAND_AIE_INLINE vector<T, N> each(const vector<T, N>& a, const vector<T, N>& b, F f) {
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.lane[i] = f(a.lane[i], b.lane[i]);
  return v;
}
template <class T, unsigned N, class F>
SHORTHAND_AIE_INLINE mask<N> test_each(const vector<T, N>& a, const vector<T, N>& b, F f) {
  mask<N> m;
  for (unsigned i = 0; i < N; ++i) m.lane[i] = f(a.lane[i], b.lane[i]);
  return m;
}

template <class T>
SHORTHAND_AIE_INLINE T sum(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return flushed(a + b);
  } else {
    using U = unsigned_of<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  }
}
template <class T>
SHORTHAND_AIE_INLINE T difference(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return flushed(a - b);
  } else {
    using U = unsigned_of<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) - static_cast<U>(b)));
  }
}

// 2^29 * 1.5 times the power of two at or below |largest|: added to a double and taken off again, it rounds to the grid
// of a float of that size, to nearest even.
SHORTHAND_AIE_INLINE double grid_of(float largest) {
  const uint32_t b = std::bit_cast<uint32_t>(largest) & 0x7f800000u;
  return static_cast<double>(std::bit_cast<float>(b)) * (1.5 * 536870912.0);
}
// What vmac.f does (docs/npu.md, bf16 arithmetic): all terms are rounded to the grid of the largest, then added
// exactly.
SHORTHAND_AIE_INLINE float aligned_sum(float acc, float product) {
  const float a = acc < 0 ? -acc : acc, p = product < 0 ? -product : product;
  const double grid = grid_of(a > p ? a : p);
  const double s = ((static_cast<double>(acc) + grid) - grid) + ((static_cast<double>(product) + grid) - grid);
  return flushed(static_cast<float>(s));
}

template <class Tag, class T>
SHORTHAND_AIE_INLINE auto product(T a, T b) {
  if constexpr (std::is_same_v<Tag, accfloat>) {
    static_assert(std::is_same_v<T, bfloat16>, "split floats in bfloat16 parts");
    return flushed(static_cast<float>(a) * static_cast<float>(b));  // exact: 16 bits
  } else {
    using A = typename AccumOf<Tag>::type;
    using U = unsigned_of<A>;
    return static_cast<A>(static_cast<U>(static_cast<A>(a)) * static_cast<U>(static_cast<A>(b)));
  }
}

struct accauto {};
template <class Tag, class T>
using accum_tag =
    std::conditional_t<!std::is_same_v<Tag, accauto>, Tag,
                       std::conditional_t<is_float<T>, accfloat, std::conditional_t<sizeof(T) == 1, acc32, acc64>>>;

}  // namespace detail
using accauto = detail::accauto;

// ---- sums

template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> add(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return detail::sum(x, y); });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> sub(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return detail::difference(x, y); });
}
template <class Tag, unsigned N>
SHORTHAND_AIE_INLINE accum<Tag, N> add(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  accum<Tag, N> r;
  for (unsigned i = 0; i < N; ++i) r.lane[i] = detail::sum(a.lane[i], b.lane[i]);
  return r;
}
template <class Tag, unsigned N>
SHORTHAND_AIE_INLINE accum<Tag, N> sub(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  accum<Tag, N> r;
  for (unsigned i = 0; i < N; ++i) r.lane[i] = detail::difference(a.lane[i], b.lane[i]);
  return r;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> neg(const vector<T, N>& a) {
  return sub(zeros<T, N>(), a);
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> abs(const vector<T, N>& a) {
  if constexpr (std::is_same_v<T, float>) {
    return detail::each(a, [](T x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7fffffffu); });
  } else {
    return detail::each(a, [](T x) { return x < 0 ? detail::difference(T{0}, x) : x; });
  }
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> max(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return x > y ? x : y; });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> min(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return x < y ? x : y; });
}

// ---- products; bfloat16 into floats, integers into 32 or 64 bits

template <class Tag = accauto, class T, unsigned N>
SHORTHAND_AIE_INLINE auto mul(const vector<T, N>& a, const vector<T, N>& b) {
  accum<detail::accum_tag<Tag, T>, N> r;
  for (unsigned i = 0; i < N; ++i) r.lane[i] = detail::product<detail::accum_tag<Tag, T>>(a.lane[i], b.lane[i]);
  return r;
}
template <class Tag, class T, unsigned N>
SHORTHAND_AIE_INLINE accum<Tag, N> mac(const accum<Tag, N>& acc, const vector<T, N>& a, const vector<T, N>& b) {
  accum<Tag, N> r;
  for (unsigned i = 0; i < N; ++i) {
    const auto p = detail::product<Tag>(a.lane[i], b.lane[i]);
    if constexpr (std::is_same_v<Tag, accfloat>) {
      r.lane[i] = detail::aligned_sum(acc.lane[i], p);
    } else {
      r.lane[i] = detail::sum(acc.lane[i], p);
    }
  }
  return r;
}
template <class Tag, class T, unsigned N>
SHORTHAND_AIE_INLINE accum<Tag, N> msc(const accum<Tag, N>& acc, const vector<T, N>& a, const vector<T, N>& b) {
  accum<Tag, N> r;
  for (unsigned i = 0; i < N; ++i) {
    const auto p = detail::product<Tag>(a.lane[i], b.lane[i]);
    if constexpr (std::is_same_v<Tag, accfloat>) {
      r.lane[i] = detail::aligned_sum(acc.lane[i], -p);
    } else {
      r.lane[i] = detail::difference(acc.lane[i], p);
    }
  }
  return r;
}

// ---- comparisons and choice

template <class T, unsigned N>
SHORTHAND_AIE_INLINE mask<N> lt(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::test_each(a, b, [](T x, T y) { return x < y; });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE mask<N> le(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::test_each(a, b, [](T x, T y) { return x <= y; });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE mask<N> gt(const vector<T, N>& a, const vector<T, N>& b) {
  return lt(b, a);
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE mask<N> ge(const vector<T, N>& a, const vector<T, N>& b) {
  return le(b, a);
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE mask<N> eq(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::test_each(a, b, [](T x, T y) { return x == y; });
}
// b where the mask holds, a elsewhere.
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> select(const vector<T, N>& a, const vector<T, N>& b, const mask<N>& m) {
  using U = detail::unsigned_of<T>;
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) {
    const U from_b = static_cast<U>(-static_cast<int>(m.lane[i]));
    v.lane[i] = std::bit_cast<T>(static_cast<U>((std::bit_cast<U>(b.lane[i]) & from_b) |
                                                (std::bit_cast<U>(a.lane[i]) & static_cast<U>(~from_b))));
  }
  return v;
}

// ---- bits of integers

template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> bit_and(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return static_cast<T>(x & y); });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> bit_or(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return static_cast<T>(x | y); });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> bit_xor(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::each(a, b, [](T x, T y) { return static_cast<T>(x ^ y); });
}
// Through an accumulator, so that the modes of the core apply: down rounds, up saturates.
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> upshift(const vector<T, N>& a, unsigned n) {
  return accum<acc64, N>(a, static_cast<int>(n)).template to_vector<T>();
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> downshift(const vector<T, N>& a, unsigned n) {
  return accum<acc64, N>(a).template to_vector<T>(static_cast<int>(n));
}

// ---- reductions: pairwise, halves first

namespace detail {
template <class T, unsigned N, class F>
SHORTHAND_AIE_INLINE T reduced(const vector<T, N>& v, F f) {
  T s[N];
  for (unsigned i = 0; i < N; ++i) s[i] = v.lane[i];
  for (unsigned half = N / 2; half > 0; half /= 2) {
    for (unsigned i = 0; i < half; ++i) s[i] = f(s[i], s[i + half]);
  }
  return s[0];
}
}  // namespace detail

template <class T, unsigned N>
SHORTHAND_AIE_INLINE T reduce_add(const vector<T, N>& v) {
  return detail::reduced(v, [](T x, T y) { return detail::sum(x, y); });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE T reduce_max(const vector<T, N>& v) {
  return detail::reduced(v, [](T x, T y) { return x > y ? x : y; });
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE T reduce_min(const vector<T, N>& v) {
  return detail::reduced(v, [](T x, T y) { return x < y ? x : y; });
}

}  // namespace aie
