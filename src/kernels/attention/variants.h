// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For attention.cpp and the tests only.
#pragma once

#include "kernels/attention/attention.h"

namespace shorthand::attention {

float weigh_int8_scalar(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low);
float weigh_int8_avx2(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low);
float weigh_int8_avx512(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low);

float weigh_float_scalar(float* scores, int keys, int padded);
float weigh_float_avx2(float* scores, int keys, int padded);
float weigh_float_avx512(float* scores, int keys, int padded);

inline constexpr float kLevels = 8191.0f;     // 13 bits
inline constexpr float kQueryScale = 0.125f;  // 1 / sqrt(64)

}  // namespace shorthand::attention
