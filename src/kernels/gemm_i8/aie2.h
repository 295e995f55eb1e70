// SPDX-License-Identifier: Apache-2.0
// int8 products on an AIE core: int32 sums over the whole of K in a buffer of the core's own, then one epilogue.
//
// Tiles are in blocks, as the memory tiles' transfers make them: A [m, k] in blocks of 4 x 8, B [k, n] of 8 x 8, sums
// and results [m, n] of 4 x 8, blocks row by row and each row by row inside. A result therefore has the order of an A:
// the next product reads it as it is. All buffers stand on 32 bytes; none may overlap, but `residual` may be `out`.
//
// zero_i32_*        sums = 0
// matmul_i8_*       sums [m, n] += a [m, k] b [k, n], modulo 2^32; named MxKxN. _stock_ is the form of mlir-aie's
// example
//                   kernels, the same sums by a slower loop.
// epilogue_*        v = sums * column scale * row_scales + bias, |sum| < 2^27; then GELU or plus the residual; written
// as
//                   bfloat16 or float. sums are zeros afterwards: what the next tile starts from. row_max [m] becomes
//                   the larger of itself and each row's largest |out|: zero_row_max_64 starts it, and the row's tiles
//                   add to it.
// epilogue_head_*   v as int8 with a scale for each row of the tile, in -127..127: result [2 m n] is m scales, floats;
//                   the same as int16 factors, from the kHeadFactors-th on, and an int32 e: scale = factor 2^(e - 141);
//                   what has no meaning; and the tile as its second half.
// narrow_i8_*       out = sums / 2^shift, rounded to nearest even and saturated, 0 <= shift <= 31: where one scale does
//                   for a whole result.
// quantise_bf16_*   q = round(v * 127 / row_max), row_scales = row_max / 127: what the next product multiplies.
//
// Rows' scales and maxima are floats, [m]. `columns` is what npu::pack_columns() (npu/kernels/layouts.h) writes: 16-bit
// mantissas of the weights' scales and of the bias.
//
// Against exact arithmetic: sums are exact; v errs by 2^-14 of the largest that four rows' scales, the tile's sums and
// its bias allow; bfloat16 results by a rounding more; GELU adds at most 1.9e-4 and 2^-16 of that largest.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kEpilogueRows = 960, kHeadFactors = 128;

extern "C" {

void zero_i32_16x16(int32_t* sums);
void zero_i32_32x32(int32_t* sums);
void zero_i32_64x64(int32_t* sums);
void zero_row_max_64(float* row_max);

void matmul_i8_16x16x16(const int8_t* a, const int8_t* b, int32_t* sums);
void matmul_i8_32x32x32(const int8_t* a, const int8_t* b, int32_t* sums);
void matmul_i8_64x64x64(const int8_t* a, const int8_t* b, int32_t* sums);
void matmul_i8_64x128x64(const int8_t* a, const int8_t* b, int32_t* sums);
void matmul_i8_stock_64x64x64(const int8_t* a, const int8_t* b, int32_t* sums);

void epilogue_bf16_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, bfloat16* out, float* row_max,
                         int16_t* rows);
void epilogue_gelu_bf16_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, bfloat16* out,
                              float* row_max, int16_t* rows);
void epilogue_head_i8_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, int8_t* result,
                            int16_t* rows);
void epilogue_residual_f32_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, const float* residual,
                                 float* out, int16_t* rows);
void narrow_i8_64x64(const int32_t* sums, int8_t* out, int32_t shift);
void quantise_bf16_64x64(const bfloat16* in, const float* row_max, int8_t* out, float* row_scales);

}  // extern "C"
