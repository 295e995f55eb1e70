// SPDX-License-Identifier: Apache-2.0
// The VEX-coded vpdpbusd: unsigned A times signed B, four products a lane, no saturation.
// Tile 4 rows x 1 panel: 8 accumulators, 2 of B, 1 of A.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVXVNNI
namespace shorthand::gemm_i8 {
namespace {

template <int rows>
SHORTHAND_INLINE void panel_product(const uint8_t* a, size_t a_stride, const int8_t* panel, int k_padded, int32_t* out,
                                    size_t out_stride) {
  __m256i acc[rows][2];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (int k = 0; k < k_padded; k += kDepthGroup) {
    const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + k * kPanelColumns));
    const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + k * kPanelColumns + 32));
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, a + static_cast<size_t>(r) * a_stride + k, 4);
      const __m256i av = _mm256_set1_epi32(four);
      acc[r][0] = _mm256_dpbusd_avx_epi32(acc[r][0], av, b0);
      acc[r][1] = _mm256_dpbusd_avx_epi32(acc[r][1], av, b1);
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    __m256i* to = reinterpret_cast<__m256i*>(out + static_cast<size_t>(r) * out_stride);
    _mm256_storeu_si256(to, acc[r][0]);
    _mm256_storeu_si256(to + 1, acc[r][1]);
  }
}

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avxvnni) {
  for (int p = 0; p < n_panels; ++p) {
    const int8_t* panel = panels + static_cast<size_t>(p) * panel_stride;
    int32_t* to = out + p * kPanelColumns;
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
      const size_t row = static_cast<size_t>(r);
      panel_product<4>(a + row * a_stride, a_stride, panel, k_padded, to + row * out_stride, out_stride);
    }
    for (; r < rows; ++r) {
      const size_t row = static_cast<size_t>(r);
      panel_product<1>(a + row * a_stride, a_stride, panel, k_padded, to + row * out_stride, out_stride);
    }
  }
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
