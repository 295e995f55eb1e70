// SPDX-License-Identifier: Apache-2.0
// Tile 6 rows x 1 panel: 12 accumulators of 8 floats, 2 of B, 1 of A.
#include "kernels/gemm_f32/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::gemm_f32 {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

#include "kernels/gemm_f32/vector_body.h"
}  // namespace

SHORTHAND_GEMM_F32_TILE(tile_avx2) {
  tile_body<6, 1, 2>(a, a_stride, rows, panels, panel_stride, n_panels, k, out, out_stride);
}

void epilogue_avx2(const float* sums, size_t stride, int rows, int columns, const Epilogue& e) {
  epilogue_body(sums, stride, rows, columns, e);
}

}  // namespace shorthand::gemm_f32
SHORTHAND_TARGET_END
