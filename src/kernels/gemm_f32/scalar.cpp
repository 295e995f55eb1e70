// SPDX-License-Identifier: Apache-2.0
// The meaning of the family.
#include <cmath>

#include "kernels/gemm_f32/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::gemm_f32 {

SHORTHAND_GEMM_F32_TILE(tile_scalar) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < n_panels * kPanelColumns; ++c) {
      const float* panel = panels + static_cast<size_t>(c / kPanelColumns) * panel_stride + c % kPanelColumns;
      float sum = 0;
      for (int i = 0; i < k; ++i)
        sum = std::fma(a[static_cast<size_t>(r) * a_stride + static_cast<size_t>(i)], panel[i * kPanelColumns], sum);
      out[static_cast<size_t>(r) * out_stride + static_cast<size_t>(c)] = sum;
    }
  }
}

void epilogue_scalar(const float* sums, size_t stride, int rows, int columns, const Epilogue& e) {
  for (int r = 0; r < rows; ++r) {
    const size_t row = static_cast<size_t>(r);
    for (int c = 0; c < columns; ++c) {
      float v = sums[row * stride + static_cast<size_t>(c)] + (e.bias ? e.bias[c] : 0.0f);
      if (e.act == Act::gelu) v = simd::gelu_scalar(v);
      if (e.residual) v += e.residual[row * e.residual_stride + static_cast<size_t>(c)];
      e.c[row * e.c_stride + static_cast<size_t>(c)] = v;
    }
  }
}

}  // namespace shorthand::gemm_f32
