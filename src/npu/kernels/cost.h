// SPDX-License-Identifier: Apache-2.0
// Cycles of a kernel's loops from what a core can issue in one. Constants: docs/npu.md, compute tile; the rules are
// those of a compiler that pipelines its innermost loops, with what overlaps nothing counted apart.
//
// A cycle issues two loads and one store of 32 bytes (64 on aie2p), one vector instruction, one move (shuffle,
// broadcast, conversion between accumulator and vector), scalars beside them. A pipelined loop takes, each time round,
// the slots of its busiest kind; it starts and ends by waiting for its first load and last product.
#pragma once

#include <algorithm>
#include <cstdint>

#include "npu/kernel.h"

namespace shorthand::npu::cost {

inline constexpr int kCall = 12;        // call, pointers, modes, return with its delay slots
inline constexpr int kLoadLatency = 7;  // vector load to use
inline constexpr int kMacLatency = 6;   // vmac.f; integers have 5
inline constexpr int kVectorLatency = 2;
inline constexpr int kLoopSlack = 2;  // what a saturated body loses to pointers and the branch

constexpr int64_t kReduce = 4 * 2 * kVectorLatency + 8;  // shuffles and maxima; out of the vector and back

struct Body {
  int load_bytes = 0;
  int store_bytes = 0;
  int int8_macs = 0;  // instructions of 256 products: half as many on aie2p
  int vectors = 0;    // other products and vector arithmetic
  int moves = 0;
};

constexpr int64_t bundles(Generation g, const Body& b) {
  const int port = g == Generation::aie2 ? 32 : 64, mac = g == Generation::aie2 ? 1 : 2;
  const int loads = (b.load_bytes + 2 * port - 1) / (2 * port), stores = (b.store_bytes + port - 1) / port;
  return std::max({loads, stores, (b.int8_macs + mac - 1) / mac + b.vectors, b.moves, 1});
}

// `stages` is the longest chain of a body in cycles: what filling and draining the pipeline takes.
constexpr int64_t loop(Generation g, int64_t trips, const Body& b, int64_t stages) {
  return trips <= 0 ? 0 : trips * (bundles(g, b) + (bundles(g, b) > 8 ? kLoopSlack : 0)) + stages;
}

// A loop of a few rounds, none of which overlaps the next: its whole chain each time.
constexpr int64_t rolled(Generation g, int64_t rounds, const Body& b, int64_t chain) {
  return rounds * (bundles(g, b) + kLoopSlack + chain);
}

}  // namespace shorthand::npu::cost
