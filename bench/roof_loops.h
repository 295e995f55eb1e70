// SPDX-License-Identifier: Apache-2.0
// The loops behind roofs.h. Each writes its sums to `out`, so that none is optimised away, and runs only where the
// machine has its instructions (base/cpu.h).
#pragma once

#include <cstddef>

namespace shorthand::bench {

// Independent chains, no two alike, lest the compiler make one of them: more than any of these instructions takes
// cycles times how many start in one.
inline constexpr int kChains = 16;
inline constexpr int kNarrowChains = 12;  // of sixteen registers

// n steps of kChains or kNarrowChains products on registers; out: kChains * 64 bytes.
void dot_zmm(int n, void* out);    // 64 int8 multiply-accumulates a chain
void fma_zmm(int n, void* out);    // 16 float
void dot_ymm(int n, void* out);    // 32 int8
void madd_ymm(int n, void* out);   // 16 int16
void fma_ymm(int n, void* out);    // 8 float
void dot_tiles(int n, void* out);  // four products of tiles of 16 x 64 and 64 x 16 int8

// Reads `bytes`, a multiple of 128 on a 32-byte boundary; out: 128 bytes.
void read_ymm(const std::byte* from, size_t bytes, void* out);

}  // namespace shorthand::bench
