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
SHORTHAND_INLINE void store_weights(uint8_t* out, I32x16 p0, I32x16 p1, I32x16 p2, I32x16 p3) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(p0.v, p1.v), _mm512_packs_epi32(p2.v, p3.v));
  _mm512_storeu_si512(out, _mm512_permutexvar_epi32(order, bytes));
}

#include "kernels/attention/vector_body.h"
}  // namespace

void weigh_int8_avx512(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors) {
  weigh_int8_body(in, states, weights, factors);
}
void add_block_avx512(const int32_t* sums, const BlockFactors* factors, int rows, float* acc) {
  add_block_body(sums, factors, rows, acc);
}
float weigh_float_avx512(float* scores, int keys, int padded) { return weigh_float_body(scores, keys, padded); }

}  // namespace shorthand::attention
SHORTHAND_TARGET_END
