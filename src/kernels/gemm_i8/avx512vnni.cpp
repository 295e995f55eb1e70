// SPDX-License-Identifier: Apache-2.0
// vpdpbusd on ZMM: one instruction multiplies 4 of k for the 16 columns of a panel.
// Tile 12 rows x 2 panels: 24 accumulators, 2 of B, 1 of A: the widest that leaves room in 32 registers; fewer rows
// take more panels at once, so that a single row still has eight independent sums in flight.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX512VNNI
namespace shorthand::gemm_i8 {
namespace {
#include "kernels/simd/f32x16_avx512.h"

#include "kernels/simd/vector_math.h"

#include "kernels/gemm_i8/epilogue_body.h"

template <int rows, int columns>  // columns in panels
SHORTHAND_INLINE void block(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int k_padded,
                            int32_t* out, size_t out_stride) {
  __m512i acc[rows][columns];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) acc[r][c] = _mm512_setzero_si512();
  }
  for (int k = 0; k < k_padded; k += kDepthGroup) {
    __m512i b[columns];
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) {
      const int8_t* here = panels + static_cast<size_t>(c) * panel_stride + static_cast<size_t>(k) * kPanelColumns;
      b[c] = _mm512_load_si512(here);
      _mm_prefetch(here + columns * panel_stride, _MM_HINT_T1);  // the next panels, which the hardware does not guess
    }
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, a + static_cast<size_t>(r) * a_stride + k, 4);
      const __m512i av = _mm512_set1_epi32(four);
      SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], av, b[c]);
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) {
      _mm512_storeu_si512(out + static_cast<size_t>(r) * out_stride + c * kPanelColumns, acc[r][c]);
    }
  }
}

// Panels `wide` at a time, what is left half as wide.
template <int rows, int wide>
SHORTHAND_INLINE void panel_blocks(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride,
                                   int n_panels, int k_padded, int32_t* out, size_t out_stride) {
  for (; n_panels >= wide; n_panels -= wide, panels += wide * panel_stride, out += wide * kPanelColumns) {
    block<rows, wide>(a, a_stride, panels, panel_stride, k_padded, out, out_stride);
  }
  if constexpr (wide > 1)
    panel_blocks<rows, wide / 2>(a, a_stride, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

template <int rows>
static void row_block(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int n_panels,
                      int k_padded, int32_t* out, size_t out_stride) {
  constexpr int kWide = rows >= 7 ? 2 : rows >= 3 ? 4 : 8;
  panel_blocks<rows, kWide>(a, a_stride, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avx512vnni) {
  using RowBlock = void (*)(const uint8_t*, size_t, const int8_t*, size_t, int, int, int32_t*, size_t);
  static constexpr RowBlock by_rows[] = {nullptr,       row_block<1>,  row_block<2>, row_block<3>, row_block<4>,
                                         row_block<5>,  row_block<6>,  row_block<7>, row_block<8>, row_block<9>,
                                         row_block<10>, row_block<11>, row_block<12>};
  for (int r = 0; r < rows; r += 12) {
    const size_t row = static_cast<size_t>(r);
    const int here = rows - r < 12 ? rows - r : 12;
    by_rows[here](a + row * a_stride, a_stride, panels, panel_stride, n_panels, k_padded, out + row * out_stride,
                  out_stride);
  }
}

void epilogue_avx512(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  epilogue_any(sums, stride, rows, columns, t);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
