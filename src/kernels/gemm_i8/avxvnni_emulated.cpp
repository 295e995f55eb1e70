// SPDX-License-Identifier: Apache-2.0
// The dot product in AVX2, so that the logic of avxvnni_body.h is tested on machines without the instruction.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::gemm_i8 {
namespace {

// Even and odd bytes apart, widened to 16 bits: no pair of products passes 32 bits.
SHORTHAND_INLINE __m256i dot(__m256i sums, __m256i a, __m256i b) {
  const __m256i a_even = _mm256_and_si256(a, _mm256_set1_epi16(255)), a_odd = _mm256_srli_epi16(a, 8);
  const __m256i b_even = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b_odd = _mm256_srai_epi16(b, 8);
  const __m256i products = _mm256_add_epi32(_mm256_madd_epi16(a_even, b_even), _mm256_madd_epi16(a_odd, b_odd));
  return _mm256_add_epi32(sums, products);
}

#include "kernels/gemm_i8/avxvnni_body.h"

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avxvnni_emulated) {
  tile_product(a, a_stride, rows, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
