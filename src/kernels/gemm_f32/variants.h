// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For gemm_f32.cpp and the tests only.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace shorthand::gemm_f32 {

#define SHORTHAND_GEMM_F32_TILE(name)                                                                                 \
  void name(const float* a, size_t a_stride, int rows, const float* panels, size_t panel_stride, int n_panels, int k, \
            float* out, size_t out_stride)
SHORTHAND_GEMM_F32_TILE(tile_scalar);
SHORTHAND_GEMM_F32_TILE(tile_avx2);
SHORTHAND_GEMM_F32_TILE(tile_avx512);

void epilogue_scalar(const float* sums, size_t stride, int rows, int columns, const Epilogue& e);
void epilogue_avx2(const float* sums, size_t stride, int rows, int columns, const Epilogue& e);
void epilogue_avx512(const float* sums, size_t stride, int rows, int columns, const Epilogue& e);

}  // namespace shorthand::gemm_f32
