// SPDX-License-Identifier: Apache-2.0
// One product, and one encoder, by every way of running it, each step's gain by itself: what tiles, cores, buffers and
// launches are worth.
//
// All rungs of the product do the same work, C[m, n] = A[m, k] * B[k, n] in int8 with int32 results, with the array's
// own kernels; a rung differs from the one that it is set against in one thing. Times are simulated, with the launch.
#pragma once

#include <string>
#include <vector>

#include "npu/designs/encoder.h"
#include "npu/designs/gemm_i8.h"

namespace shorthand::npu {

struct LadderRow {
  std::string group, step;  // "tile", "32"
  int cores = 0;
  int64_t launches = 1;
  double array_ms = 0, launch_ms = 0;
  double gops = 0;             // with the launches
  double percent_of_peak = 0;  // of the whole array's, without the launches

  double total_ms() const { return array_ms + launch_ms; }
};

// Real int8 kernels of the table (npu/kernels) for square tiles of 16, 32 or 64; with `stock` the loop of mlir-aie's
// example, which exists in 64 only. C is int32, added to in the FIFO (GemmI8::stock).
Result<GemmKernels> table_kernels(int tile, bool stock_loop = false);

// m, n and k are multiples of what the whole array takes at once: 64 times its rows of cores, 64 times its columns, and
// 64. clock_ghz 0: the device's.
Result<std::vector<LadderRow>> product_ladder(const Device& device, int m, int n, int k, double clock_ghz = 0);

// The encoder in launches of a tile on one core, a tile for every core, an operation, a layer and everything, each
// alone and in a list; then with one column and more, and with single buffers, in one launch. Every kind of launch is
// simulated once and counted as often as it comes: the convolutions are a launch beside the layers', the last LayerNorm
// is in the last layer's. Parts of one operation depend on nothing but their own data, so that times add up.
Result<std::vector<LadderRow>> encoder_ladder(const Device& device, const EncoderShape& shape, double clock_ghz = 0);

// The rows as lines of text, each of which says that it is a simulation.
std::string to_text(const std::vector<LadderRow>& rows, const Device& device, double clock_ghz = 0);

}  // namespace shorthand::npu
