// SPDX-License-Identifier: Apache-2.0
// The memory of the host as the shims see it: a server that moves so many bytes a cycle, first come, first served. An
// access costs whole lines: a walk of short runs reads what it does not want.
#pragma once

#include <algorithm>
#include <cmath>

#include "npu/device.h"
#include "npu/sim/flow.h"

namespace shorthand::npu {

class Ddr {
 public:
  Ddr(const Device& device, double clock_ghz)
      : line_(device.shim_line_bytes),
        read_(cost_of_line(device.ddr_read_gbps, clock_ghz)),
        write_(cost_of_line(device.ddr_write_gbps, clock_ghz)),
        shared_(device.ddr_shared) {}

  // Lines that the bytes [offset, offset + bytes) touch.
  int64_t lines(int64_t offset, int64_t bytes) const { return (offset + bytes - 1) / line_ - offset / line_ + 1; }

  // When an access asked for at `now` is done.
  Cycle serve(bool write, int64_t line_count, Cycle now) {
    int64_t& free = free_[write && !shared_ ? 1 : 0];
    free = std::max(free, now << kFraction) + line_count * (write ? write_ : read_);
    return (free + (1 << kFraction) - 1) >> kFraction;
  }

 private:
  static constexpr int kFraction = 12;  // bits of a cycle
  int64_t cost_of_line(double gbps, double clock_ghz) const {
    return std::llround(std::ldexp(line_ * clock_ghz / gbps, kFraction));
  }

  int line_;
  int64_t read_, write_;
  bool shared_;
  int64_t free_[2] = {0, 0};
};

}  // namespace shorthand::npu
