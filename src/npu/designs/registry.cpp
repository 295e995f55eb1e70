// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/registry.h"

#include <fmt/format.h>

#include "npu/designs/gemm_i8.h"
#include "npu/designs/memcpy.h"
#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

int padded(int value, int block) { return (value + block - 1) / block * block; }

// The whole-array product in int32, with one kernel or another.
Result<BuiltDesign> product(const Device& device, const DesignRequest& request, int tile, std::string_view zero,
                            std::string_view multiply, std::string_view name, Allocation allocation) {
  const int m = request.m > 0 ? request.m : request.model.positions;
  const int n = request.n > 0 ? request.n : 4 * request.model.width;
  const int k = request.k > 0 ? request.k : request.model.width;
  const KernelType *zero_type = find_aie_kernel(zero), *multiply_type = find_aie_kernel(multiply);
  if (zero_type == nullptr || multiply_type == nullptr)
    return not_found(fmt::format("{}: no kernel {} or {}", name, zero, multiply));
  GemmI8 gemm;
  gemm.m = padded(m, tile * device.core_rows), gemm.n = padded(n, tile * device.columns), gemm.k = padded(k, tile);
  gemm.tile_m = gemm.tile_n = gemm.tile_k = tile;
  gemm.stock = true;
  gemm.depth = gemm.depth_c = request.buffers;
  GemmKernels kernels;
  kernels.zero = *zero_type;
  kernels.multiply = *multiply_type;
  kernels.output_bytes = 4;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(gemm_i8_design(device, gemm, kernels));
  built.design.name = name;
  built.design.allocation = allocation;
  // These kernels have their shape in their names and take no numbers.
  for (Worker& w : built.design.workers) {
    for (Step& s : w.steps) s.numbers.clear();
  }
  built.operations = 2.0 * m * n * k;
  built.shape = fmt::format("{}x{}x{} laid out as {}x{}x{} in tiles of {}", m, k, n, gemm.m, gemm.k, gemm.n, tile);
  return built;
}

Result<BuiltDesign> gemm(const Device& device, const DesignRequest& r) {
  return product(device, r, 64, "zero_i32_64x64", "matmul_i8_64x64x64", "gemm", Allocation::banks);
}
Result<BuiltDesign> gemm_32(const Device& device, const DesignRequest& r) {
  return product(device, r, 32, "zero_i32_32x32", "matmul_i8_32x32x32", "gemm_32", Allocation::banks);
}
Result<BuiltDesign> gemm_16(const Device& device, const DesignRequest& r) {
  return product(device, r, 16, "zero_i32_16x16", "matmul_i8_16x16x16", "gemm_16", Allocation::banks);
}
Result<BuiltDesign> gemm_stock(const Device& device, const DesignRequest& r) {
  return product(device, r, 64, "zero_i32_64x64", "matmul_i8_stock_64x64x64", "gemm_stock", Allocation::sequential);
}

Result<BuiltDesign> copy(const Device& device, const DesignRequest&) {
  constexpr int64_t kBytes = 64 << 20;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(memcpy_design(device, device.columns, kBytes));
  built.shape = fmt::format("{} MiB over {} channels a direction", kBytes >> 20, device.columns);
  return built;
}

constexpr std::array kEntries = {
    DesignEntry{"gemm", "int8 product into int32 on the whole array, tiles of 64", gemm},
    DesignEntry{"gemm-32", "the same in tiles of 32", gemm_32},
    DesignEntry{"gemm-16", "the same in tiles of 16", gemm_16},
    DesignEntry{"gemm-stock", "the same with the loop of mlir-aie's example kernels", gemm_stock},
    DesignEntry{"memcpy", "memory to memory through the memory tiles", copy},
};

}  // namespace

std::span<const DesignEntry> design_entries() { return kEntries; }

Result<DesignEntry> find_design(std::string_view name) {
  std::string known;
  for (const DesignEntry& e : kEntries) {
    if (e.name == name) return e;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", e.name);
  }
  return usage_error(fmt::format("{}: no such design; known are {}", name, known));
}

}  // namespace shorthand::npu
