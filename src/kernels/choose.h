// SPDX-License-Identifier: Apache-2.0
// One way to pick from a family's table of variants.
#pragma once

#include <span>

#include "base/cpu.h"

namespace shorthand {

// The highest variant at or below `cap` that this machine can run. The lowest, scalar, always can.
template <class Variants>
const auto& choose_variant(const Variants& variants, Isa cap) {
  const auto* chosen = &variants[0];
  for (const auto& v : variants) {
    if (v.isa <= cap && isa_supported(v.isa)) chosen = &v;
  }
  return *chosen;
}

}  // namespace shorthand
