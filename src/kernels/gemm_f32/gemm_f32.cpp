// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm_f32/gemm_f32.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/choose.h"
#include "kernels/gemm_f32/variants.h"

namespace shorthand::gemm_f32 {
namespace {

constexpr std::array kVariants = {
    Variant{Isa::scalar, 4, 1, tile_scalar, epilogue_scalar},
    Variant{Isa::avx2, 6, 4, tile_avx2, epilogue_avx2},
    Variant{Isa::avx512vnni, 8, 12, tile_avx512, epilogue_avx512},
};

constexpr int kMaxTileRows = 8, kMaxTileColumns = 192;

}  // namespace

std::span<const Variant> variants() { return kVariants; }

const Variant& choose(Isa cap) { return choose_variant(kVariants, cap); }

void pack(const float* b, int n, int k, float* panels) {
  std::fill_n(panels, packed_floats(n, k), 0.0f);
  for (int c = 0; c < n; ++c) {
    for (int i = 0; i < k; ++i) {
      panels[panel_offset(c, i, k)] = b[static_cast<size_t>(c) * static_cast<size_t>(k) + static_cast<size_t>(i)];
    }
  }
}

void multiply(const Variant& v, const float* a, size_t a_stride, int m, const PackedB& b, int first_panel,
              int last_panel, const Epilogue& e) {
  alignas(64) float sums[kMaxTileRows * kMaxTileColumns];
  const int group = m >= 4 ? std::min(v.tile_panels, 3) : v.tile_panels;
  const size_t stride = static_cast<size_t>(group) * kPanelColumns;
  const size_t panel_stride = static_cast<size_t>(b.k) * kPanelColumns;
  for (int p = first_panel; p < last_panel; p += group) {
    const int panels = std::min(group, last_panel - p);
    const size_t column = static_cast<size_t>(p) * kPanelColumns;
    const int columns = std::min(panels * kPanelColumns, b.n - p * kPanelColumns);
    for (int r = 0; r < m; r += v.tile_rows) {
      const int rows = std::min(v.tile_rows, m - r);
      const size_t row = static_cast<size_t>(r);
      v.tile(a + row * a_stride, a_stride, rows, b.panels + static_cast<size_t>(p) * panel_stride, panel_stride, panels,
             b.k, sums, stride);
      Epilogue here = e;
      here.c += row * e.c_stride + column;
      if (e.bias) here.bias += column;
      if (e.residual) here.residual += row * e.residual_stride + column;
      v.epilogue(sums, stride, rows, columns, here);
    }
  }
}

}  // namespace shorthand::gemm_f32
