// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX512VNNI
namespace shorthand::attention {
namespace {
#include "kernels/simd/f32x16_avx512.h"

#include "kernels/simd/vector_math.h"

// Packing works within 128-bit lanes and leaves groups of four keys as 0 4 8 12, 1 5 9 13, ...
SHORTHAND_INLINE void store_split(uint8_t* high, uint8_t* low, I32x16 p0, I32x16 p1, I32x16 p2, I32x16 p3) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bits13 = _mm512_set1_epi16(8191), bits7 = _mm512_set1_epi16(127);
  const __m512i a = _mm512_and_si512(_mm512_packs_epi32(p0.v, p1.v), bits13);
  const __m512i b = _mm512_and_si512(_mm512_packs_epi32(p2.v, p3.v), bits13);
  const __m512i h = _mm512_packus_epi16(_mm512_srli_epi16(a, 7), _mm512_srli_epi16(b, 7));
  const __m512i l = _mm512_packus_epi16(_mm512_and_si512(a, bits7), _mm512_and_si512(b, bits7));
  _mm512_storeu_si512(high, _mm512_permutexvar_epi32(order, h));
  _mm512_storeu_si512(low, _mm512_permutexvar_epi32(order, l));
}

#include "kernels/attention/vector_body.h"
}  // namespace

float weigh_int8_avx512(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low) {
  return weigh_int8_body(in, work, high, low);
}
float weigh_float_avx512(float* scores, int keys, int padded) { return weigh_float_body(scores, keys, padded); }

}  // namespace shorthand::attention
SHORTHAND_TARGET_END
