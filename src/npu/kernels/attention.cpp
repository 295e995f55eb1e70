// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

constexpr int64_t kProductChain = 3 * kMacLatency + 3 * kVectorLatency;

// What a loop does each time round, where that is the same thing twice.
constexpr Body twice(const Body& b) {
  return {2 * b.load_bytes, 2 * b.store_bytes, 2 * b.int8_macs, 2 * b.vectors, 2 * b.moves};
}

// With what the first step does once a head: the queries' scales as factors, spread over blocks, and the references.
int64_t begin(Generation g, Numbers) {
  const int64_t factors = loop(g, 4, {.vectors = 1 + 3 + 5, .moves = 3 + 1 + 1}, 2 * kProductChain) + kReduce;
  const int64_t spreading = 16 * (kLoadLatency + 4 + 3);
  const int64_t references = loop(g, 16, {.load_bytes = 128, .store_bytes = 128, .vectors = 6, .moves = 9 + 2 + 4 + 4},
                                  kLoadLatency + 12 * kVectorLatency + kMacLatency);
  return kCall + loop(g, kAttentionRowSums / 8, {.store_bytes = 32}, 0) + factors + spreading + references;
}

int64_t scores(Generation g, Numbers) {
  // 64 factors masked, in one straight run; the exponent and the bound by which they are.
  const Body factors = {.load_bytes = 3 * 64 + 64, .store_bytes = 2 * 64 + 64, .vectors = 2 * 2, .moves = 3};
  const int64_t scaling = bundles(g, factors) + kLoadLatency + 2 * kVectorLatency + 4;
  // Eight rows and sixteen keys: 32 products of 4x8x8, of whose blocks the keys' are turned (one move each); four
  // blocks of scores shifted, multiplied, shifted, stored and compared; eight keys' factors spread, twice, by two.
  const int port = g == Generation::aie2 ? 32 : 64;
  const Body scored = {.load_bytes = 8 * (2 * 32 + 4 * 32) + 2 * port + 2 * 64,
                       .store_bytes = 4 * 64 + 2 * 64,
                       .int8_macs = 32,
                       .vectors = 4 * 2,
                       .moves = 16 + 4 * 2 + 2 * 2};
  return kCall + scaling + loop(g, 16, twice(scored), kLoadLatency + 3 * kMacLatency + kVectorLatency);
}

int64_t weights(Generation g, Numbers numbers) {
  // Whether a reference must rise: a product for each four rows.
  const int64_t looking = loop(g, 16, {.load_bytes = 256, .vectors = 1 + 1, .moves = 2 + 1},
                               kLoadLatency + kMacLatency + 3 * kVectorLatency) +
                          kReduce;
  // Eight blocks of four rows: three products with their shifts, the fraction, a product with ones; masks in the tile
  // that has padding.
  const int masks = numbers[0] < 64 ? 8 : 0;
  const Body weighed = {.load_bytes = 8 * 64 + 64 + 128 + 64,
                        .store_bytes = 8 * 64 + 64,
                        .vectors = 8 * 5 + 2 * masks,
                        .moves = 8 * 4 + 2 + masks};
  const int64_t weighing = loop(g, 8, twice(weighed), kLoadLatency + 4 * kMacLatency + 3 * kVectorLatency);
  return kCall + looking + weighing;
}

int64_t values(Generation g, Numbers numbers) {
  const int64_t looking = numbers[0] == 0 ? kLoadLatency + 2 : 0;  // whether a reference rose, which is rare
  // 16 x 8 results: eight products a block of eight keys, of whose values two halves are made.
  constexpr Body body = {
      .load_bytes = 4 * (4 * 64 + 2 * 64) + 8 * 64, .store_bytes = 8 * 64, .vectors = 32, .moves = 8};
  return kCall + looking + loop(g, 16, twice(body), kLoadLatency + kMacLatency + 8 * 2);
}

int64_t end(Generation g, Numbers) {
  const int port = g == Generation::aie2 ? 32 : 64;
  const Body newton = {
      .load_bytes = 64, .store_bytes = 2 * port, .vectors = 2 + 2 * (1 + 3 + 1 + 1 + 3) + 1, .moves = 3 + 2 * 8 + 3};
  // Two blocks: four halves split and multiplied, zeros in their place; to bfloat16, in rows.
  const Body blocks = {.load_bytes = 2 * 128 + 2 * port,
                       .store_bytes = 2 * 128 + 2 * 64,
                       .vectors = 2 * 2 * (1 + 3),
                       .moves = 2 * (2 * (3 + 1) + 1)};
  return kCall + loop(g, 16, newton, kLoadLatency + 4 * kProductChain + 2 * kVectorLatency) +
         loop(g, 64, blocks, kLoadLatency + kProductChain + 4 * kVectorLatency);
}

constexpr std::string_view kObject = "attention.o";

constexpr KernelType kKernels[] = {
    {"attention_begin_64x64", kObject, Bind<attention_begin_64x64>::run, begin, 2048},
    {"attention_scores_64x64", kObject, Bind<attention_scores_64x64>::run, scores, 3328},
    {"attention_weights_64x64", kObject, Bind<attention_weights_64x64>::run, weights, 3328},
    {"attention_values_64x32", kObject, Bind<attention_values_64x32>::run, values, 3328},
    {"attention_end_64x64", kObject, Bind<attention_end_64x64>::run, end, 2048},
};

}  // namespace

std::span<const KernelType> attention_kernels() { return kKernels; }

}  // namespace shorthand::npu
