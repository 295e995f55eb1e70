// SPDX-License-Identifier: Apache-2.0
// F32x16 in two YMM registers. Included inside an AVX2 target region and the including file's own namespace: see
// target.h.

struct F32x16 {
  __m256 lo, hi;
};
struct I32x16 {
  __m256i lo, hi;
};

// lanes of eight that lie below n, as a mask for maskload and maskstore
SHORTHAND_INLINE __m256i lanes_below(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SHORTHAND_INLINE F32x16 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
SHORTHAND_INLINE F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
SHORTHAND_INLINE F32x16 load_first(const float* p, int n, F32x16 rest) {
  const __m256i lo = lanes_below(n), hi = lanes_below(n - 8);
  return {_mm256_blendv_ps(rest.lo, _mm256_maskload_ps(p, lo), _mm256_castsi256_ps(lo)),
          _mm256_blendv_ps(rest.hi, _mm256_maskload_ps(p + 8, hi), _mm256_castsi256_ps(hi))};
}
SHORTHAND_INLINE void store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
SHORTHAND_INLINE void store_first(float* p, int n, F32x16 x) {
  _mm256_maskstore_ps(p, lanes_below(n), x.lo);
  _mm256_maskstore_ps(p + 8, lanes_below(n - 8), x.hi);
}
SHORTHAND_INLINE F32x16 add(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
SHORTHAND_INLINE F32x16 sub(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
SHORTHAND_INLINE F32x16 mul(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
SHORTHAND_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
SHORTHAND_INLINE F32x16 in_order(F32x16 a) {
  SHORTHAND_IN_ORDER(a.lo);
  SHORTHAND_IN_ORDER(a.hi);
  return a;
}
// Of two lanes that do not compare, both pick b's: put what may be NaN first.
SHORTHAND_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
SHORTHAND_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
SHORTHAND_INLINE F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
SHORTHAND_INLINE F32x16 round(F32x16 a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}
// the first lane where a == b, or 16
SHORTHAND_INLINE int first_equal(F32x16 a, F32x16 b) {
  const int lo = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ));
  const int hi = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ));
  return __builtin_ctz(static_cast<unsigned>(lo | hi << 8) | 1u << 16);
}
// value where test >= bound, else 0
SHORTHAND_INLINE F32x16 zero_unless_ge(F32x16 value, F32x16 test, F32x16 bound) {
  return {_mm256_and_ps(_mm256_cmp_ps(test.lo, bound.lo, _CMP_GE_OQ), value.lo),
          _mm256_and_ps(_mm256_cmp_ps(test.hi, bound.hi, _CMP_GE_OQ), value.hi)};
}
SHORTHAND_INLINE __m256 scale_by_power_half(__m256 a, __m256 n) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}
// a * 2^n for integral n in range, by adding to the exponent
SHORTHAND_INLINE F32x16 scale_by_power(F32x16 a, F32x16 n) {
  return {scale_by_power_half(a.lo, n.lo), scale_by_power_half(a.hi, n.hi)};
}
// quarters in the order 1, 0, 3, 2, and halves exchanged
SHORTHAND_INLINE F32x16 swap_quarters(F32x16 a) {
  return {_mm256_permute2f128_ps(a.lo, a.lo, 1), _mm256_permute2f128_ps(a.hi, a.hi, 1)};
}
SHORTHAND_INLINE F32x16 swap_halves(F32x16 a) { return {a.hi, a.lo}; }
SHORTHAND_INLINE float first_lane(F32x16 a) { return _mm_cvtss_f32(_mm256_castps256_ps128(a.lo)); }
SHORTHAND_INLINE float join_sum(F32x16 a) {
  const __m256 h8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 h4 = _mm_add_ps(_mm256_castps256_ps128(h8), _mm256_extractf128_ps(h8, 1));
  const __m128 h2 = _mm_add_ps(h4, _mm_movehl_ps(h4, h4));
  return _mm_cvtss_f32(_mm_add_ss(h2, _mm_movehdup_ps(h2)));
}
SHORTHAND_INLINE float join_max(F32x16 a) {
  const __m256 h8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 h4 = _mm_max_ps(_mm256_castps256_ps128(h8), _mm256_extractf128_ps(h8, 1));
  const __m128 h2 = _mm_max_ps(h4, _mm_movehl_ps(h4, h4));
  return _mm_cvtss_f32(_mm_max_ss(h2, _mm_movehdup_ps(h2)));
}

SHORTHAND_INLINE I32x16 load_int(const int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
SHORTHAND_INLINE I32x16 load_int_first(const int32_t* p, int n) {
  return {_mm256_maskload_epi32(p, lanes_below(n)), _mm256_maskload_epi32(p + 8, lanes_below(n - 8))};
}
SHORTHAND_INLINE I32x16 sub(I32x16 a, I32x16 b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }
SHORTHAND_INLINE I32x16 add(I32x16 a, I32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
SHORTHAND_INLINE I32x16 splat_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
SHORTHAND_INLINE I32x16 and_bits(I32x16 a, I32x16 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
template <int n>
SHORTHAND_INLINE I32x16 shift_left(I32x16 a) {
  return {_mm256_slli_epi32(a.lo, n), _mm256_slli_epi32(a.hi, n)};
}
template <int n>
SHORTHAND_INLINE I32x16 shift_right(I32x16 a) {
  return {_mm256_srli_epi32(a.lo, n), _mm256_srli_epi32(a.hi, n)};
}
SHORTHAND_INLINE I32x16 bits_of(F32x16 a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
SHORTHAND_INLINE F32x16 from_bits(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
SHORTHAND_INLINE F32x16 to_float(I32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
SHORTHAND_INLINE I32x16 to_int(F32x16 a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
// the low byte of each lane
SHORTHAND_INLINE void store_bytes(uint8_t* p, I32x16 a) {
  const I32x16 low = and_bits(a, splat_int(255));  // the packs below saturate
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low.lo, low.hi), 0xd8);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
