// SPDX-License-Identifier: Apache-2.0
// emit(): a placed Design as the text that MLIR-AIE compiles: the configuration of the array, the programs of its cores
// and the runtime sequence. Pure and deterministic.
//
// The text stands below objectFifos: buffers at the addresses, locks with the numbers and descriptors in the order that
// place() gave them, so that the array does what the simulator ran and no second allocator decides anything. Names of
// the design survive as symbols, and every FIFO that touches the host is a shim allocation of its own name. Syntax of
// Xilinx/mlir-aie in 2026 (docs/npu.md).
//
//   device     aie.tile, aie.buffer, aie.lock, aie.flow, aie.shim_dma_allocation, aie.mem and aie.memtile_dma
//   cores      an endless scf.for around the steps; which object of a FIFO is in hand is an index that the loops carry
//   sequence   aiex.npu.rtp_write, aiex.set_lock, tasks configured, started, awaited and freed
#pragma once

#include <string>

#include "npu/place.h"

namespace shorthand::npu {

// `placement` is what check(design, device) returned. Refuses what the simulator can run and the text cannot say: a
// worker whose objects in hand differ from one pass of a loop to the next, one kernel on objects of two element sizes,
// tasks of one FIFO awaited in another order than they were started.
Result<std::string> emit_mlir(const Design& design, const Device& device, const Placement& placement);

// "npu1", or of a part of it "npu1_2col", as find_device() takes it and aie.device wants it.
std::string device_name(const Device& device);

// A Makefile that builds `design`.mlir, written beside it, and its kernels into final.xclbin and insts.bin with Peano
// and aiecc, and then calls `design`.txt, what they were made from (xrt/artefacts.h), artefacts.txt; `sources` is the
// folder with the kernel families.
std::string build_steps(const Design& design, const Device& device, const std::string& sources);

}  // namespace shorthand::npu
