// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

int64_t begin(Generation g, Numbers) {
  return kCall + loop(g, kAttentionSums / 16, {.store_bytes = 64}, 0) + kAttentionState / 16 * 2;
}

int64_t step(Generation g, Numbers numbers) {
  const int64_t pairs = (numbers[0] + 15) / 16;
  // Scales to fixed point: 128 numbers, sixteen at a time, in dependent steps.
  const int64_t scales = 8 * 12 + 4 * 3 * kMacLatency + 60;
  // Eight rows and sixteen keys: 32 products of 4x8x8, of whose blocks the keys' are turned (a move each and one to
  // join them); four blocks of scores shifted, multiplied, shifted, stored and compared.
  const Body score = {.load_bytes = 8 * (2 * 32 + 4 * 32) + 2 * 64,
                      .store_bytes = 4 * 64,
                      .int8_macs = 32,
                      .vectors = 4 * 3 + 2,
                      .moves = 16 + 4 * 2 + 2};
  const int64_t scoring = loop(g, pairs, score, kLoadLatency + 3 * kMacLatency);
  // Four rows: maxima through three shuffles and comparisons, four scalar products and tests.
  const int64_t maxima = 6 * kVectorLatency + 4 * 8 + kLoadLatency;
  // A block of weights: four products with their shifts, and the masks; one product with ones.
  const Body weight = {.load_bytes = 64, .store_bytes = 64, .vectors = 4 + 1 + 1 + 2 + 1, .moves = 4 + 3 + 1};
  const int64_t weighing = loop(g, 2 * pairs, weight, kLoadLatency + 4 * kMacLatency + 8) + 10;
  // 8 x 8 results: four products a block of eight keys, of whose values two halves are made. The sums' loads and stores
  // overlap with nothing, since the number of blocks is not constant.
  const Body values = {.load_bytes = 4 * 64, .vectors = 4, .moves = 2};
  const int64_t adding = 64 * (bundles(g, {.load_bytes = 256}) + bundles(g, {.store_bytes = 256}) +
                               loop(g, 2 * pairs, values, kLoadLatency + kMacLatency));
  // Sums are rescaled where a maximum rises by 2^8: at most once in a few steps; one group a step is allowed for.
  const int64_t rescaling = 17 * 6 + 2 * kMacLatency + 60;
  return kCall + scales + 8 * (scoring + 2 * (maxima + weighing)) + adding + rescaling;
}

int64_t end(Generation g, Numbers) {
  constexpr Body block = {.load_bytes = 128, .store_bytes = 64, .vectors = 2 * (1 + 3) + 4, .moves = 2 * 4 + 2 + 2};
  constexpr int64_t reciprocal = 3 * 2 * (3 * kMacLatency + 3 * kVectorLatency);
  return kCall + 16 * (reciprocal + loop(g, 8, block, kLoadLatency + 3 * kMacLatency + 6) + 40);
}

constexpr std::string_view kObject = "attention.o";

constexpr KernelType kKernels[] = {
    {"attention_begin_64x64", kObject, Bind<attention_begin_64x64>::run, begin, 1024},
    {"attention_step_64x64", kObject, Bind<attention_step_64x64>::run, step, 3328},
    {"attention_end_64x64", kObject, Bind<attention_end_64x64>::run, end, 2048},
};

}  // namespace

std::span<const KernelType> attention_kernels() { return kKernels; }

}  // namespace shorthand::npu
