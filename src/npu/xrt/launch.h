// SPDX-License-Identifier: Apache-2.0
// How an array program is launched through XRT, in one place: the arguments of its kernel and the words it is given.
//
//   argument 0   the opcode, 64 bits: 3, a transaction
//   argument 1   the buffer with the controller's instructions
//   argument 2   how many there are, 32 bits: words, not bytes
//   argument 3   the design's first host buffer, and so on; five at the most
//
// As Xilinx/mlir-aie's host code has it (runtime_lib/test_lib/xrt_test_wrapper.h) and the kernels.json of its aiecc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "npu/design.h"
#include "npu/device.h"
#include "npu/xrt/plugin.h"

namespace shorthand::npu {

inline constexpr uint64_t kOpcodeTransaction = 3;
enum LaunchArgument : uint32_t { kOpcodeArgument, kInstructionsArgument, kWordsArgument, kFirstHostArgument };
inline constexpr const char* kKernelName = "MLIR_AIE";  // what aiecc calls it, perhaps with a suffix

// `host`: a plugin's buffers, one a host buffer of the design, in its order.
std::vector<PluginArgument> launch_arguments(uint32_t instructions, uint32_t words, std::span<const uint32_t> host);

// Refuses words that are not a whole stream of instructions for this device, or that reach beyond the design's host
// buffers.
Result<void> check_instructions(std::span<const uint32_t> words, const Design& design, const Device& device);

}  // namespace shorthand::npu
