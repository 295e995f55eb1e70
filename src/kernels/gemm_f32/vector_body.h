// SPDX-License-Identifier: Apache-2.0
// Tile and epilogue over F32x16. Included by avx2.cpp and avx512.cpp inside their region and namespace: see
// simd/target.h.

template <int rows, int columns>  // columns in panels
SHORTHAND_INLINE void block(const float* a, size_t a_stride, const float* panels, size_t panel_stride, int k,
                            float* out, size_t out_stride) {
  F32x16 acc[rows][columns];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) acc[r][c] = splat(0.0f);
  }
  for (int i = 0; i < k; ++i) {
    F32x16 b[columns];
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) b[c] =
        load(panels + static_cast<size_t>(c) * panel_stride + i * kPanelColumns);
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      const F32x16 av = splat(a[static_cast<size_t>(r) * a_stride + i]);
      SHORTHAND_UNROLL for (int c = 0; c < columns; ++c) acc[r][c] = in_order(fma(av, b[c], acc[r][c]));
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int c = 0; c < columns; ++c)
        store(out + static_cast<size_t>(r) * out_stride + c * kPanelColumns, acc[r][c]);
  }
}

template <int rows, int wide>
static void row_block(const float* a, size_t a_stride, const float* panels, size_t panel_stride, int n_panels, int k,
                      float* out, size_t out_stride) {
  int p = 0;
  for (; p + wide <= n_panels; p += wide) {
    block<rows, wide>(a, a_stride, panels + static_cast<size_t>(p) * panel_stride, panel_stride, k,
                      out + p * kPanelColumns, out_stride);
  }
  for (; p < n_panels; ++p) {
    block<rows, 1>(a, a_stride, panels + static_cast<size_t>(p) * panel_stride, panel_stride, k,
                   out + p * kPanelColumns, out_stride);
  }
}

// Tall blocks first, then one row at a time over `single_wide` panels.
template <int tall_rows, int tall_wide, int single_wide>
SHORTHAND_INLINE void tile_body(const float* a, size_t a_stride, int rows, const float* panels, size_t panel_stride,
                                int n_panels, int k, float* out, size_t out_stride) {
  int r = 0;
  for (; r + tall_rows <= rows; r += tall_rows) {
    const size_t row = static_cast<size_t>(r);
    row_block<tall_rows, tall_wide>(a + row * a_stride, a_stride, panels, panel_stride, n_panels, k,
                                    out + row * out_stride, out_stride);
  }
  for (; r < rows; ++r) {
    const size_t row = static_cast<size_t>(r);
    row_block<1, single_wide>(a + row * a_stride, a_stride, panels, panel_stride, n_panels, k, out + row * out_stride,
                              out_stride);
  }
}

static void epilogue_body(const float* sums, size_t stride, int rows, int columns, const Epilogue& e) {
  for (int c = 0; c < columns; c += 16) {
    const int left = columns - c < 16 ? columns - c : 16;
    const F32x16 bias = e.bias ? load(e.bias + c) : splat(0.0f);
    for (int r = 0; r < rows; ++r) {
      const size_t row = static_cast<size_t>(r);
      F32x16 v = add(load(sums + row * stride + c), bias);
      if (e.act == Act::gelu) v = gelu(v);
      if (e.residual) v = add(v, load_first(e.residual + row * e.residual_stride + c, left, splat(0.0f)));
      store_first(e.c + row * e.c_stride + c, left, v);
    }
  }
}
