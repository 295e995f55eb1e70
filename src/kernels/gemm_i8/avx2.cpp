// SPDX-License-Identifier: Apache-2.0
// AVX2 without 8-bit dot products: both sides are widened to 16 bits, because pmaddubsw would saturate at 255 * 127
// * 2.
//
// 16 bytes of a panel are 4 columns x 4 of k. Widened, a register holds them as 16 words; pmaddwd with the 4 words of
// A, repeated four times, leaves two partial sums a column side by side. They are added once, after the last k. Tile 2
// rows x 1 panel: 8 accumulators, 4 of B, 2 of A.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::gemm_i8 {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

#include "kernels/gemm_i8/epilogue_body.h"

SHORTHAND_INLINE __m256i four_of_a(const uint8_t* a) {
  int32_t four;
  __builtin_memcpy(&four, a, 4);
  return _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
}

// [c0 c0 c1 c1 c2 c2 c3 c3] and the next four columns -> eight column sums in order
SHORTHAND_INLINE __m256i join_pairs(__m256i columns0to3, __m256i columns4to7) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(columns0to3, columns4to7), 0xd8);
}

template <int rows>
SHORTHAND_INLINE void panel_product(const uint8_t* a, size_t a_stride, const int8_t* panel, int k_padded, int32_t* out,
                                    size_t out_stride) {
  __m256i acc[rows][4];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int q = 0; q < 4; ++q) acc[r][q] = _mm256_setzero_si256();
  }
  for (int k = 0; k < k_padded; k += kDepthGroup) {
    __m256i b[4];
    SHORTHAND_UNROLL for (int q = 0; q < 4; ++q) {
      b[q] = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(panel + k * kPanelColumns + q * 16)));
    }
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      const __m256i av = four_of_a(a + static_cast<size_t>(r) * a_stride + k);
      SHORTHAND_UNROLL for (int q = 0; q < 4; ++q) acc[r][q] = _mm256_add_epi32(acc[r][q], _mm256_madd_epi16(av, b[q]));
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    __m256i* to = reinterpret_cast<__m256i*>(out + static_cast<size_t>(r) * out_stride);
    _mm256_storeu_si256(to, join_pairs(acc[r][0], acc[r][1]));
    _mm256_storeu_si256(to + 1, join_pairs(acc[r][2], acc[r][3]));
  }
}

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avx2) {
  for (int p = 0; p < n_panels; ++p) {
    const int8_t* panel = panels + static_cast<size_t>(p) * panel_stride;
    int32_t* to = out + p * kPanelColumns;
    int r = 0;
    for (; r + 2 <= rows; r += 2) {
      const size_t row = static_cast<size_t>(r);
      panel_product<2>(a + row * a_stride, a_stride, panel, k_padded, to + row * out_stride, out_stride);
    }
    const size_t row = static_cast<size_t>(r);
    if (r < rows) panel_product<1>(a + row * a_stride, a_stride, panel, k_padded, to + row * out_stride, out_stride);
  }
}

void epilogue_avx2(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  epilogue_any(sums, stride, rows, columns, t);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
