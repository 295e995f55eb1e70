// SPDX-License-Identifier: Apache-2.0
// Every kernel that the designs may call, with the host's compilation of it and its cost.
//
// A kernel's contract (layouts, units, bounds) stands in kernels/<family>/aie2.h.
#pragma once

#include <span>
#include <string_view>

#include "npu/kernel.h"

namespace shorthand::npu {

std::span<const KernelType> aie_kernels();

// By its symbol; nullptr where there is none.
const KernelType* find_aie_kernel(std::string_view name);

// The families of the table, each in the file of its name.
std::span<const KernelType> gemm_i8_kernels();
std::span<const KernelType> rowwise_kernels();
std::span<const KernelType> attention_kernels();
std::span<const KernelType> log_mel_kernels();
std::span<const KernelType> relay_kernels();

}  // namespace shorthand::npu
