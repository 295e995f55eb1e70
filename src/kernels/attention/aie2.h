// SPDX-License-Identifier: Apache-2.0
// Attention of one head on an AIE core: 64 queries against any number of keys, 64 at a time, under an online softmax.
//
// All tiles are [64, 64] in blocks of 4 x 8, the order in which the products of gemm_i8/aie2.h leave them: queries and
// keys int8 with a scale a row (not negative), values and results bfloat16. Q K^T is exact in 32 bits; scores keep 15
// bits of their range; weights are bfloat16, their sums and those of weights times values float. Scales of queries are
// floats, those of 64 keys what epilogue_head_i8_64x64 of gemm_i8/aie2.h makes of them: factors [64] under an exponent,
// an int32, that follows.
//
// attention_begin_64x64   before the first keys: sums [64 * 64], row_sums [kAttentionRowSums], state [kAttentionState]
// and
//                         the last 32 of work [kAttentionWork] are the head's own, and sums are zeros.
// A step takes in `valid` keys, 1 to 64, in four calls, so that keys can go before their values come, and half of these
// before the other half. The rest is padding: k and k_factors may hold anything there, v anything but NaN and infinity.
// All of work passes from one call to the next; what is not the head's own has no meaning between steps.
// attention_scores_64x64  work = the scores of k. q is the same in all steps of a head.
// attention_weights_64x64 scores become weights, which row_sums take in.
// attention_values_64x32  sums += weights * values of the first 32 keys (half 0) or of the other 32 (half 1).
// attention_end_64x64     out = the weighted mean of the values. sums are zeros again, row_sums have no meaning.
//
// Cost. A step's products are 1,024 of int8 and 2,048 of bfloat16, and a score takes seven vector instructions of 32
// lanes beside them (key's scale, maximum, row's scale, three for the power, sum): 128 times 7. One vector
// instruction a cycle bounds a step at 3,968 cycles on the first generation, and what the loops add is in the table of
// docs/npu-kernels.md. Three choices keep it there: a row's reference is its largest score among the *first* 64 keys
// and moves again only for a score 2^32 times as heavy, since floats have room for that, so that a step neither reduces
// across lanes nor rescales; weights are made in 16-bit integers, as the bits of a bfloat16; and every loop is flat and
// of constant length, so that its stores overlap the next round's products. Weights of 8 bits would make a product of
// 1,024 cycles of the 2,048, but a key below 1/255 of the row's best would count as nothing, and 1,500 keys of that
// kind may hold most of a row's weight.
//
// Accuracy against double precision, from the same int8 inputs: a weight is off by 2^-9 and 0.0035 of itself, without
// bias over keys. A score may lie 43 nats below the row's reference before its weight is 0.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kAttentionRowSums = 64 * 4;
inline constexpr int kAttentionState = 16 * 32 + 16 * 16;
inline constexpr int kAttentionWork = 64 * 64 + 64 + 16 * 32 + 32;

extern "C" {

void attention_begin_64x64(const float* q_scales, float* row_sums, int32_t* state, int16_t* work);
void attention_scores_64x64(const int8_t* q, const int8_t* k, const int16_t* k_factors, int16_t* work, int32_t valid);
void attention_weights_64x64(float* row_sums, int32_t* state, int16_t* work, int32_t valid);
void attention_values_64x32(int16_t* work, const bfloat16* v, float* sums, int32_t half);
void attention_end_64x64(float* sums, float* row_sums, bfloat16* out);

}  // extern "C"
