// SPDX-License-Identifier: Apache-2.0
// What a core of the array can call: a compiled function over buffers in its tile's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shorthand::npu {

enum class Generation : uint8_t { aie2, aie2p };  // Phoenix and Hawk Point; Strix and Krackan

struct KernelCall {
  std::span<std::byte* const> buffers;  // in the order of the C function's pointer parameters
  std::span<const int32_t> numbers;     // its int32 parameters, which come last
};

struct KernelFunction {
  void (*function)(const KernelCall& call);
  int buffers, numbers;  // of a call: check refuses a design that gives it others

  void operator()(const KernelCall& call) const { function(call); }
};

struct KernelType {
  std::string_view name;    // the extern "C" symbol
  std::string_view object;  // the object file that the AIE compiler makes of its source: "gemm_i8.o"
  KernelFunction run;
  // Cycles of one call, derived in the kernel's cost function from its slots and latencies; never measured here.
  int64_t (*cycles)(Generation generation, std::span<const int32_t> numbers);
  int stack_bytes;
  // What decides how it contends for the banks of its tile, in percent of its cycles. `cycles` counts neither.
  int bank_percent = 50;   // those that load from or store to the bank of any one of its buffers
  int paired_percent = 0;  // those whose bundle loads from its first and from its second buffer
};

}  // namespace shorthand::npu
