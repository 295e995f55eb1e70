// SPDX-License-Identifier: Apache-2.0
#include "kernels/relay/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

constexpr int kBlocks = 8;  // of a piece
constexpr int64_t kProductChain = 3 * kMacLatency + 3 * kVectorLatency;
// Two steps in bfloat16, each a conversion, two products and a conversion after each; and one of parts.
constexpr int64_t kReciprocal = 2 * (2 * kMacLatency + 3 * kVectorLatency) + 2 * kProductChain + 4;
constexpr int64_t kFold = 3 * 2 * kVectorLatency;  // three shuffles and maxima, each waiting for the last

int64_t copied(Generation g, int64_t bytes) {
  return loop(g, bytes / 64, {.load_bytes = 64, .store_bytes = 64}, kLoadLatency);
}
template <int bytes>
int64_t copying(Generation g, Numbers) {
  return kCall + copied(g, bytes);
}

// Elements from `first` on of those that there are, at most `most`.
int64_t part(int64_t there, int64_t first, int64_t most) { return std::clamp<int64_t>(there - first, 0, most); }
// Pieces of `tiles` tiles from `first` on that are not beyond the width.
int64_t pieces(int64_t first, int64_t tiles, int64_t width) { return part(width / 64, first, tiles); }

// A port moves sixteen bytes as slowly as its whole width.
int64_t gather(Generation g, Numbers) {
  const int port = g == Generation::aie2 ? 32 : 64;
  return kCall + loop(g, 4, {.load_bytes = 4 * port, .store_bytes = 64, .moves = 4}, kLoadLatency);
}
int64_t clear(Generation g, Numbers n) { return kCall + (n[0] == 0 ? loop(g, 8, {.store_bytes = 16}, 0) + 1 : 0); }

// Around a kernel of another family: its call, and addresses that are added up first.
int64_t cycles_of(std::string_view name, Generation g, Numbers n = {}) {
  return kCall + find_aie_kernel(name)->cycles(g, n);
}
int64_t begin(Generation g, Numbers) { return cycles_of("attention_begin_64x64", g); }
int64_t scores(Generation g, Numbers) {
  const int32_t valid = 64;
  return cycles_of("attention_scores_64x64", g, {&valid, 1});
}
int64_t weights(Generation g, Numbers n) {
  const int32_t valid = std::clamp(n[3] - 64 * (n[1] * n[2] + n[0]), 1, 64);
  return cycles_of("attention_weights_64x64", g, {&valid, 1});
}
int64_t attention_over(Generation g, Numbers) { return cycles_of("attention_end_64x64", g); }
int64_t product_first(Generation g, Numbers) { return cycles_of("zero_row_max_64", g); }
int64_t product_over(Generation g, Numbers n) {
  constexpr std::string_view kEpilogues[] = {"epilogue_bf16_64x64", "epilogue_gelu_bf16_64x64",
                                             "epilogue_head_i8_64x64"};
  constexpr int64_t kBranches = 2 * 6;
  return kBranches + cycles_of(kEpilogues[std::clamp(n[0], 0, 2)], g);
}

// Four rows' eight floats lie apart: a store each.
int64_t to_rows(Generation g, Numbers n) {
  const int port = g == Generation::aie2 ? 32 : 64;
  const Body body = {.load_bytes = 64, .store_bytes = 4 * port, .moves = 2};
  return kCall +
         pieces(n[1] + int64_t{n[0]} * n[4], n[4], n[5]) * loop(g, kBlocks, body, kLoadLatency + kVectorLatency);
}
int64_t quantised(Generation g, Numbers n) {
  constexpr Body body = {.load_bytes = 256, .store_bytes = 256, .moves = 8};
  return kCall + loop(g, n[4] / 64, body, kLoadLatency + 2 * kVectorLatency) + kLoadLatency + 1;
}

int64_t parameters(Generation g, Numbers n) {
  const int64_t shorts = part(int64_t{2} * n[1] + 32, int64_t{n[0]} * (kRelayObject / 2), kRelayObject / 2);
  return kCall + copied(g, 2 * shorts);
}

// A piece of the stream and a result's: their exponents from last bits, two blocks a round to sums, the exponents of
// these, two blocks a round to pieces again. What is of a piece alone stands beside nothing.
int64_t added(Generation g, Numbers n) {
  constexpr int64_t spreading = 4 * kVectorLatency;
  constexpr int64_t exponents = kLoadLatency + 3 * kVectorLatency + kFold + 2 * kVectorLatency + spreading;
  constexpr int64_t largest = kFold + 4 * kVectorLatency + spreading;
  constexpr Body two_sums = {.load_bytes = 2 * 128, .store_bytes = 2 * 128, .vectors = 2 * 10, .moves = 2 * 2};
  constexpr Body two_pieces = {.load_bytes = 2 * 128, .store_bytes = 2 * 64, .vectors = 2 * 2, .moves = 2};
  const int64_t piece = exponents +
                        loop(g, kBlocks / 2, two_sums, kLoadLatency + 2 * kMacLatency + 5 * kVectorLatency) + largest +
                        loop(g, kBlocks / 2, two_pieces, kLoadLatency + 2 * kVectorLatency) + 4;
  const int64_t tiles = std::min(n[7], n[8]), all = std::max(n[7], n[8]), first = n[2] + n[1] * all + n[0] * tiles;
  return kCall + (first == 0 ? 3 : 0) + pieces(first, tiles, n[9]) * piece;
}
int64_t norm(Generation g, Numbers n) {
  const int32_t width = n[6];
  return cycles_of("layer_norm_i8", g, {&width, 1});
}
int64_t normal(Generation g, Numbers n) {
  constexpr Body body = {.load_bytes = 64, .store_bytes = 128, .vectors = 3, .moves = 1};
  return kCall + kLoadLatency + 2 +
         loop(g, pieces(int64_t{8} * n[0], 8, n[1]) * kBlocks, body, kLoadLatency + kMacLatency + kVectorLatency);
}
int64_t kept(Generation g, Numbers n) {
  constexpr Body body = {.load_bytes = 64, .store_bytes = 64, .vectors = 2};
  return kCall + kLoadLatency + 1 +
         pieces(n[1] + int64_t{n[0]} * n[3], n[3], n[4]) * loop(g, kBlocks, body, kLoadLatency + kVectorLatency);
}
// The divisors of four rows in two vectors side by side, then two products an element, as gemm_i8 quantises.
constexpr int64_t kSteps = kLoadLatency + kFold + 3 * kVectorLatency + kReciprocal + 2 * kProductChain;
int64_t quantised_blocks(Generation g, int64_t blocks) {
  constexpr Body body = {.load_bytes = 64, .store_bytes = 32, .vectors = 4 + 4, .moves = 4};
  return loop(g, blocks, body, kLoadLatency + 2 * kMacLatency + 4);
}
int64_t from_rows(Generation g, Numbers n) {
  return kCall + kSteps + quantised_blocks(g, pieces(int64_t{32} * n[0], 32, n[4]) * kBlocks);
}
int64_t steps(Generation, Numbers) { return kCall + kSteps + 4; }
int64_t from_pieces(Generation g, Numbers n) { return kCall + kLoadLatency + n[6] * quantised_blocks(g, kBlocks); }

int64_t join(Generation g, Numbers n) {
  const int64_t sets = part(n[2], int64_t{16} * n[0], 16);
  return kCall + 4 * (loop(g, sets, {.load_bytes = 64, .vectors = 1}, kLoadLatency + kVectorLatency) + 2);
}
int64_t recall(Generation, Numbers) { return kCall + kLoadLatency + 2 + kMacLatency + 3 * kVectorLatency + 1; }
int64_t keep(Generation, Numbers) { return kCall + kLoadLatency + kFold + 2 * kProductChain + 1; }
int64_t scales(Generation g, Numbers) {
  const int port = g == Generation::aie2 ? 32 : 64;
  return kCall + loop(g, 32, {.load_bytes = port, .store_bytes = port}, kLoadLatency);
}

constexpr std::string_view kObject = "relay.o";

constexpr KernelType kKernels[] = {
    {"gather_scales", kObject, Bind<gather_scales>::run, gather, 1024},
    {"copy_scales", kObject, Bind<copy_scales>::run, copying<256>, 1024},
    {"keep_query", kObject, Bind<keep_query>::run, copying<kRelayObject>, 1024},
    {"attention_begin", kObject, Bind<attention_begin>::run, begin, 2048},
    {"attention_scores", kObject, Bind<attention_scores>::run, scores, 3328},
    {"attention_weights", kObject, Bind<attention_weights>::run, weights, 3328},
    {"attention_end", kObject, Bind<attention_end>::run, attention_over, 2048},
    {"product_begin", kObject, Bind<product_begin>::run, product_first, 1024},
    {"product_end", kObject, Bind<product_end>::run, product_over, 3328},
    {"clear_first", kObject, Bind<clear_first>::run, clear, 1024},
    {"rows_of", kObject, Bind<rows_of>::run, to_rows, 1024},
    {"copy_parameters", kObject, Bind<copy_parameters>::run, parameters, 1024},
    {"add_result", kObject, Bind<add_result>::run, added, 2048},
    {"layer_norm_pieces", kObject, Bind<layer_norm_pieces>::run, norm, 3328},
    {"send_normal", kObject, Bind<send_normal>::run, normal, 1024},
    {"keep_quantised", kObject, Bind<keep_quantised>::run, quantised, 2048},
    {"send_kept", kObject, Bind<send_kept>::run, copying<kRelayResult>, 1024},
    {"keep_pieces", kObject, Bind<keep_pieces>::run, kept, 1024},
    {"quantise_kept", kObject, Bind<quantise_kept>::run, from_rows, 2048},
    {"find_steps", kObject, Bind<find_steps>::run, steps, 2048},
    {"quantise_pieces", kObject, Bind<quantise_pieces>::run, from_pieces, 2048},
    {"send_maxima", kObject, Bind<send_maxima>::run, copying<256>, 1024},
    {"join_maxima", kObject, Bind<join_maxima>::run, join, 1024},
    {"recall_maxima", kObject, Bind<recall_maxima>::run, recall, 1024},
    {"keep_scales", kObject, Bind<keep_scales>::run, keep, 1024},
    {"send_scales", kObject, Bind<send_scales>::run, scales, 1024},
};

}  // namespace

std::span<const KernelType> relay_kernels() { return kKernels; }

}  // namespace shorthand::npu
