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

// Four rows in one straight run: sums over lanes, each a shuffle and a sum three times; a root; three exponents out of
// vectors and back; factors and scales by way of a reciprocal of parts each.
constexpr int64_t kFold = 3 * 2 * kVectorLatency;
constexpr int64_t kSpread = 3 * kVectorLatency;
constexpr int64_t kMean = kLoadLatency + 2 * kFold + kProductChain + 6 * kVectorLatency + kSpread;
constexpr int64_t kNormal = 2 * kFold + 4 * kVectorLatency + 4 * kProductChain + kReciprocalRoot + 2 * kFold +
                            18 * kVectorLatency + 3 * 16 + kSpread;
constexpr int64_t kFactors = kFold + 4 * kVectorLatency + 2 * 2 * kProductChain + kProductChain + 2 * kProductChain +
                             4 * kVectorLatency + kSpread;

int64_t layer_norm(Generation g, Numbers numbers) {
  const int64_t width = numbers[0], blocks = width / 8;
  // The mean, the magic number; sums of squares in 64 bits, sixteen at a time; times gamma and its range. Gamma and
  // beta come over four rows in a shuffle for two blocks and one for each; a vector of 32 bytes takes a port.
  const int port = g == Generation::aie2 ? 32 : 64;
  const Body two_centred = {
      .load_bytes = port + 2 * 128, .store_bytes = 2 * 64, .vectors = 2 * (2 + 2 + 2 + 1 + 2), .moves = 1 + 2 + 2 * 2};
  const Body two_normal = {
      .load_bytes = 2 * port + 2 * 64, .store_bytes = 2 * 64, .vectors = 2 * (3 + 2), .moves = 2 * (1 + 2) + 2 * 2};
  constexpr Body two_to_steps = {.load_bytes = 128, .store_bytes = 64, .vectors = 2, .moves = 2};
  constexpr int64_t product = kMacLatency + kVectorLatency;
  return 6 * kCall + kMean + loop(g, blocks / 2, two_centred, kLoadLatency + 4 * kVectorLatency + 2 * product) +
         kNormal + loop(g, blocks / 2, two_normal, kLoadLatency + 3 * product + 2 * kVectorLatency) + kFactors +
         loop(g, blocks / 2, two_to_steps, kLoadLatency + product);
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
    {"layer_norm_i8", kObject, Bind<layer_norm_i8>::run, layer_norm, 3328},
    {"quantise_rows_f32", kObject, Bind<quantise_rows_f32>::run, quantise<4>, 2048},
    {"quantise_rows_bf16", kObject, Bind<quantise_rows_bf16>::run, quantise<2>, 2048},
    {"gelu_bf16", kObject, Bind<gelu_bf16>::run, gelu, 2048},
    {"softmax_bf16", kObject, Bind<softmax_bf16>::run, softmax, 2048},
    {"add_f32", kObject, Bind<add_f32>::run, add, 1024},
};

}  // namespace

std::span<const KernelType> rowwise_kernels() { return kKernels; }

}  // namespace shorthand::npu
