// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/registry.h"

#include <fmt/format.h>

#include "npu/check.h"
#include "npu/designs/attention_chained.h"
#include "npu/designs/encoder.h"
#include "npu/designs/gemm_i8.h"
#include "npu/designs/memcpy.h"
#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

int padded(int value, int block) { return (value + block - 1) / block * block; }

struct Product {
  std::string_view name, zero, multiply;
  int tile = 64;
  bool packed = false;  // weights in tiles, and A kept in the memory tiles where it fits
  Allocation allocation = Allocation::banks;
};

Result<Design> lay_out(const Device& device, const GemmI8& gemm, const GemmKernels& kernels, const Product& p) {
  Design design = SHORTHAND_TRY(gemm_i8_design(device, gemm, kernels));
  design.name = p.name;
  design.allocation = p.allocation;
  return design;
}

// The whole-array product in int32.
Result<BuiltDesign> product(const Device& device, const DesignRequest& request, const Product& p) {
  const int m = request.m > 0 ? request.m : request.model.positions;
  const int n = request.n > 0 ? request.n : 4 * request.model.width;
  const int k = request.k > 0 ? request.k : request.model.width;
  const KernelType *zero = find_aie_kernel(p.zero), *multiply = find_aie_kernel(p.multiply);
  if (zero == nullptr || multiply == nullptr)
    return not_found(fmt::format("{}: no kernel {} or {}", p.name, p.zero, p.multiply));
  GemmI8 gemm;
  gemm.m = padded(m, p.tile * device.core_rows), gemm.n = padded(n, p.tile * device.columns);
  gemm.k = padded(k, p.tile);
  gemm.tile_m = gemm.tile_n = gemm.tile_k = p.tile;
  gemm.stock = true;
  gemm.depth = gemm.depth_c = request.buffers;
  gemm.packed_b = gemm.keep_a = p.packed;
  GemmKernels kernels;
  kernels.zero = *zero;
  kernels.multiply = *multiply;
  kernels.output_bytes = 4;
  kernels.shaped = true;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(lay_out(device, gemm, kernels, p));
  if (gemm.keep_a && !check(built.design, device).ok()) {
    gemm.keep_a = false;
    built.design = SHORTHAND_TRY(lay_out(device, gemm, kernels, p));
  }
  built.operations = 2.0 * m * n * k;
  built.shape = fmt::format("{}x{}x{} laid out as {}x{}x{} in tiles of {}{}{}", m, k, n, gemm.m, gemm.k, gemm.n, p.tile,
                            gemm.packed_b ? ", weights packed" : "", gemm.keep_a ? ", A kept in the memory tiles" : "");
  return built;
}

Result<BuiltDesign> gemm(const Device& device, const DesignRequest& r) {
  return product(device, r, {"gemm", "zero_i32_64x64", "matmul_i8_64x64x64", 64, true});
}
// int8 in, int8 out. Steps of 128 halve what the sums cost in loads and stores; of the two tiles that arrive while two
// are multiplied one has a bank to itself; panels that stay would let nothing arrive while the next one is loaded.
Result<BuiltDesign> gemm_i8(const Device& device, const DesignRequest& request) {
  const int m = request.m > 0 ? request.m : request.model.positions;
  const int n = request.n > 0 ? request.n : 4 * request.model.width;
  const int k = request.k > 0 ? request.k : request.model.width;
  GemmI8 gemm;
  gemm.tile_k = 128;
  gemm.m = padded(m, 64 * device.core_rows), gemm.n = padded(n, 64 * device.columns), gemm.k = padded(k, gemm.tile_k);
  gemm.packed_a = gemm.packed_b = true;
  gemm.depth = gemm.depth_c = request.buffers;
  // Keeps the sums of int8 noise over 512 within a byte; a real product's shift comes with its scales.
  gemm.shift = 12;
  gemm.banks.sums = 1;
  if (request.buffers == 2) gemm.banks.a = {2, 0}, gemm.banks.b = {3, 2}, gemm.banks.c = {3, 0};
  GemmKernels kernels;
  kernels.zero = *find_aie_kernel("zero_i32_64x64");
  kernels.multiply = *find_aie_kernel("matmul_i8_64x128x64");
  kernels.epilogue = *find_aie_kernel("narrow_i8_64x64");
  kernels.output_bytes = 1;
  kernels.shaped = true;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(gemm_i8_design(device, gemm, kernels));
  built.operations = 2.0 * m * n * k;
  built.shape = fmt::format("{}x{}x{} laid out as {}x{}x{} in tiles of 64, 128 deep, all packed", m, k, n, gemm.m,
                            gemm.k, gemm.n);
  return built;
}
Result<BuiltDesign> gemm_unpacked(const Device& device, const DesignRequest& r) {
  return product(device, r, {"gemm_unpacked", "zero_i32_64x64", "matmul_i8_64x64x64"});
}
Result<BuiltDesign> gemm_32(const Device& device, const DesignRequest& r) {
  return product(device, r, {"gemm_32", "zero_i32_32x32", "matmul_i8_32x32x32", 32});
}
Result<BuiltDesign> gemm_16(const Device& device, const DesignRequest& r) {
  return product(device, r, {"gemm_16", "zero_i32_16x16", "matmul_i8_16x16x16", 16});
}
Result<BuiltDesign> gemm_stock(const Device& device, const DesignRequest& r) {
  return product(device, r,
                 {"gemm_stock", "zero_i32_64x64", "matmul_i8_stock_64x64x64", 64, false, Allocation::sequential});
}

Result<BuiltDesign> copy(const Device& device, const DesignRequest&) {
  constexpr int64_t kBytes = 64 << 20;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(memcpy_design(device, device.columns, kBytes));
  built.shape = fmt::format("{} MiB over {} channels a direction", kBytes >> 20, device.columns);
  return built;
}

Result<BuiltDesign> layers(const Device& device, const DesignRequest& request, int count) {
  const EncoderSizes& m = request.model;
  const EncoderShape shape{m.mels, m.positions, m.width, m.heads, count};
  BuiltDesign built;
  built.design = SHORTHAND_TRY(encoder_design(device, shape, {request.buffers}));
  built.operations = encoder_work(shape);
  built.shape = to_text(shape);
  return built;
}
Result<BuiltDesign> encoder(const Device& device, const DesignRequest& r) { return layers(device, r, r.model.layers); }
Result<BuiltDesign> layer(const Device& device, const DesignRequest& r) { return layers(device, r, 1); }

Result<BuiltDesign> attention(const Device& device, const DesignRequest& request) {
  const EncoderSizes& m = request.model;
  const EncoderShape shape{m.mels, m.positions, m.width, m.heads, 1};
  const EncoderOptions options{request.buffers, kStemOperations + kAttentionOperation, 1};
  BuiltDesign built;
  built.design = SHORTHAND_TRY(encoder_design(device, shape, options));
  built.design.name = "attention";
  built.operations = attention_work(shape);
  built.shape = fmt::format("{} heads of 64, {} positions", m.heads, m.positions);
  return built;
}

Result<BuiltDesign> attention_chained(const Device& device, const DesignRequest& request) {
  const EncoderSizes& m = request.model;
  BuiltDesign built;
  built.design = SHORTHAND_TRY(
      chained_attention_design(device, {.positions = m.positions, .heads = m.heads, .depth = request.buffers}));
  built.operations = attention_work({m.mels, m.positions, m.width, m.heads, 1});
  built.shape = fmt::format("{} heads of 64, {} positions", m.heads, m.positions);
  return built;
}

constexpr std::array kEntries = {
    DesignEntry{"gemm", "int8 product into int32 on the whole array: weights packed in tiles of 64", gemm},
    DesignEntry{"gemm-i8", "int8 product into int8: both in tiles, sums stay on the core and leave narrowed", gemm_i8},
    DesignEntry{"gemm-unpacked", "the same with weights row by row, A read again for every block of columns",
                gemm_unpacked},
    DesignEntry{"gemm-32", "unpacked in tiles of 32", gemm_32},
    DesignEntry{"gemm-16", "unpacked in tiles of 16", gemm_16},
    DesignEntry{"gemm-stock", "unpacked, with the loop of mlir-aie's example kernels", gemm_stock},
    DesignEntry{"encoder", "the whole encoder in one launch: convolutions, layers, the last LayerNorm", encoder},
    DesignEntry{"layer", "the same with one layer", layer},
    DesignEntry{"attention", "one layer's attention alone, as the encoder has it: scores never leave the cores",
                attention},
    DesignEntry{"attention-chained", "the same in three passes: scores to DDR, softmax, product with the values",
                attention_chained},
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
