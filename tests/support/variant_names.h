// SPDX-License-Identifier: Apache-2.0
// Tests that run once for every variant of a kernel family.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "base/cpu.h"
#include "kernels/kernels.h"

// What GoogleTest shows of a parameter.
namespace shorthand::gemm_i8 {
inline void PrintTo(const Variant& v, std::ostream* os) { *os << isa_name(v.isa); }
}  // namespace shorthand::gemm_i8
namespace shorthand::gemm_f32 {
inline void PrintTo(const Variant& v, std::ostream* os) { *os << isa_name(v.isa); }
}  // namespace shorthand::gemm_f32
namespace shorthand::attention {
inline void PrintTo(const Variant& v, std::ostream* os) { *os << isa_name(v.isa); }
}  // namespace shorthand::attention
namespace shorthand::rowwise {
inline void PrintTo(const Variant& v, std::ostream* os) { *os << isa_name(v.isa); }
}  // namespace shorthand::rowwise

namespace shorthand::testing {

// Names a parameterised test after the instruction set of its variant: .../avx512vnni.
inline auto variant_name() {
  return [](const auto& test) { return std::string(isa_name(test.param.isa)); };
}

}  // namespace shorthand::testing

// Skips the test, and says why, where this machine does not have the instruction set.
#define SHORTHAND_NEEDS_ISA(isa) \
  if (!::shorthand::isa_supported(isa)) GTEST_SKIP() << "this machine has no " << ::shorthand::isa_name(isa)
