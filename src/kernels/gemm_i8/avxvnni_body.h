// SPDX-License-Identifier: Apache-2.0
// The product over YMM registers and an 8-bit dot product, whoever provides it. Included by avxvnni.cpp (the
// processor's instruction) and by avxvnni_emulated.cpp (AVX2), inside their region and namespace; they define
//   dot(sums, a, b)    sums + the four products of each 32-bit lane, a unsigned, b signed, no saturation
//
// Tile 6 rows x 1 panel: 12 accumulators, 2 of B, 1 of A. Fewer rows split k among `chains` sets of accumulators, so
// that there are still eight sums or more in flight.

template <int rows, int chains>
SHORTHAND_INLINE void panel_product(const uint8_t* a, size_t a_stride, const int8_t* panel, size_t panel_stride,
                                    int k_padded, int32_t* out, size_t out_stride) {
  static_assert(kDepthAlign % (chains * kDepthGroup) == 0);
  __m256i acc[chains][rows][2];
  SHORTHAND_UNROLL for (int i = 0; i < chains; ++i) {
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) acc[i][r][0] = acc[i][r][1] = _mm256_setzero_si256();
  }
  for (int start = 0; start < k_padded; start += chains * kDepthGroup) {
    SHORTHAND_UNROLL for (int i = 0; i < chains; ++i) {
      const int k = start + i * kDepthGroup;
      const int8_t* here = panel + k * kPanelColumns;
      if constexpr (rows > 2) _mm_prefetch(here + panel_stride, _MM_HINT_T1);
      const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(here));
      const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(here + 32));
      SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, a + static_cast<size_t>(r) * a_stride + k, 4);
        const __m256i av = _mm256_set1_epi32(four);
        acc[i][r][0] = dot(acc[i][r][0], av, b0);
        acc[i][r][1] = dot(acc[i][r][1], av, b1);
      }
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int i = 1; i < chains; ++i) {
      acc[0][r][0] = _mm256_add_epi32(acc[0][r][0], acc[i][r][0]);
      acc[0][r][1] = _mm256_add_epi32(acc[0][r][1], acc[i][r][1]);
    }
    __m256i* to = reinterpret_cast<__m256i*>(out + static_cast<size_t>(r) * out_stride);
    _mm256_storeu_si256(to, acc[0][r][0]);
    _mm256_storeu_si256(to + 1, acc[0][r][1]);
  }
}

template <int rows, int chains>
static void row_block(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int n_panels,
                      int k_padded, int32_t* out, size_t out_stride) {
  for (int p = 0; p < n_panels; ++p) {
    panel_product<rows, chains>(a, a_stride, panels + static_cast<size_t>(p) * panel_stride, panel_stride, k_padded,
                                out + p * kPanelColumns, out_stride);
  }
}

static void tile_product(const uint8_t* a, size_t a_stride, int rows, const int8_t* panels, size_t panel_stride,
                         int n_panels, int k_padded, int32_t* out, size_t out_stride) {
  using RowBlock = void (*)(const uint8_t*, size_t, const int8_t*, size_t, int, int, int32_t*, size_t);
  static constexpr RowBlock by_rows[] = {nullptr,         row_block<1, 4>, row_block<2, 2>, row_block<3, 2>,
                                         row_block<4, 1>, row_block<5, 1>, row_block<6, 1>};
  for (int r = 0; r < rows; r += 6) {
    const size_t row = static_cast<size_t>(r);
    const int here = rows - r < 6 ? rows - r : 6;
    by_rows[here](a + row * a_stride, a_stride, panels, panel_stride, n_panels, k_padded, out + row * out_stride,
                  out_stride);
  }
}
