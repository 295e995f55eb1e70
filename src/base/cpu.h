// SPDX-License-Identifier: Apache-2.0
// The ladder of instruction sets and which rungs this machine has.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shorthand {

// Lowest first. A rung stands for a set of CPUID bits that shipped together:
//   scalar      x86-64-v2, the baseline every object is built for
//   avx2        AVX2, FMA, F16C
//   avxvnni     avx2 and the VEX-coded 8-bit dot product (Alder Lake, Zen 5)
//   avx512vnni  AVX-512 F BW DQ VL and the 8-bit dot product (Ice Lake, Zen 4)
//   amx         avx512vnni and the int8 tile unit (Sapphire Rapids)
enum class Isa : uint8_t { scalar, avx2, avxvnni, avx512vnni, amx };

inline constexpr std::array kAllIsas = {Isa::scalar, Isa::avx2, Isa::avxvnni, Isa::avx512vnni, Isa::amx};

std::string_view isa_name(Isa isa);

// The rung of that name, or a usage error that lists the names.
Result<Isa> parse_isa(std::string_view name);

// True where both the processor and the operating system let a program execute the rung. For amx this asks the kernel
// once, for the whole process, for permission to use the tile registers.
bool isa_supported(Isa isa);

// The highest supported rung.
Isa best_isa();

// "AMD EPYC 9B14" or what /proc/cpuinfo calls it; empty where that cannot be read.
std::string cpu_model_name();

// Cores that this process may run on, hyper-threads of one core counted once.
int physical_cores();

}  // namespace shorthand
