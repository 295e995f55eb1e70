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
constexpr Body two_groups_2x2(int k) {
  return {.load_bytes = 2 * (4 * 128 + k / 8 * (2 * 32 + 2 * 64)),
          .store_bytes = 2 * 4 * 128,
          .int8_macs = 2 * (k / 8 * 4)};
}
template <int m, int k, int n>
int64_t multiply_2x2(Generation g, Numbers) {
  return kCall + loop(g, m / 8 * (n / 16) / 2, two_groups_2x2(k), kLoadLatency + kMacLatency + 4 * 128 / 32);
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

// What the largest sum is looked for in: blocks of 32, straight into accumulators.
int64_t looking(Generation g) {
  return loop(g, 64, {.load_bytes = 256, .vectors = 4, .moves = 2}, kLoadLatency + 3 * kVectorLatency) +
         9 * 2 * kVectorLatency + 8 + 8;
}

// Sixteen rows four times, in one straight run: shuffles to the largest of four, exponents, mantissas; a scalar out and
// in again for each four rows; then every row over eight lanes. The longest chain stands beside what is issued.
constexpr int64_t kRowChain = kLoadLatency + 2 * (3 * kMacLatency + 3 * kVectorLatency) + 17 * kVectorLatency;
int64_t preparing(Generation g) {
  constexpr Body rows = {.load_bytes = 4 * 64,
                         .store_bytes = 4 * (64 + 4 * 32) + 16 * 64 + 64,
                         .vectors = 4 * (12 + 7) + 7,
                         .moves = 4 * (6 + 8 + 4) + 7 + 2 + 28};
  return bundles(g, rows) + kRowChain;
}

// Two blocks of 32 beside each other, as each_block() in aie2.cc does them; a vector of 32 bytes takes a port like a
// whole one.
constexpr Body operator+(const Body& a, const Body& b) {
  return {a.load_bytes + b.load_bytes, a.store_bytes + b.store_bytes, a.int8_macs + b.int8_macs, a.vectors + b.vectors,
          a.moves + b.moves};
}
constexpr Body kTwoBlocks = {.load_bytes = 2 * (128 + 64 + 64) + 64 + 64,
                             .store_bytes = 2 * 128 + 64,
                             .vectors = 2 * (1 + 1 + 1),  // scale, scale and bias, maximum
                             .moves = 2 * 3};
// For two blocks: half an accumulator, and a whole one twice, which the second block loads again or has from the first
// by moves.
Body magic(Generation g, int loads, int moves) {
  return {.load_bytes = loads * (g == Generation::aie2 ? 32 : 64), .moves = moves};
}
Body magic_loaded(Generation g) { return magic(g, 2 * 4 + 2, 0); }
Body magic_moved(Generation g) { return magic(g, 4 + 2, 2); }
constexpr Body kFloats = {.vectors = 2 * (1 + 2), .moves = 2 * 1};
constexpr Body kToBf16 = {.store_bytes = 2 * 64, .vectors = 2 * 1, .moves = 2 * 2};
// |x| in two, a cubic, three products to the sixth power, one with |x|; the cubic's constants enter by a move each.
constexpr int kBump = 2 + 3 + 4, kBumpMoves = 3 * 2 + 4;
constexpr Body kGelu = {.vectors = 2 * (kBump + 2 + 2), .moves = 2 * (2 + kBumpMoves) + 1};
constexpr Body kResidual = {.load_bytes = 2 * 128, .store_bytes = 2 * 128, .vectors = 2 * 2};
constexpr Body kToWork = {.store_bytes = 2 * 64, .vectors = 2 * 2, .moves = 2 * 1};

constexpr int64_t kStep = kMacLatency + kVectorLatency;  // a product and its shift
constexpr int64_t kBlockChain = kLoadLatency + kVectorLatency + 3 * kStep + 5 * kVectorLatency;
constexpr int64_t kBumpChain = 2 * kVectorLatency + 7 * kStep + kMacLatency;

int64_t each_block(Generation g, const Body& finish, int64_t chain) {
  return kCall + kCall + looking(g) + preparing(g) + loop(g, 64, kTwoBlocks + finish, chain);
}
// A call: rows' maxima in order, seven shuffles in pairs of eight vectors, twice.
int64_t maxima(Generation g) {
  return kCall + kLoadLatency + 3 * 2 * kVectorLatency + 2 * kVectorLatency +
         bundles(g, {.load_bytes = 16 * 64 + 4 * 64, .store_bytes = 4 * 64, .vectors = 14 + 4, .moves = 28 + 4});
}
int64_t to_bf16(Generation g, Numbers) {
  return each_block(g, magic_moved(g) + kFloats + kToBf16, kBlockChain) + maxima(g);
}
int64_t gelu_to_bf16(Generation g, Numbers) {
  return each_block(g, magic_loaded(g) + kGelu + kToBf16, kBlockChain + kBumpChain) + maxima(g);
}
int64_t add_residual(Generation g, Numbers) { return each_block(g, magic_moved(g) + kFloats + kResidual, kBlockChain); }

// The factors of 32 rows at a time, side by side: three steps of a reciprocal, with a branch between two that make the
// factor and one that makes the scale; then a product a block; then the scales, and 32 of their mantissas at a time
// under the exponent of the largest.
int64_t to_head(Generation g, Numbers) {
  constexpr int64_t reciprocal = 2 * (3 * kMacLatency + 2 * kVectorLatency) + 4;
  constexpr int64_t kBranch = 6, chain = kLoadLatency + 3 * kMacLatency + 12 * kVectorLatency + kBranch;
  constexpr Body step = {.vectors = 2 * 9, .moves = 2 * 9};
  constexpr Body factors = {.load_bytes = 4 * 64,
                            .store_bytes = 2 * 64 + 8 * 64,
                            .vectors = 2 * (1 + 2 + 2 + 4 + 2 + 2 + 2),
                            .moves = 2 * (2 + 6) + 1 + 14};
  constexpr Body exponent = {.load_bytes = 4 * 64, .vectors = 3};
  constexpr Body scales = {.load_bytes = 2 * 64, .store_bytes = 2 * 64 + 64, .vectors = 2 * 6, .moves = 2 + 1};
  return each_block(g, kToWork, kBlockChain) + bundles(g, {.store_bytes = 4 * 64}) + maxima(g) +
         rolled(g, 2, factors, chain + rolled(g, 3, step, reciprocal)) +
         loop(g, 32, {.load_bytes = 5 * 64, .store_bytes = 4 * 32, .vectors = 4, .moves = 4}, kLoadLatency + kStep) +
         bundles(g, exponent) + kLoadLatency + 2 * kVectorLatency + kReduce + 4 +
         rolled(g, 2, scales, kLoadLatency + 7 * kVectorLatency);
}

// A block of 32 sums: to an accumulator in two moves, shifted and narrowed in one.
int64_t narrow(Generation g, Numbers) {
  return kCall + loop(g, 64 * 64 / 32, {.load_bytes = 128, .store_bytes = 32, .moves = 3}, kLoadLatency + 4);
}

// The reciprocals of sixteen rows at a time are one long chain of dependent products; then two products an element.
int64_t quantise(Generation g, Numbers) {
  constexpr int64_t rough = 2 * kMacLatency + 3 * kVectorLatency;
  constexpr int64_t newton = 2 * rough + 2 * (3 * kMacLatency) + 4 * 2 * kVectorLatency;
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
    {"epilogue_bf16_64x64", kObject, Bind<epilogue_bf16_64x64>::run, to_bf16, 3328},
    {"epilogue_gelu_bf16_64x64", kObject, Bind<epilogue_gelu_bf16_64x64>::run, gelu_to_bf16, 3328},
    {"epilogue_head_i8_64x64", kObject, Bind<epilogue_head_i8_64x64>::run, to_head, 3328},
    {"epilogue_residual_f32_64x64", kObject, Bind<epilogue_residual_f32_64x64>::run, add_residual, 3328},
    {"narrow_i8_64x64", kObject, Bind<narrow_i8_64x64>::run, narrow, 1024},
    {"quantise_bf16_64x64", kObject, Bind<quantise_bf16_64x64>::run, quantise, 2048},
};

}  // namespace

std::span<const KernelType> gemm_i8_kernels() { return kKernels; }

}  // namespace shorthand::npu
