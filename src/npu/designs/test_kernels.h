// SPDX-License-Identifier: Apache-2.0
// Matmul tiles in plain C++ over the blocked layouts, with the published cycle costs or ones counted from slots.
#pragma once

#include <algorithm>
#include <cstring>

#include "npu/designs/gemm_i8.h"

namespace shorthand::npu {

template <int R, int S, int T>
void multiply_tile(const KernelCall& call) {
  const auto* a = reinterpret_cast<const int8_t*>(call.buffers[0]);
  const auto* b = reinterpret_cast<const int8_t*>(call.buffers[1]);
  auto* c = reinterpret_cast<int32_t*>(call.buffers[2]);
  const int m = call.numbers[0], n = call.numbers[1], k = call.numbers[2];
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (int x = 0; x < k; ++x) {
        const int ai = ((i / R) * (k / S) + x / S) * R * S + i % R * S + x % S;
        const int bi = ((x / S) * (n / T) + j / T) * S * T + x % S * T + j % T;
        sum += a[ai] * b[bi];
      }
      c[((i / R) * (n / T) + j / T) * R * T + i % R * T + j % T] += sum;
    }
  }
}

inline void zero_tile(const KernelCall& call) {
  std::memset(call.buffers[0], 0, static_cast<size_t>(call.numbers[0]) * static_cast<size_t>(call.numbers[1]) * 4);
}

// The low byte of every sum after a shift by four: enough to see every bit path, no statement about numerics.
inline void narrow_tile(const KernelCall& call) {
  const auto* sums = reinterpret_cast<const int32_t*>(call.buffers[0]);
  auto* c = reinterpret_cast<int8_t*>(call.buffers[1]);
  for (int i = 0; i < call.numbers[0] * call.numbers[1]; ++i)
    c[i] = static_cast<int8_t>(static_cast<uint32_t>(sums[i]) >> 4);
}

// One 256-bit store a cycle.
inline int64_t zero_cycles(Generation, std::span<const int32_t> n) { return int64_t{n[0]} * n[1] * 4 / 32 + 8; }

// mlir-aie's 4x2 expansion, as measured: 54 cycles of loop and 87 of loads, stores and spills of C for each group of 16
// x 16 over k = 64, sixteen groups and the rest: 2,442 cycles [SIL 2.3.1]. The loop shares go with k.
inline int64_t stock_cycles(Generation, std::span<const int32_t> n) {
  const int64_t groups = int64_t{n[0]} * n[1] / 256;
  return groups * (54 * n[2] / 64 + 87) + 186;
}

// 2x2 groups of 4x8x8: a vmac a cycle, two loads and one store beside it, eight cycles to fill the pipeline. A step
// takes two loads of A and four of B; the group's sums sixteen loads and sixteen stores.
inline int64_t blocked_cycles(Generation, std::span<const int32_t> n) {
  const int64_t steps = n[2] / 8, groups = int64_t{n[0]} * n[1] / 128;
  return groups * (std::max({4 * steps, (6 * steps + 16) / 2, int64_t{16}}) + 8) + 20;
}

// 32 sums: four loads, two shifts to 16 bits, one to 8, a store; the shifts share one slot.
inline int64_t narrow_cycles(Generation, std::span<const int32_t> n) { return int64_t{n[0]} * n[1] / 32 * 4 + 20; }

// Of the stock call's 2,442 cycles 1,024 load A or B, and in 8 x 16 both are loaded in one bundle.
inline GemmKernels stock_kernels() {
  return {{"zero_i32", "mm.o", {zero_tile, 1, 2}, zero_cycles, 256, 50, 0},
          {"matmul_i8_i32", "mm.o", {multiply_tile<4, 8, 8>, 3, 3}, stock_cycles, 1024, 42, 5},
          {},
          4,
          8,
          8,
          1,
          4};
}

inline GemmKernels blocked_kernels() {
  return {{"zero_i32", "gemm.o", {zero_tile, 1, 2}, zero_cycles, 256, 50, 0},
          {"multiply_i8", "gemm.o", {multiply_tile<4, 8, 8>, 3, 3}, blocked_cycles, 1024, 50, 12},
          {"narrow_i8", "gemm.o", {narrow_tile, 2, 2}, narrow_cycles, 256, 50, 0},
          4,
          8,
          8,
          1,
          1};
}

}  // namespace shorthand::npu
