// SPDX-License-Identifier: Apache-2.0
// instructions(): the runtime sequence of a placed Design as the words that the array's controller reads, what aiecc
// writes to insts.bin. The configuration (cores, locks, descriptors of the tiles) lies in the xclbin; a sequence of
// another shape on the same configuration needs new words only, no compiler.
//
// Encoding: lib/Targets/AIETargetNPU.cpp and lib/Dialect/AIEX/Transforms/AIEDmaToNpu.cpp of Xilinx/mlir-aie, with the
// controller ids of its assign-tile-controller-ids. Pure and deterministic.
//
//   write      write32 of the parameter's word in the core's memory
//   signal     write32 of the lock
//   start      the eight words of a shim's descriptor, the host buffer's address patched in, the task pushed
//   await      wait for the token of the channel
#pragma once

#include <cstdint>
#include <vector>

#include "npu/place.h"

namespace shorthand::npu {

// `placement` is what check(design, device) returned; the host buffers are the arguments in the design's order.
// Refuses, as emit_mlir() does, tasks of one FIFO that are awaited in another order than they were started.
Result<std::vector<uint32_t>> instructions(const Design& design, const Device& device, const Placement& placement);

}  // namespace shorthand::npu
