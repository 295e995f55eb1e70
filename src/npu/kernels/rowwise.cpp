// SPDX-License-Identifier: Apache-2.0
#include "kernels/rowwise/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

// Building blocks of aie_math.h over sixteen lanes: split() is a subtraction and three conversions, a product of parts
// three multiplications and two conversions.
constexpr Body kSplit = {.vectors = 1, .moves = 3};
constexpr Body kProduct = {.vectors = 3, .moves = 1};
constexpr Body kIntOf = {.vectors = 2};
constexpr Body kToSteps = {.store_bytes = 16, .vectors = 3 + 1 + 2, .moves = 3 + 1 + 2};
constexpr int64_t kProductChain = 3 * kMacLatency + 3 * kVectorLatency;
constexpr int64_t kReduce = 4 * 2 * kVectorLatency + 8;  // shuffles and sums; out of the vector and back
// A step in bfloat16 converts, multiplies twice and converts after each; one of parts waits for its two products, or
// the three of a root.
constexpr int64_t kRough = 2 * kMacLatency + 3 * kVectorLatency;
constexpr int64_t kReciprocal = 2 * kRough + 2 * kProductChain + 4 + 8;
constexpr int64_t kReciprocalRoot = kRough + kMacLatency + kVectorLatency + 3 * kProductChain + 4 + 16;
constexpr int64_t kSteps = kProductChain + kReciprocal + kReduce;

constexpr Body operator+(const Body& a, const Body& b) {
  return {a.load_bytes + b.load_bytes, a.store_bytes + b.store_bytes, a.int8_macs + b.int8_macs, a.vectors + b.vectors,
          a.moves + b.moves};
}

int64_t layer_norm(Generation g, Numbers numbers) {
  const int64_t rows = numbers[0], width = numbers[1], groups = width / 16;
  const int64_t mean = loop(g, width / 64, {.load_bytes = 4 * 64, .vectors = 4}, kLoadLatency + 3 * kVectorLatency) +
                       kReduce + kProductChain;
  // The two running sums wait for themselves, a product each 4 cycles (accumulators forward after the third), which is
  // what the rest takes.
  const Body centre = Body{.load_bytes = 64, .store_bytes = 64, .vectors = 1 + 2} + kSplit;
  const int64_t variance = loop(g, groups, centre, kLoadLatency + 5 * kVectorLatency + kMacLatency) +
                           2 * kVectorLatency + kReduce + kProductChain + kReciprocalRoot;
  const Body affine =
      Body{.load_bytes = 3 * 64, .store_bytes = 64, .vectors = 2, .moves = 1} + kProduct + kSplit + kProduct;
  const int64_t normal = loop(g, groups / 2, affine + affine, kLoadLatency + 3 * kProductChain);
  const int64_t steps = kSteps + loop(g, groups, Body{.load_bytes = 64} + kToSteps, kLoadLatency + kProductChain);
  return kCall + rows * (mean + variance + normal + steps);
}

template <int bytes>
int64_t quantise(Generation g, Numbers numbers) {
  const int64_t rows = numbers[0], groups = numbers[1] / 16, padding = (numbers[3] - numbers[1]) / 16;
  const Body widen = {.load_bytes = 16 * bytes, .moves = bytes == 2 ? 1 : 0};
  return kCall + rows * (loop(g, groups, widen + Body{.vectors = 2}, kLoadLatency + 2 * kVectorLatency) + kSteps +
                         loop(g, groups, widen + kToSteps, kLoadLatency + kProductChain) + padding);
}

int64_t gelu(Generation g, Numbers numbers) {
  constexpr Body body = {.load_bytes = 64, .store_bytes = 64, .vectors = 4 + 4 + 9 + 8, .moves = 2 + 1 + 10 + 2 + 2};
  return kCall + loop(g, numbers[0] / 32, body, kLoadLatency + 7 * (kMacLatency + kVectorLatency) + 20);
}

// Floats are compared by way of a difference, its sign and a choice: three vector instructions and a conversion.
int64_t softmax(Generation g, Numbers numbers) {
  const int64_t rows = numbers[0], groups = (numbers[2] + 31) / 32, zeros = numbers[1] / 32 - groups;
  const Body exponent = Body{.load_bytes = 64, .vectors = 4, .moves = 1} + kSplit + kProduct + kIntOf;
  const Body exponential = {.store_bytes = 64, .vectors = 1 + 3 + 1 + 2 + 2, .moves = 2 + 6 + 1};
  return kCall +
         rows * (loop(g, 2 * groups, {.load_bytes = 64, .vectors = 6, .moves = 2}, kLoadLatency + 10) + kReduce +
                 loop(g, groups, exponent + exponent + exponential, kLoadLatency + 3 * kProductChain) + kReduce +
                 kReciprocal +
                 loop(g, 2 * groups, {.load_bytes = 32, .store_bytes = 32, .vectors = 2, .moves = 1},
                      kLoadLatency + 2 * kMacLatency) +
                 2 * zeros);
}

int64_t add(Generation g, Numbers numbers) {
  return kCall + loop(g, numbers[0] / 16, {.load_bytes = 128, .store_bytes = 64, .vectors = 1}, kLoadLatency + 3);
}

constexpr std::string_view kObject = "rowwise.o";

constexpr KernelType kKernels[] = {
    {"layer_norm_i8", kObject, Bind<layer_norm_i8>::run, layer_norm, 2048},
    {"quantise_rows_f32", kObject, Bind<quantise_rows_f32>::run, quantise<4>, 2048},
    {"quantise_rows_bf16", kObject, Bind<quantise_rows_bf16>::run, quantise<2>, 2048},
    {"gelu_bf16", kObject, Bind<gelu_bf16>::run, gelu, 2048},
    {"softmax_bf16", kObject, Bind<softmax_bf16>::run, softmax, 2048},
    {"add_f32", kObject, Bind<add_f32>::run, add, 1024},
};

}  // namespace

std::span<const KernelType> rowwise_kernels() { return kKernels; }

}  // namespace shorthand::npu
