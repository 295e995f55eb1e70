// SPDX-License-Identifier: Apache-2.0
// C[m, n] = A[m, k] * B[k, n] on the whole array: every core makes one tile of C at a time, the cores of a row share
// the tiles of A, those of a column the tiles of B. A block of C is `rows of cores x tile_m` by `columns x tile_n`.
//
//   A  row-major; a feeder's rows go to its memory tile and from there, re-blocked r x s, along the rows of cores
//   B  row-major, or packed tile after tile (pack_b) so that the shim reads long runs; re-blocked s x t on the way
//   C  gathered in the memory tile of its column, un-blocked r x t into row-major
//
// Two forms. `stock` is the published whole-array design: C lives in the FIFO and is added to in memory by every call.
// The other keeps the int32 sums of a tile in a buffer of the core's own over the whole of k and lets an epilogue make
// the outgoing tile, so that C leaves once and narrow; with `keep_a` a panel of A [tile_m, k] stays in the memory tile
// for all blocks of a row of C, and DDR carries it once.
#pragma once

#include "npu/design.h"

namespace shorthand::npu {

// The kernels of one form, over tiles of r x s, s x t and r x t blocks in row-major order of the blocks.
struct GemmKernels {
  KernelType zero;          // sums
  KernelType multiply;      // a, b, sums: sums += a * b
  KernelType epilogue;      // sums, c; unused by the stock form
  int r = 4, s = 8, t = 8;  // of the matrix unit's shape
  int input_bytes = 1, output_bytes = 4;
  bool shaped = false;  // their names state their shape and they take no numbers, as those of aie_kernels() do
};

struct GemmI8 {
  int m = 0, n = 0, k = 0;
  int tile_m = 64, tile_n = 64, tile_k = 64;
  bool stock = false;
  bool keep_a = false;
  bool packed_a = false;  // A in tiles too (pack_a), as a product before this one can leave it
  bool packed_b = false;
  int depth = 2;  // 1: single-buffered
  int depth_c = 2;
  int shift = -1;  // of the epilogue, where it takes one
  struct Banks {   // of a core's memory, of each object; empty or negative: as placed
    std::vector<int> a, b, c;
    int sums = -1;
  } banks = {};
};

// Refuses shapes that are no whole number of blocks. Host buffers: "a", "b", "c".
Result<Design> gemm_i8_design(const Device& device, const GemmI8& gemm, const GemmKernels& kernels);

// A [m, k] row-major into the order of the packed form. `packed` has m * k elements.
void pack_a(const Device& device, const GemmI8& gemm, const int8_t* a, int8_t* packed);

// B [k, n] row-major into the order of the packed form. `packed` has k * n elements.
void pack_b(const Device& device, const GemmI8& gemm, const int8_t* b, int8_t* packed);

}  // namespace shorthand::npu
