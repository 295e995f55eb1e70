// SPDX-License-Identifier: Apache-2.0
// Memory to memory through the memory tiles: what the shims and the DDR carry.
#pragma once

#include "npu/design.h"

namespace shorthand::npu {

// Copies host buffer "x" to "y", `bytes` each, in equal shares over `channels` channels a direction, spread over the
// columns. Refuses shares that are no whole number of 4 KiB objects.
Result<Design> memcpy_design(const Device& device, int channels, int64_t bytes);

}  // namespace shorthand::npu
