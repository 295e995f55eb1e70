// SPDX-License-Identifier: Apache-2.0
// The VEX-coded vpdpbusd: Intel Architecture Instruction Set Extensions, AVX-VNNI.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVXVNNI
namespace shorthand::gemm_i8 {
namespace {

SHORTHAND_INLINE __m256i dot(__m256i sums, __m256i a, __m256i b) { return _mm256_dpbusd_avx_epi32(sums, a, b); }

#include "kernels/gemm_i8/avxvnni_body.h"

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avxvnni) {
  tile_product(a, a_stride, rows, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
