// SPDX-License-Identifier: Apache-2.0
// Small matrix products: C [M, N] += A [M, K] B [K, N], each matrix row by row in one vector.
//
// Shapes as the machine has them: int8 4x8x8 and 2x8x8 (and 8x8x8 on the second generation), int16 x int16 4x4x4,
// bfloat16 4x8x4.
#pragma once

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "arithmetic.hpp"

namespace aie {
namespace detail {

// Integer products in plain loops; the sums wrap.
template <unsigned M, unsigned K, unsigned N, class T, class A>
SHORTHAND_AIE_INLINE void mac_integers(const T* a, const T* b, A* c) {
  using U = unsigned_of<A>;
  for (unsigned m = 0; m < M; ++m) {
    for (unsigned k = 0; k < K; ++k) {
      for (unsigned n = 0; n < N; ++n) {
        c[m * N + n] = static_cast<A>(static_cast<U>(c[m * N + n]) +
                                      static_cast<U>(static_cast<A>(a[m * K + k]) * static_cast<A>(b[k * N + n])));
      }
    }
  }
}

#if defined(__SSE4_1__)
// int8, K = N = 8: rows 2 i and 2 i + 1 of B are interleaved and widened, so that one multiply-add of 16-bit pairs
// makes four sums advance by two products each.
template <unsigned M>
SHORTHAND_AIE_INLINE void mac_int8_rows(const int8_t* a, const int8_t* b, int32_t* c) {
  __m128i low[4], high[4];  // columns 0..3 and 4..7 of the row pairs
  for (int i = 0; i < 4; ++i) {
    const __m128i two = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + 16 * i));
    const __m128i pairs = _mm_unpacklo_epi8(two, _mm_unpackhi_epi64(two, two));
    low[i] = _mm_cvtepi8_epi16(pairs);
    high[i] = _mm_cvtepi8_epi16(_mm_unpackhi_epi64(pairs, pairs));
  }
  for (unsigned m = 0; m < M; ++m) {
    const __m128i row = _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a + 8 * m)));
    __m128i* to = reinterpret_cast<__m128i*>(c + 8 * m);
    __m128i left = _mm_loadu_si128(to), right = _mm_loadu_si128(to + 1);
    const __m128i r0 = _mm_shuffle_epi32(row, 0x00), r1 = _mm_shuffle_epi32(row, 0x55);
    const __m128i r2 = _mm_shuffle_epi32(row, 0xaa), r3 = _mm_shuffle_epi32(row, 0xff);
    left = _mm_add_epi32(left, _mm_add_epi32(_mm_madd_epi16(r0, low[0]), _mm_madd_epi16(r1, low[1])));
    right = _mm_add_epi32(right, _mm_add_epi32(_mm_madd_epi16(r0, high[0]), _mm_madd_epi16(r1, high[1])));
    left = _mm_add_epi32(left, _mm_add_epi32(_mm_madd_epi16(r2, low[2]), _mm_madd_epi16(r3, low[3])));
    right = _mm_add_epi32(right, _mm_add_epi32(_mm_madd_epi16(r2, high[2]), _mm_madd_epi16(r3, high[3])));
    _mm_storeu_si128(to, left);
    _mm_storeu_si128(to + 1, right);
  }
}

// mac_floats below, for N = 4: four columns in a register, their sums in two of doubles.
template <unsigned M, unsigned K>
SHORTHAND_AIE_INLINE void mac_floats_4(const bfloat16* a, const bfloat16* b, float* c) {
  const __m128 magnitude = _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff));
  const __m128i exponent = _mm_set1_epi32(0x7f800000);
  const __m128d grids = _mm_set1_pd(1.5 * 536870912.0);
  const auto flush = [exponent](__m128 x) {
    const __m128i bits = _mm_castps_si128(x);
    const __m128i denormal = _mm_cmpeq_epi32(_mm_and_si128(bits, exponent), _mm_setzero_si128());
    return _mm_castsi128_ps(_mm_andnot_si128(_mm_and_si128(denormal, _mm_set1_epi32(0x7fffffff)), bits));
  };
  __m128 columns[K];
  for (unsigned k = 0; k < K; ++k) {
    const __m128i four = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b + 4 * k));
    columns[k] = _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(four), 16));
  }
  for (unsigned m = 0; m < M; ++m) {
    __m128 products[K];
    const __m128 old = _mm_loadu_ps(c + 4 * m);
    __m128 largest = _mm_and_ps(old, magnitude);
    for (unsigned k = 0; k < K; ++k) {
      products[k] = flush(_mm_mul_ps(_mm_set1_ps(a[m * K + k]), columns[k]));
      largest = _mm_max_ps(largest, _mm_and_ps(products[k], magnitude));
    }
    const __m128 power = _mm_and_ps(largest, _mm_castsi128_ps(exponent));
    const __m128d grid0 = _mm_mul_pd(_mm_cvtps_pd(power), grids);
    const __m128d grid1 = _mm_mul_pd(_mm_cvtps_pd(_mm_movehl_ps(power, power)), grids);
    __m128d sum0 = _mm_sub_pd(_mm_add_pd(_mm_cvtps_pd(old), grid0), grid0);
    __m128d sum1 = _mm_sub_pd(_mm_add_pd(_mm_cvtps_pd(_mm_movehl_ps(old, old)), grid1), grid1);
    for (unsigned k = 0; k < K; ++k) {
      const __m128 p = products[k];
      sum0 = _mm_add_pd(sum0, _mm_sub_pd(_mm_add_pd(_mm_cvtps_pd(p), grid0), grid0));
      sum1 = _mm_add_pd(sum1, _mm_sub_pd(_mm_add_pd(_mm_cvtps_pd(_mm_movehl_ps(p, p)), grid1), grid1));
    }
    _mm_storeu_ps(c + 4 * m, flush(_mm_movelh_ps(_mm_cvtpd_ps(sum0), _mm_cvtpd_ps(sum1))));
  }
}
#endif

// The aligned sum of all K products and the accumulator; see arithmetic.hpp.
template <unsigned M, unsigned K, unsigned N>
SHORTHAND_AIE_INLINE void mac_floats(const bfloat16* a, const bfloat16* b, float* c) {
  for (unsigned m = 0; m < M; ++m) {
    float products[K][N], largest[N];
    for (unsigned n = 0; n < N; ++n) {
      largest[n] = std::bit_cast<float>(std::bit_cast<uint32_t>(c[m * N + n]) & 0x7fffffffu);
    }
    for (unsigned k = 0; k < K; ++k) {
      const float left = a[m * K + k];
      for (unsigned n = 0; n < N; ++n) {
        const float p = flushed(left * static_cast<float>(b[k * N + n]));
        products[k][n] = p;
        const float magnitude = std::bit_cast<float>(std::bit_cast<uint32_t>(p) & 0x7fffffffu);
        largest[n] = largest[n] > magnitude ? largest[n] : magnitude;
      }
    }
    double sum[N], grid[N];
    for (unsigned n = 0; n < N; ++n) {
      grid[n] = grid_of(largest[n]);
      sum[n] = (static_cast<double>(c[m * N + n]) + grid[n]) - grid[n];
    }
    for (unsigned k = 0; k < K; ++k) {
      for (unsigned n = 0; n < N; ++n) sum[n] += (static_cast<double>(products[k][n]) + grid[n]) - grid[n];
    }
    for (unsigned n = 0; n < N; ++n) c[m * N + n] = flushed(static_cast<float>(sum[n]));
  }
}
template <unsigned M, unsigned K, unsigned N>
SHORTHAND_AIE_INLINE void mac_floats_in_turn(const bfloat16* a, const bfloat16* b, float* c) {
  for (unsigned m = 0; m < M; ++m) {
    for (unsigned k = 0; k < K; ++k) {
      const float left = a[m * K + k];
      for (unsigned n = 0; n < N; ++n) {
        c[m * N + n] = flushed(c[m * N + n] + flushed(left * static_cast<float>(b[k * N + n])));
      }
    }
  }
}

}  // namespace detail

template <unsigned M, unsigned K, unsigned N, class TA, class TB = TA, class Tag = accauto>
class mmul {
  static_assert(std::is_same_v<TA, TB>);
  using Accum = detail::accum_tag<Tag, TA>;

 public:
  static constexpr unsigned size_A = M * K, size_B = K * N, size_C = M * N;

  mmul() = default;
  explicit mmul(const accum<Accum, size_C>& acc) : acc_(acc) {}
  template <class T>
  explicit mmul(const vector<T, size_C>& v, int shift = 0) : acc_(v, shift) {}

  void mul(const vector<TA, size_A>& a, const vector<TB, size_B>& b) {
    acc_ = zeros<Accum, size_C>();
    mac(a, b);
  }
  SHORTHAND_AIE_INLINE void mac(const vector<TA, size_A>& a, const vector<TB, size_B>& b) {
    if constexpr (std::is_same_v<Accum, accfloat>) {
      if (!host::core.aligned_sums) return detail::mac_floats_in_turn<M, K, N>(a.lane, b.lane, acc_.lane);
#if defined(__SSE4_1__)
      if constexpr (N == 4) return detail::mac_floats_4<M, K>(a.lane, b.lane, acc_.lane);
#endif
      detail::mac_floats<M, K, N>(a.lane, b.lane, acc_.lane);
    } else {
#if defined(__SSE4_1__)
      if constexpr (std::is_same_v<TA, int8_t> && K == 8 && N == 8) {
        return detail::mac_int8_rows<M>(a.lane, b.lane, acc_.lane);
      }
#endif
      detail::mac_integers<M, K, N>(a.lane, b.lane, acc_.lane);
    }
  }

  const accum<Accum, size_C>& to_accum() const { return acc_; }
  operator accum<Accum, size_C>() const { return acc_; }
  template <class T>
  vector<T, size_C> to_vector(int shift = 0) const {
    return acc_.template to_vector<T>(shift);
  }

 private:
  accum<Accum, size_C> acc_;
};

}  // namespace aie
