// SPDX-License-Identifier: Apache-2.0
// What happens to rows between the products, on an AIE core.
//
// Rows are row-major; widths are multiples of 16 and all buffers stand on 32 bytes. Statistics are float; products of
// floats are of bfloat16 parts, relative error about 2^-15 each. q = round(y * 127 / absmax of the row) in -127..127,
// scale = absmax / 127; a row of zeros has the scale 0.
//
// layer_norm_i8     y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta of four rows, quantised; width a multiple of
//                   64. x and q stand in blocks of 4 x 8: rows floats [width / 8][4][8], q [width / 8][4][8].
//                   parameters: npu::pack_layer_norm() (npu/kernels/layouts.h). state [kNormState] floats: the sums of
//                   x over the blocks [4][8], then as int16 [4][8] the largest magnitudes' upper sixteen bits, cut off.
//                   In 16 bits: x - mean under each row's largest |x| + |mean|, y under what that makes possible in the
//                   four rows; a row whose y are all below 2^-8 of that has fewer steps than 127. What is left in rows
//                   is y as int16 in blocks, in steps of 2^(e - 14) where 2^e is left in the first sixteen floats of
//                   state.
// quantise_rows_*   x [rows, width], rows x_stride elements apart (a multiple of 16), to q rows q_stride bytes apart
//                   (a multiple of 32, not less than width), zero beyond the width. With rows that overlap this is the
//                   im2col of the convolution stem: of frames [t, channels], the row of three frames under a kernel at
//                   frame stride s is x_stride = s * channels, width = 3 * channels.
// gelu_bf16         y = gelu(x), count a multiple of 32; y may be x. At most 1.2e-4 off before the rounding.
// softmax_bf16      p = exp(x - max) / sum over the first `valid` of each row [rows, width], width a multiple of 32; 0
//                   beyond. Each p within 1.5 % and without bias, which is bfloat16's.
// add_f32           out = a + b; out may be either; count a multiple of 16.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kNormState = 48;

extern "C" {

void layer_norm_i8(float* rows, const int16_t* parameters, float* state, int8_t* q, float* scales, int32_t width);
void quantise_rows_f32(const float* x, int8_t* q, float* scales, int32_t rows, int32_t width, int32_t x_stride,
                       int32_t q_stride);
void quantise_rows_bf16(const bfloat16* x, int8_t* q, float* scales, int32_t rows, int32_t width, int32_t x_stride,
                        int32_t q_stride);
void gelu_bf16(const bfloat16* x, bfloat16* y, int32_t count);
void softmax_bf16(const float* x, bfloat16* p, int32_t rows, int32_t width, int32_t valid);
void add_f32(const float* a, const float* b, float* out, int32_t count);

}  // extern "C"
