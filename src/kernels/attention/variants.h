// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For attention.cpp and the tests only.
#pragma once

#include "kernels/attention/attention.h"

namespace shorthand::attention {

void weigh_int8_scalar(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors);
void weigh_int8_avx2(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors);
void weigh_int8_avx512(const WeighInt8& in, RowState* states, uint8_t* weights, BlockFactors* factors);

void add_block_scalar(const int32_t* sums, const BlockFactors* factors, int rows, float* acc);
void add_block_avx2(const int32_t* sums, const BlockFactors* factors, int rows, float* acc);
void add_block_avx512(const int32_t* sums, const BlockFactors* factors, int rows, float* acc);

float weigh_float_scalar(float* scores, int keys, int padded);
float weigh_float_avx2(float* scores, int keys, int padded);
float weigh_float_avx512(float* scores, int keys, int padded);

inline constexpr float kLevels = 255.0f;      // of a weight
inline constexpr float kQueryScale = 0.125f;  // 1 / sqrt(64)

}  // namespace shorthand::attention
