// SPDX-License-Identifier: Apache-2.0
// The part of AMD's AIE API that our kernels use, for the host: the same source runs here and on a core of the array.
//
// A user's AIE compiler finds its own <aie_api/aie.hpp>; here this directory stands first in the include path. Meanings
// follow AMD's published documentation of the API (UG1529) and the machine's as docs/npu.md states them. Integers are
// exact, with wrapping accumulators; products of bfloat16 follow the machine's aligned sum (arithmetic.hpp). What the
// machine would round or wrap silently is done so here, and what it would do wrong silently, as a misaligned load, is
// asserted.
//
// Speed matters: whole encoders run through this. Lanes are plain arrays that the compiler turns into vectors.
#pragma once

#include "accum.hpp"
#include "arithmetic.hpp"
#include "mmul.hpp"
#include "shuffle.hpp"
#include "types.hpp"
#include "vector.hpp"
