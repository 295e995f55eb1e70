// SPDX-License-Identifier: Apache-2.0
// The tile product over eight tile registers, whoever provides them. Included by amx.cpp (the unit of the processor)
// and by amx_emulated.cpp (software), which define namespace-local functions
//   set_rows(n)            the first n rows of the A and C tiles exist, n <= 16; B tiles always have 16
//   zero<T>(), load<T>(p, stride), multiply<C, A, B>(), store<T>(p, stride)
//
// Registers: 0 1 2 3 the sums of 2 x 2 blocks of 16 rows x 16 columns, 4 5 A, 6 7 B. One multiply takes 16 rows x 64 of
// k times 64 of k x 16 columns: a panel's [16 groups][16 columns][4] is a B tile as it lies.

template <bool two_rows, bool two_panels>
static void block(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int k_padded,
                  int32_t* out, size_t out_stride) {
  const size_t bytes = out_stride * sizeof(int32_t);
  zero<0>();
  if constexpr (two_panels) zero<1>();
  if constexpr (two_rows) zero<2>();
  if constexpr (two_rows && two_panels) zero<3>();
  for (int k = 0; k < k_padded; k += kDepthAlign) {
    load<6>(panels + static_cast<size_t>(k) * kPanelColumns, 64);
    if constexpr (two_panels) load<7>(panels + panel_stride + static_cast<size_t>(k) * kPanelColumns, 64);
    load<4>(a + k, a_stride);
    multiply<0, 4, 6>();
    if constexpr (two_panels) multiply<1, 4, 7>();
    if constexpr (two_rows) {
      load<5>(a + 16 * a_stride + k, a_stride);
      multiply<2, 5, 6>();
      if constexpr (two_panels) multiply<3, 5, 7>();
    }
  }
  store<0>(out, bytes);
  if constexpr (two_panels) store<1>(out + kPanelColumns, bytes);
  if constexpr (two_rows) store<2>(out + 16 * out_stride, bytes);
  if constexpr (two_rows && two_panels) store<3>(out + 16 * out_stride + kPanelColumns, bytes);
}

static void tile_product(const uint8_t* a, size_t a_stride, int rows, const int8_t* panels, size_t panel_stride,
                         int n_panels, int k_padded, int32_t* out, size_t out_stride) {
  int r = 0;
  while (r < rows) {
    const bool two_rows = rows - r >= 32;
    set_rows(two_rows || rows - r >= 16 ? 16 : rows - r);
    for (int p = 0; p < n_panels; p += 2) {
      const uint8_t* a_here = a + static_cast<size_t>(r) * a_stride;
      const int8_t* b_here = panels + static_cast<size_t>(p) * panel_stride;
      int32_t* to = out + static_cast<size_t>(r) * out_stride + static_cast<size_t>(p) * kPanelColumns;
      const bool two_panels = n_panels - p >= 2;
      if (two_rows && two_panels) block<true, true>(a_here, a_stride, b_here, panel_stride, k_padded, to, out_stride);
      if (two_rows && !two_panels) block<true, false>(a_here, a_stride, b_here, panel_stride, k_padded, to, out_stride);
      if (!two_rows && two_panels) block<false, true>(a_here, a_stride, b_here, panel_stride, k_padded, to, out_stride);
      if (!two_rows && !two_panels)
        block<false, false>(a_here, a_stride, b_here, panel_stride, k_padded, to, out_stride);
    }
    r += two_rows ? 32 : 16;
  }
}
