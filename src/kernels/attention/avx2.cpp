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
SHORTHAND_INLINE void store_weights32(uint8_t* out, I32x16 p0, I32x16 p1) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(p0.lo, p0.hi), _mm256_packs_epi32(p1.lo, p1.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(bytes, order));
}
SHORTHAND_INLINE void store_weights(uint8_t* out, I32x16 p0, I32x16 p1, I32x16 p2, I32x16 p3) {
  store_weights32(out, p0, p1);
  store_weights32(out + 32, p2, p3);
}

#include "kernels/attention/vector_body.h"
}  // namespace

void weigh_int8_avx2(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors) {
  weigh_int8_body(in, states, weights, factors);
}
void add_block_avx2(const int32_t* sums, const BlockFactors* factors, int rows, float* acc) {
  add_block_body(sums, factors, rows, acc);
}
float weigh_float_avx2(float* scores, int keys, int padded) { return weigh_float_body(scores, keys, padded); }

}  // namespace shorthand::attention
SHORTHAND_TARGET_END
