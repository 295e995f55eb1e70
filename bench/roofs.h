// SPDX-License-Identifier: Apache-2.0
// What this machine could do at best, measured in the same run as what it did.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "base/cpu.h"
#include "model/config.h"

namespace shorthand::bench {

class Roofs {
 public:
  // Multiply-accumulates a second with all operands in registers: the widest int8 dot product of the rung (avx2: 16-bit
  // pmaddwd; amx: tiles), or float fused multiply-adds. By one core, or by `threads` at once. 0 where the rung has
  // none of its own or the machine lacks it.
  double int8_macs(Isa isa, int threads = 1);
  double float_macs(Isa isa, int threads = 1);

  // Bytes a second that each of `threads` threads reads from a part of one buffer of that size, all together.
  double read_bytes(size_t buffer_bytes, int threads = 1);

 private:
  std::map<std::pair<int, int>, double> macs_;  // (2 * isa + is float, threads)
  std::map<std::pair<size_t, int>, double> reads_;
};

// Larger than the caches of most machines: weights that are read once a step come from here.
inline constexpr size_t kStreamedBytes = size_t{192} << 20;
// Where a model's weights and a batch's keys and values lie on a machine with a large last cache.
inline constexpr size_t kNearBytes = size_t{48} << 20;

// Operations (two a multiply-accumulate) of the encoder for one window, its keys and values for the decoder included;
// of the decoder for one token; and bytes of int8 weights and of one window's cross keys and values that a step reads.
struct Work {
  double encoder_ops = 0, token_ops = 0, weight_bytes = 0, cross_bytes = 0;
};
Work work_of(const Config& config);

// roof time = (encoder + decoder operations) / int8 rate + steps * (weights + keys and values of the batch) / reads.
double roof_ms(const Work& work, int windows, int tokens_a_window, int batch, double int8_macs, double read_bytes);

// Nothing computes faster than registers alone: where a run seems to, the roof was measured while the machine was busy
// with something else. Two hundredths are noise.
inline bool is_above_roof(double roof_ms, double measured_ms) { return measured_ms < 0.98 * roof_ms; }

}  // namespace shorthand::bench
