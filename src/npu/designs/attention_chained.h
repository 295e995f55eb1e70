// SPDX-License-Identifier: Apache-2.0
// One layer's attention in the chained form, against which the fused one of the encoder is set: every pass leaves its
// results in DDR, and the next one reads them there.
//
//   scores    int8 Q K^T of a head -> bfloat16 [positions, positions]
//   softmax   rows of it -> float -> bfloat16 weights -> int8 with a scale a row
//   values    int8 weights x int8 V -> bfloat16 [positions, 64]
//
// A column of cores has heads of its own: it streams a head's keys, or values, past its cores, each at other queries.
// All passes are of one configuration, so that they can be one launch or three.
#pragma once

#include <span>
#include <vector>

#include "npu/design.h"
#include "npu/device.h"

namespace shorthand::npu {

struct ChainedAttention {
  int positions = 1500, heads = 8;  // heads are 64 wide
  int first = 0, count = 3;         // which of the passes one launch does
  int depth = 2;                    // objects that a FIFO holds at each end, but for results: 1 or 2
};

// int8, a scale a row of each head: queries and keys [positions, heads * 64] with scales [positions, heads]; a scale a
// column: values with scales [heads * 64].
struct AttentionInputs {
  std::span<const int8_t> queries, keys, values;
  std::span<const float> query_scales, key_scales, value_scales;
};

// Host buffers: "inputs", "state", "out". Refuses more than 1,536 positions: four float rows are what a core holds.
Result<Design> chained_attention_design(const Device& device, const ChainedAttention& attention);

// The contents of "inputs".
std::vector<std::byte> pack_chained(const Device& device, const ChainedAttention& attention, const AttentionInputs& in);
// Of "out": [positions, heads * 64].
std::vector<float> unpack_chained(const Device& device, const ChainedAttention& attention,
                                  std::span<const std::byte> out);

}  // namespace shorthand::npu
