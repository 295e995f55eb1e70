// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <cmath>

#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::gemm_i8 {

SHORTHAND_GEMM_I8_TILE(tile_scalar) {
  for (int r = 0; r < rows; ++r) {
    const uint8_t* row = a + static_cast<size_t>(r) * a_stride;
    for (int p = 0; p < n_panels; ++p) {
      const int8_t* panel = panels + static_cast<size_t>(p) * panel_stride;
      uint32_t sums[kPanelColumns] = {};  // wrap, as the dot-product instructions do
      for (int k = 0; k < k_padded; k += kDepthGroup) {
        for (int c = 0; c < kPanelColumns; ++c) {
          int four = 0;
          for (int i = 0; i < kDepthGroup; ++i) four += row[k + i] * panel[k * kPanelColumns + c * kDepthGroup + i];
          sums[c] += static_cast<uint32_t>(four);
        }
      }
      int32_t* to = out + static_cast<size_t>(r) * out_stride + static_cast<size_t>(p) * kPanelColumns;
      for (int c = 0; c < kPanelColumns; ++c) to[c] = static_cast<int32_t>(sums[c]);
    }
  }
}

void epilogue_scalar(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  for (int r = 0; r < rows; ++r) {
    const size_t row = static_cast<size_t>(r);
    const float a_scale = t.a_scales[row * t.a_scale_stride];
    for (int c = 0; c < columns; ++c) {
      const uint32_t sum =
          static_cast<uint32_t>(sums[row * stride + static_cast<size_t>(c)]) - static_cast<uint32_t>(t.bias_sums[c]);
      float v = std::fma(static_cast<float>(static_cast<int32_t>(sum)), a_scale * t.b_scales[c],
                         t.e.bias ? t.e.bias[row * t.bias_stride + static_cast<size_t>(c)] : 0.0f);
      if (t.e.act == Act::gelu) v = simd::gelu_scalar(v);
      if (t.e.residual) v += t.e.residual[row * t.e.residual_stride + static_cast<size_t>(c)];
      t.e.c[row * t.e.c_stride + static_cast<size_t>(c)] = v;
    }
  }
}

}  // namespace shorthand::gemm_i8
