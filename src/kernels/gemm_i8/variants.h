// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For gemm_i8.cpp and the tests only.
#pragma once

#include "kernels/gemm_i8/gemm_i8.h"

namespace shorthand::gemm_i8 {

#define SHORTHAND_GEMM_I8_TILE(name)                                                                              \
  void name(const uint8_t* a, size_t a_stride, int rows, const int8_t* panels, size_t panel_stride, int n_panels, \
            int k_padded, int32_t* out, size_t out_stride)
SHORTHAND_GEMM_I8_TILE(tile_scalar);
SHORTHAND_GEMM_I8_TILE(tile_avx2);
SHORTHAND_GEMM_I8_TILE(tile_avxvnni);
SHORTHAND_GEMM_I8_TILE(tile_avx512vnni);
SHORTHAND_GEMM_I8_TILE(tile_amx);

// The sources of tile_avxvnni and tile_amx over instructions that other machines have. Built into the tests.
SHORTHAND_GEMM_I8_TILE(tile_avxvnni_emulated);  // AVX2
SHORTHAND_GEMM_I8_TILE(tile_amx_emulated);      // scalar

void epilogue_scalar(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t);
void epilogue_avx2(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t);
void epilogue_avx512(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t);

inline constexpr int kAmxTileRows = 32, kAmxTilePanels = 2;

}  // namespace shorthand::gemm_i8
