// SPDX-License-Identifier: Apache-2.0
// F32x16 in one ZMM register. Included inside an AVX-512 target region and the including file's own namespace: see
// target.h.

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};

SHORTHAND_INLINE F32x16 splat(float x) { return {_mm512_set1_ps(x)}; }
SHORTHAND_INLINE F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
SHORTHAND_INLINE F32x16 load_first(const float* p, int n, F32x16 rest) {
  return {_mm512_mask_loadu_ps(rest.v, static_cast<__mmask16>((1u << n) - 1), p)};
}
SHORTHAND_INLINE void store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
SHORTHAND_INLINE void store_first(float* p, int n, F32x16 x) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), x.v);
}
SHORTHAND_INLINE F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
SHORTHAND_INLINE F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
SHORTHAND_INLINE F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
SHORTHAND_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
SHORTHAND_INLINE F32x16 in_order(F32x16 a) { return a; }  // there are registers enough
// Of two lanes that do not compare, both pick b's: put what may be NaN first.
SHORTHAND_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
SHORTHAND_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
SHORTHAND_INLINE F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
SHORTHAND_INLINE F32x16 round(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// the first lane where a == b, or 16
SHORTHAND_INLINE int first_equal(F32x16 a, F32x16 b) {
  return __builtin_ctz(static_cast<unsigned>(_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)) | 1u << 16);
}
// value where test >= bound, else 0
SHORTHAND_INLINE F32x16 zero_unless_ge(F32x16 value, F32x16 test, F32x16 bound) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test.v, bound.v, _CMP_GE_OQ), value.v)};
}
// a * 2^n for integral n in range, by adding to the exponent
SHORTHAND_INLINE F32x16 scale_by_power(F32x16 a, F32x16 n) {
  return {
      _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_slli_epi32(_mm512_cvtps_epi32(n.v), 23)))};
}
// quarters in the order 1, 0, 3, 2, and halves exchanged
SHORTHAND_INLINE F32x16 swap_quarters(F32x16 a) { return {_mm512_shuffle_f32x4(a.v, a.v, 0xb1)}; }
SHORTHAND_INLINE F32x16 swap_halves(F32x16 a) { return {_mm512_shuffle_f32x4(a.v, a.v, 0x4e)}; }
SHORTHAND_INLINE float first_lane(F32x16 a) { return _mm512_cvtss_f32(a.v); }
SHORTHAND_INLINE float join_sum(F32x16 a) {
  const __m256 h8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 h4 = _mm_add_ps(_mm256_castps256_ps128(h8), _mm256_extractf128_ps(h8, 1));
  const __m128 h2 = _mm_add_ps(h4, _mm_movehl_ps(h4, h4));
  return _mm_cvtss_f32(_mm_add_ss(h2, _mm_movehdup_ps(h2)));
}
SHORTHAND_INLINE float join_max(F32x16 a) { return _mm512_reduce_max_ps(a.v); }

SHORTHAND_INLINE I32x16 load_int(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
SHORTHAND_INLINE I32x16 load_int_first(const int32_t* p, int n) {
  return {_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p)};
}
SHORTHAND_INLINE I32x16 sub(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
SHORTHAND_INLINE I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
SHORTHAND_INLINE I32x16 splat_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
SHORTHAND_INLINE I32x16 and_bits(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
template <int n>
SHORTHAND_INLINE I32x16 shift_left(I32x16 a) {
  return {_mm512_slli_epi32(a.v, n)};
}
template <int n>
SHORTHAND_INLINE I32x16 shift_right(I32x16 a) {
  return {_mm512_srli_epi32(a.v, n)};
}
SHORTHAND_INLINE I32x16 bits_of(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
SHORTHAND_INLINE F32x16 from_bits(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
SHORTHAND_INLINE F32x16 to_float(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
SHORTHAND_INLINE I32x16 to_int(F32x16 a) { return {_mm512_cvtps_epi32(a.v)}; }
// the low byte of each lane
SHORTHAND_INLINE void store_bytes(uint8_t* p, I32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
