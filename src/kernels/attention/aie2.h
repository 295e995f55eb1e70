// SPDX-License-Identifier: Apache-2.0
// Attention of one head on an AIE core: 64 queries against any number of keys, 64 at a time, under an online softmax.
//
// All tiles are [64, 64] in blocks of 4 x 8, the order in which the products of gemm_i8/aie2.h leave them: queries and
// keys int8 with a float scale a row, values and results bfloat16. Q K^T is exact in 32 bits; scores keep 15 bits of
// their range, five binary orders finer than the noise of int8; weights are bfloat16, their sums and those of weights
// times values float. Unlike the CPU's int8 values and 13-bit weights, two 8-bit products, one product of bfloat16
// costs the core the same cycles, needs no common largest weight, and so no rescaling of the sums whenever a new
// maximum comes: they are rescaled only when it passes the old one by 2^8.
//
// attention_begin_64x64   before the first keys: sums [kAttentionSums] and state [kAttentionState] are the head's own.
// attention_step_64x64    takes in `valid` keys, 1 to 64, the rest is padding that may hold anything but NaN and
// infinity
//                         in v. work: [kAttentionWork] int16, of no meaning between calls.
// attention_end_64x64     out = the weighted mean of the values; row_max [64] becomes the larger of itself and each
// row's
//                         largest |out|.
// Scores q . k / 8 may differ by up to 22 (nats) from the row's maximum before a weight becomes 2^-32 and stays there.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kAttentionSums = 64 * 64 + 64 * 4;
inline constexpr int kAttentionState = 64 + 16;
inline constexpr int kAttentionWork = 64 * 64 + 8 * 64 + 8 * 32;

extern "C" {

void attention_begin_64x64(float* sums, int32_t* state);
void attention_step_64x64(const int8_t* q, const float* q_scales, const int8_t* k, const float* k_scales,
                          const bfloat16* v, float* sums, int32_t* state, int16_t* work, int32_t valid);
void attention_end_64x64(const float* sums, bfloat16* out, float* row_max);

}  // extern "C"
