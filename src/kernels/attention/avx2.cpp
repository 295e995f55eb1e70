// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::attention {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

// Packing works within 128-bit lanes and leaves groups of four keys as 0 2 4 6, 1 3 5 7.
SHORTHAND_INLINE void store_split32(uint8_t* high, uint8_t* low, I32x16 p0, I32x16 p1) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bits13 = _mm256_set1_epi16(8191), bits7 = _mm256_set1_epi16(127);
  const __m256i a = _mm256_and_si256(_mm256_packs_epi32(p0.lo, p0.hi), bits13);
  const __m256i b = _mm256_and_si256(_mm256_packs_epi32(p1.lo, p1.hi), bits13);
  const __m256i h = _mm256_packus_epi16(_mm256_srli_epi16(a, 7), _mm256_srli_epi16(b, 7));
  const __m256i l = _mm256_packus_epi16(_mm256_and_si256(a, bits7), _mm256_and_si256(b, bits7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), _mm256_permutevar8x32_epi32(h, order));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), _mm256_permutevar8x32_epi32(l, order));
}
SHORTHAND_INLINE void store_split(uint8_t* high, uint8_t* low, I32x16 p0, I32x16 p1, I32x16 p2, I32x16 p3) {
  store_split32(high, low, p0, p1);
  store_split32(high + 32, low + 32, p2, p3);
}

#include "kernels/attention/vector_body.h"
}  // namespace

float weigh_int8_avx2(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low) {
  return weigh_int8_body(in, work, high, low);
}
float weigh_float_avx2(float* scores, int keys, int padded) { return weigh_float_body(scores, keys, padded); }

}  // namespace shorthand::attention
SHORTHAND_TARGET_END
