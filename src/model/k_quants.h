// SPDX-License-Identifier: Apache-2.0
// ggml's k-quants: blocks of 256 numbers, in groups of 16 or 32 with small scales that are themselves multiples of the
// block's. With q of b bits, s and m the group's:
//
//   q2_K   84 bytes  16 bytes of m, s (4 bits each), 64 of q, f16 d, f16 e           value = q s d - m e
//   q3_K  110        32 bytes of high bits, 64 of low, 12 of s (6 bits), f16 d       value = (q - 4) (s - 32) d
//   q4_K  144        f16 d, f16 e, 12 bytes of s and m (6 bits), 128 of q            value = q s d - m e
//   q5_K  176        f16 d, f16 e, 12 bytes of s and m, 32 of fifth bits, 128 of q   value = q s d - m e
//   q6_K  210        128 bytes of low nibbles, 64 of high bits, 16 int8 s, f16 d     value = (q - 32) s d
//
// How the bits of q lie is said where they are read. Source: ggml's block_q*_K structures and what its quantiser wrote.
#pragma once

#include <cstddef>

#include "model/storage.h"

namespace shorthand {

inline constexpr size_t kKBlock = 256;

// One block to kKBlock floats. Precondition: dtype is a k-quant, and `block` has block_bytes(dtype).
void decode_k_block(DType dtype, const std::byte* block, float* out);

}  // namespace shorthand
