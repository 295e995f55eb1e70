// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm_i8/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

template <int bytes>
int64_t zeroing(Generation g, Numbers) {
  return kCall + loop(g, bytes / 32, {.store_bytes = 32}, 0);
}

// A group is 8 x 16 sums: four blocks in and out; a step of k loads two blocks of A and two of B for four products.
constexpr Body group_2x2(int k) {
  return {.load_bytes = 4 * 128 + k / 8 * (2 * 32 + 2 * 64), .store_bytes = 4 * 128, .int8_macs = k / 8 * 4};
}
template <int m, int k, int n>
int64_t multiply_2x2(Generation g, Numbers) {
  return kCall + loop(g, m / 8 * (n / 16), group_2x2(k), kLoadLatency + kMacLatency + 4 * 128 / 32);
}

// A group is 16 x 16 sums. Eight accumulators and what they wait for do not fit: the step of k has a bundle more than
// its eight products, nothing overlaps between groups, and 416 bytes are spilled and read again (docs/npu.md, anchors).
template <int m, int k, int n>
int64_t multiply_4x2(Generation g, Numbers) {
  const int64_t sums = bundles(g, {.load_bytes = 8 * 128}) + bundles(g, {.store_bytes = 8 * 128});
  const int64_t steps = k / 8 * (bundles(g, {.load_bytes = 4 * 32 + 2 * 64, .int8_macs = 8}) + 1);
  const int64_t spills = bundles(g, {.store_bytes = 416});
  return kCall + m / 16 * (n / 16) * (sums + kLoadLatency + steps + spills + kCall);
}

// Two blocks of 32 results under each other, as dequantised() and each_block() in aie2.cc do them.
constexpr Body two_blocks(Body finish) {
  return {.load_bytes = 2 * (finish.load_bytes + 128) + 64,  // sums; the columns' parameters
          .store_bytes = 2 * finish.store_bytes,
          .vectors = 2 * (finish.vectors + 4 + 8 + 4),   // magic numbers, products, maxima
          .moves = 2 * (finish.moves + 2 + 2 + 2 + 2)};  // to 64 bits and back, two conversions
}
constexpr Body kToBf16 = {.store_bytes = 64, .moves = 2};
constexpr Body kGelu = {.vectors = 4 + 4 + 11 + 8, .moves = 2 + 2 * 11 + 2};
constexpr Body kResidual = {.load_bytes = 128, .store_bytes = 128, .vectors = 2};
constexpr Body kToInt8 = {.store_bytes = 32, .vectors = 6 + 4 + 1, .moves = 4 + 4 + 4};

constexpr Body operator+(const Body& a, const Body& b) {
  return {a.load_bytes + b.load_bytes, a.store_bytes + b.store_bytes, a.int8_macs + b.int8_macs, a.vectors + b.vectors,
          a.moves + b.moves};
}

// Per eight rows: their scales split and spread; four times three shuffles and maxima, each waiting for the last, of
// which the four overlap; and eight scalar comparisons in memory.
constexpr int64_t kEightRows = 8 * kVectorLatency + 2 * kMacLatency + 6 * 2 * kVectorLatency + 8 * 3 + kLoadLatency;
constexpr int64_t kBlockChain = kLoadLatency + 3 * kMacLatency + 6 * kVectorLatency;
constexpr int64_t kGeluChain = 11 * (kMacLatency + kVectorLatency) + 8 * kVectorLatency;

template <int m, int n>
int64_t epilogue(Generation g, const Body& finish, int64_t chain) {
  return kCall + m / 8 * (loop(g, n / 8, two_blocks(finish), chain) + kEightRows);
}
template <int m, int n>
int64_t to_bf16(Generation g, Numbers) {
  return epilogue<m, n>(g, kToBf16, kBlockChain);
}
int64_t gelu_to_bf16(Generation g, Numbers) { return epilogue<64, 64>(g, kGelu + kToBf16, kBlockChain + kGeluChain); }
int64_t add_residual(Generation g, Numbers) { return epilogue<64, 64>(g, kResidual, kBlockChain); }
int64_t to_int8(Generation g, Numbers) { return epilogue<64, 64>(g, kToInt8, kBlockChain + 3 * kMacLatency); }
int64_t gelu_to_int8(Generation g, Numbers) {
  return epilogue<64, 64>(g, kGelu + kToInt8, kBlockChain + kGeluChain + 3 * kMacLatency);
}

// A block of 32 sums: to an accumulator in two moves, shifted and narrowed in one.
int64_t narrow(Generation g, Numbers) {
  return kCall + loop(g, 64 * 64 / 32, {.load_bytes = 128, .store_bytes = 32, .moves = 3}, kLoadLatency + 4);
}

// The reciprocals of sixteen rows at a time are one long chain of dependent products; then two products an element.
int64_t quantise(Generation g, Numbers) {
  constexpr int64_t newton = 3 * (2 * (3 * kMacLatency) + 4 * 2 * kVectorLatency);
  constexpr Body body = {.load_bytes = 64, .store_bytes = 32, .vectors = 4 + 4, .moves = 4};
  return kCall + 4 * (newton + 40) + 16 * (loop(g, 8, body, kLoadLatency + 2 * kMacLatency + 4) + 24);
}

constexpr std::string_view kObject = "gemm_i8.o";

constexpr KernelType kKernels[] = {
    {"zero_i32_16x16", kObject, Bind<zero_i32_16x16>::run, zeroing<16 * 16 * 4>, 1024},
    {"zero_i32_32x32", kObject, Bind<zero_i32_32x32>::run, zeroing<32 * 32 * 4>, 1024},
    {"zero_i32_64x64", kObject, Bind<zero_i32_64x64>::run, zeroing<64 * 64 * 4>, 1024},
    {"zero_row_max_64", kObject, Bind<zero_row_max_64>::run, zeroing<64 * 4>, 1024},
    {"matmul_i8_16x16x16", kObject, Bind<matmul_i8_16x16x16>::run, multiply_2x2<16, 16, 16>, 1024},
    {"matmul_i8_32x32x32", kObject, Bind<matmul_i8_32x32x32>::run, multiply_2x2<32, 32, 32>, 1024},
    {"matmul_i8_64x64x64", kObject, Bind<matmul_i8_64x64x64>::run, multiply_2x2<64, 64, 64>, 1024},
    {"matmul_i8_64x128x64", kObject, Bind<matmul_i8_64x128x64>::run, multiply_2x2<64, 128, 64>, 1024},
    {"matmul_i8_stock_64x64x64", kObject, Bind<matmul_i8_stock_64x64x64>::run, multiply_4x2<64, 64, 64>, 2048},
    {"epilogue_bf16_16x16", kObject, Bind<epilogue_bf16_16x16>::run, to_bf16<16, 16>, 2048},
    {"epilogue_bf16_32x32", kObject, Bind<epilogue_bf16_32x32>::run, to_bf16<32, 32>, 2048},
    {"epilogue_bf16_64x64", kObject, Bind<epilogue_bf16_64x64>::run, to_bf16<64, 64>, 2048},
    {"epilogue_gelu_bf16_64x64", kObject, Bind<epilogue_gelu_bf16_64x64>::run, gelu_to_bf16, 2048},
    {"epilogue_residual_f32_64x64", kObject, Bind<epilogue_residual_f32_64x64>::run, add_residual, 2048},
    {"epilogue_i8_64x64", kObject, Bind<epilogue_i8_64x64>::run, to_int8, 2048},
    {"epilogue_gelu_i8_64x64", kObject, Bind<epilogue_gelu_i8_64x64>::run, gelu_to_int8, 2048},
    {"narrow_i8_64x64", kObject, Bind<narrow_i8_64x64>::run, narrow, 1024},
    {"quantise_bf16_64x64", kObject, Bind<quantise_bf16_64x64>::run, quantise, 2048},
};

}  // namespace

std::span<const KernelType> gemm_i8_kernels() { return kKernels; }

}  // namespace shorthand::npu
