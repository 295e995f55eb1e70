// SPDX-License-Identifier: Apache-2.0
// check(): refuses a Design that the array cannot run, with the fact and a way out, before anything is emitted or run.
//
// What it holds a design to: indices and endpoints that make sense (structure.cpp); memory, channels, descriptors,
// locks and ports of every tile (place.cpp); dimensions, sizes and strides of every descriptor and the descriptors that
// a sequence keeps in flight (check.cpp); objects produced and consumed, and circles of workers that wait for each
// other (balance.cpp). Numbers that change while the array runs (a parameter that the sequence writes) are beyond the
// last of these: the simulator finds those deadlocks.
#pragma once

#include "npu/place.h"

namespace shorthand::npu {

// All of it. The value is the placement that was found fit.
Result<Placement> check(const Design& design, const Device& device);

// What place() may rely on. check() begins with it.
Result<void> check_structure(const Design& design);

// Objects through every FIFO over the whole sequence; needs a sound structure.
Result<void> check_balance(const Design& design);

}  // namespace shorthand::npu
