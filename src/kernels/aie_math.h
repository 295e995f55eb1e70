// SPDX-License-Identifier: Apache-2.0
// What the kernels of an AIE core share: floats through bfloat16 parts, and GELU in 16-bit integers.
//
// A core adds floats but multiplies only bfloat16 (with float sums) and integers. So a float that must keep its
// precision is two bfloat16 parts, high + low, which hold 16 to 17 of its 24 bits, and a product of two such numbers is
// three multiply-adds: relative error below 2^-15. Scalar floats are emulated in software, tens to hundreds of cycles
// each, and are not used at all: one number is a vector with equal lanes.
// Everything expects rounding conv_even and saturation saturate; every kernel begins with set_modes().
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>
#include <utility>

namespace shorthand::aie2 {

inline void set_modes() {
  aie::set_rounding(aie::rounding_mode::conv_even);
  aie::set_saturation(aie::saturation_mode::saturate);
}

// Loops whose trip count is a small constant: a straight body that the compiler pipelines across the loop around it; or
// a loop all the same, where a core has no room for its program as often as that.
#if defined(__clang__)
#define SHORTHAND_UNROLL _Pragma("clang loop unroll(full)")
#define SHORTHAND_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define SHORTHAND_UNROLL _Pragma("GCC unroll 16")
#define SHORTHAND_ROLLED _Pragma("GCC unroll 1")
#endif
#define SHORTHAND_KERNEL_INLINE inline __attribute__((always_inline))

using Floats = aie::vector<float, 16>;
using Ints = aie::vector<int32_t, 16>;
using Halves = aie::vector<bfloat16, 16>;
using FloatSum = aie::accum<accfloat, 16>;
using Shorts = aie::vector<int16_t, 32>;  // a block of 4 x 8
using Wide = aie::accum<acc32, 32>;

SHORTHAND_KERNEL_INLINE Halves to_bf16(const Floats& x) { return FloatSum(x).to_vector<bfloat16>(); }
SHORTHAND_KERNEL_INLINE Floats to_f32(const Halves& x) { return FloatSum(x).to_vector<float>(); }
SHORTHAND_KERNEL_INLINE Floats splat(float x) { return aie::broadcast<float, 16>(x); }
SHORTHAND_KERNEL_INLINE Shorts splat16(int16_t x) { return aie::broadcast<int16_t, 32>(x); }

struct Parts {
  Halves high, low;
};
SHORTHAND_KERNEL_INLINE Parts split(const Floats& x) {
  const Halves high = to_bf16(x);
  return {high, to_bf16(aie::sub(x, to_f32(high)))};
}

// A number that is known when the kernel is compiled, in all lanes.
SHORTHAND_KERNEL_INLINE Parts constant(float x) {
  const bfloat16 high(x), low(x - static_cast<float>(high));
  return {aie::broadcast<bfloat16, 16>(high), aie::broadcast<bfloat16, 16>(low)};
}

// a * b, and acc + a * b: the products of the low parts are left out.
SHORTHAND_KERNEL_INLINE FloatSum product_sum(const FloatSum& acc, const Parts& a, const Parts& b) {
  return aie::mac(aie::mac(aie::mac(acc, a.low, b.high), a.high, b.low), a.high, b.high);
}
SHORTHAND_KERNEL_INLINE Floats product(const Parts& a, const Parts& b) {
  return aie::mac(aie::mac(aie::mul(a.low, b.high), a.high, b.low), a.high, b.high).to_vector<float>();
}
SHORTHAND_KERNEL_INLINE Floats product(const Floats& a, const Floats& b) { return product(split(a), split(b)); }

// Integers and floats meet in the magic number 1.5 * 2^(23 - p): near it a float's lowest bit is worth 2^-p, so that
// adding and subtracting its bits and its value moves a number of |x| < 2^(22 - p) from one kind to the other, rounded
// to nearest even on the way to integers.
template <int p>
inline constexpr float kMagic = 1.5f * static_cast<float>(p <= 23 ? 1u << (p < 0 ? 23 : 23 - p) : 1) *
                                static_cast<float>(p < 0 ? 1u << -p : 1);

// i * 2^-p for |i| < 2^22, exactly.
template <int p>
SHORTHAND_KERNEL_INLINE Floats float_of(const Ints& i) {
  const Floats magic = splat(kMagic<p>);
  return aie::sub(aie::add(i, magic.cast_to<int32_t>()).template cast_to<float>(), magic);
}
// round(x * 2^p) for |x| * 2^p < 2^22.
template <int p>
SHORTHAND_KERNEL_INLINE Ints int_of(const Floats& x) {
  const Floats magic = splat(kMagic<p>);
  return aie::sub(aie::add(x, magic).template cast_to<int32_t>(), magic.cast_to<int32_t>());
}

// 32-bit integers that fit, or saturate, in 16 or 8 bits.
template <class T>
SHORTHAND_KERNEL_INLINE aie::vector<T, 32> narrowed(const Ints& a, const Ints& b) {
  return aie::accum<acc32, 32>(aie::concat(a, b)).to_vector<T>();
}

// |x| as its bits, whose order is that of the numbers: a core compares integers in one cycle, but floats by way of a
// difference and its sign.
SHORTHAND_KERNEL_INLINE Ints magnitude(const Floats& x) {
  return aie::bit_and(x.cast_to<int32_t>(), aie::broadcast<int32_t, 16>(0x7fffffff));
}
SHORTHAND_KERNEL_INLINE Floats without_negatives(const Floats& x) {
  return aie::max(x.cast_to<int32_t>(), aie::zeros<int32_t, 16>()).cast_to<float>();
}

// The largest exponent field among 64 floats that are not negative.
SHORTHAND_KERNEL_INLINE int32_t largest_exponent(const Floats (&x)[4]) {
  const Ints left = aie::max(x[0].cast_to<int32_t>(), x[1].cast_to<int32_t>());
  const Ints right = aie::max(x[2].cast_to<int32_t>(), x[3].cast_to<int32_t>());
  return aie::reduce_max(aie::max(left, right)) >> 23;
}

// x * 2^(126 - exponent), which is below 1, with `bits` fractional bits.
template <int bits>
SHORTHAND_KERNEL_INLINE Shorts mantissas(const Floats& x0, const Floats& x1, int32_t exponent) {
  const Ints up = aie::broadcast<int32_t, 16>((126 - exponent) << 23);
  const auto scaled = [&up](const Floats& v) {
    const Ints moved = aie::add(v.cast_to<int32_t>(), up);
    // What is far below the largest has no bits left, and its exponent would wrap.
    const auto gone = aie::lt(moved, aie::broadcast<int32_t, 16>(64 << 23));
    return int_of<bits>(aie::select(moved.cast_to<float>(), splat(0.0f), gone));
  };
  return narrowed<int16_t>(scaled(x0), scaled(x1));
}

// A block's rows: the largest of each, in turn over all lanes; and eight lanes a row, all with the row's largest.
template <unsigned run, class V>
SHORTHAND_KERNEL_INLINE V merged(const V& a, const V& b) {
  const auto halves = aie::interleave_unzip(a, b, run);
  return aie::max(halves.first, halves.second);
}
template <unsigned run, class V>
SHORTHAND_KERNEL_INLINE V folded(const V& m) {
  return merged<run>(m, m);
}
template <unsigned run, class V>
SHORTHAND_KERNEL_INLINE V doubled(const V& m) {
  return aie::interleave_zip(m, m, run).first;
}
SHORTHAND_KERNEL_INLINE Shorts row_maxima(const Shorts& m) { return folded<1>(folded<2>(folded<4>(m))); }
SHORTHAND_KERNEL_INLINE Shorts spread_maxima(const Shorts& m) {
  return doubled<4>(doubled<2>(doubled<1>(row_maxima(m))));
}

// A block of floats as its upper and its lower two rows. Its rows' sums, row i in lanes i, i + 4, ...; and a number for
// each of four rows, given like that, over the eight lanes of its row.
struct Block {
  Floats upper, lower;
};
SHORTHAND_KERNEL_INLINE Floats row_sums(const Block& b) {
  const auto joined = [](const Floats& x, const Floats& y, unsigned run) {
    const auto halves = aie::interleave_unzip(x, y, run);
    return aie::add(halves.first, halves.second);
  };
  const Floats four = joined(b.upper, b.lower, 4), two = joined(four, four, 2);
  return joined(two, two, 1);
}
SHORTHAND_KERNEL_INLINE Block spread(const Floats& rows) {
  const Floats v = doubled<2>(doubled<1>(rows));
  const auto halves = aie::interleave_zip(v, v, 4);
  return {halves.first, halves.second};
}
SHORTHAND_KERNEL_INLINE Shorts spread(const Shorts& rows) { return doubled<4>(doubled<2>(doubled<1>(rows))); }
// The sixteen lower and the sixteen upper bits of a block's floats.
SHORTHAND_KERNEL_INLINE std::pair<Shorts, Shorts> bits_of(const Block& b) {
  return aie::interleave_unzip(b.upper.cast_to<int16_t>(), b.lower.cast_to<int16_t>(), 1);
}

// Floats from their upper sixteen bits: lane i from lane i. Beside a power of two with these bits added a float's
// lowest bit is 2^-14 of the power, so that the lower sixteen bits of the sum are a number of fewer than 15 bits and a
// sign.
SHORTHAND_KERNEL_INLINE Ints upper_bits(const Shorts& x) {
  return aie::interleave_zip(aie::zeros<int16_t, 32>(), x, 1).first.cast_to<int32_t>();
}
SHORTHAND_KERNEL_INLINE Ints beside_16_bits() { return aie::broadcast<int32_t, 16>((9 << 23) + 0x400000); }

// A value for each of 32 rows, eight times: the lanes of eight blocks under each other.
SHORTHAND_KERNEL_INLINE void spread_rows(const Shorts& rows, int16_t (*blocks)[32]) {
  const auto twice = [](const Shorts& x, unsigned run) { return aie::interleave_zip(x, x, run); };
  const auto two = twice(rows, 1);
  SHORTHAND_UNROLL
  for (int h = 0; h < 2; ++h) {
    const auto four = twice(h == 0 ? two.first : two.second, 2);
    SHORTHAND_UNROLL
    for (int q = 0; q < 2; ++q) {
      const auto eight = twice(q == 0 ? four.first : four.second, 4);
      aie::store_v(blocks[4 * h + 2 * q], eight.first);
      aie::store_v(blocks[4 * h + 2 * q + 1], eight.second);
    }
  }
}

// A block of bfloat16 in steps of its rows' scales: the upper two rows times theirs, the lower two times theirs.
SHORTHAND_KERNEL_INLINE aie::vector<int8_t, 32> in_steps(const Halves& v0, const Halves& v1, const Parts& upper,
                                                         const Parts& lower) {
  const Floats q0 = aie::mac(aie::mul(v0, upper.low), v0, upper.high).to_vector<float>();
  const Floats q1 = aie::mac(aie::mul(v1, lower.low), v1, lower.high).to_vector<float>();
  return narrowed<int8_t>(int_of<0>(q0), int_of<0>(q1));
}

// 1 / x for positive, normal x, from y near it: squares the error, down to 2^-14.
SHORTHAND_KERNEL_INLINE Floats reciprocal_step(const Parts& x, const Floats& y) {
  const Parts ys = split(y);
  return product(ys, split(aie::sub(splat(2.0f), product(x, ys))));
}
// From its exponent, with 12 % error: three steps leave 2^-14, two 2.1e-4.
SHORTHAND_KERNEL_INLINE Floats reciprocal_guess(const Floats& x) {
  return aie::sub(aie::broadcast<int32_t, 16>(0x7ef311c7), x.cast_to<int32_t>()).cast_to<float>();
}
template <int times>
SHORTHAND_KERNEL_INLINE Floats reciprocal(const Floats& x) {
  const Parts xs = split(x);
  Floats y = reciprocal_guess(x);
  SHORTHAND_UNROLL
  for (int i = 0; i < times; ++i) y = reciprocal_step(xs, y);
  return y;
}
// The same to 2^-14: the first two times need bfloat16 alone, whose products leave 0.3 %, and the third all of it.
SHORTHAND_KERNEL_INLINE Floats reciprocal(const Floats& x) {
  const Halves rough = to_bf16(x);
  Floats y = reciprocal_guess(x);
  SHORTHAND_UNROLL
  for (int i = 0; i < 2; ++i) {
    const Halves near = to_bf16(y);
    const Halves off = aie::msc(FloatSum(splat(1.0f)), rough, near).to_vector<bfloat16>();
    y = aie::mac(FloatSum(to_f32(near)), off, near).to_vector<float>();
  }
  return reciprocal_step(split(x), y);
}

// 1 / sqrt(x) for positive, normal x, likewise: from 3.4 % to 0.4 % in bfloat16, then to 2^-14.
SHORTHAND_KERNEL_INLINE Floats reciprocal_root(const Floats& x) {
  const Floats half = FloatSum(aie::mul(to_bf16(splat(0.5f)), split(x).high)).to_vector<float>();
  const Floats half_low = FloatSum(aie::mul(to_bf16(splat(0.5f)), split(x).low)).to_vector<float>();
  const Parts hs = split(aie::add(half, half_low));
  const Halves near = to_bf16(
      aie::sub(aie::broadcast<int32_t, 16>(0x5f3759df), aie::downshift(x.cast_to<int32_t>(), 1)).cast_to<float>());
  const Halves near_squared = aie::mul(near, near).to_vector<bfloat16>();
  const Halves off = aie::msc(FloatSum(splat(0.5f)), hs.high, near_squared).to_vector<bfloat16>();
  const Floats y = aie::mac(FloatSum(to_f32(near)), off, near).to_vector<float>();
  const Parts ys = split(y);
  const Parts squared = split(product(ys, ys));
  return product(ys, split(aie::sub(splat(1.5f), product(hs, squared))));
}

// gelu(x) = max(x, 0) - g(|x|), g(a) = a (1 - Phi(a)): what is subtracted is a small bump, so that nothing cancels on
// the far negative side. g is a Q(a / 4)^6, Q a cubic for the sixth root of 1 - Phi with 15-bit coefficients, of which
// the error of g has the smallest maximum: 1.4e-4; beyond 4 it stays what it is there, 1.4e-4 as well. a has 13
// fractional bits, and the whole errs by at most 1.9e-4.
inline constexpr int16_t kGeluQ[4] = {29171, -14893, -25823, 17447};

SHORTHAND_KERNEL_INLINE Shorts times(const Shorts& a, const Shorts& b, int shift = 15) {
  return aie::mul<acc32>(a, b).template to_vector<int16_t>(shift);
}
// g of |x| with 28 - shift fractional bits; x has 13 and saturates at 4.
SHORTHAND_KERNEL_INLINE Shorts gelu_bump(const Shorts& x, int shift) {
  const Shorts a = aie::max(x, aie::sub(splat16(-1), x));  // |x|, or less by the last bit
  Shorts q = splat16(kGeluQ[3]);
  SHORTHAND_UNROLL
  for (int i = 2; i >= 0; --i) q = aie::mac(Wide(splat16(kGeluQ[i]), 15), q, a).template to_vector<int16_t>(15);
  const Shorts square = times(q, q);
  return times(times(times(square, square), square), a, shift);
}

SHORTHAND_KERNEL_INLINE void gelu(Floats& x0, Floats& x1) {
  const Ints reach = splat(4.0f).cast_to<int32_t>();
  const auto capped = [&reach](const Floats& x) { return aie::min(magnitude(x), reach).cast_to<float>(); };
  const auto a = narrowed<int16_t>(int_of<13>(capped(x0)), int_of<13>(capped(x1)));
  const auto wide = gelu_bump(a, 13).unpack();
  x0 = aie::sub(without_negatives(x0), float_of<15>(wide.extract<16>(0)));
  x1 = aie::sub(without_negatives(x1), float_of<15>(wide.extract<16>(1)));
}

// 2^(u / 1024) as bfloat16, u in [-32, 32) with ten fractional bits; within 2^-8 + 4.3e-4 of it. A bfloat16 with
// exponent field e and mantissa m reads as the integer 128 e + m, so the integer u / 8 + 127 * 128 is 2^u but for the
// mantissa's 2^f - 1 - f, f the fraction of u: a cubic, added before the one rounding.
SHORTHAND_KERNEL_INLINE aie::vector<bfloat16, 32> exp2(const aie::vector<int16_t, 32>& u) {
  const auto f = aie::bit_and(u, splat16(1023));
  const auto square = aie::mac(Wide(splat16(7401), 10), f, splat16(2599)).to_vector<int16_t>(10);
  const auto linear = aie::mac(Wide(splat16(-10001), 10), f, square).to_vector<int16_t>(10);
  const auto bits = aie::mac(Wide(u, 15), f, linear).to_vector<int16_t>(18);
  return aie::add(bits, splat16(127 * 128)).cast_to<bfloat16>();
}

}  // namespace shorthand::aie2
