// SPDX-License-Identifier: Apache-2.0
#include "base/cpu.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <utility>

namespace shorthand {
namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(unsigned word, int n) { return (word >> n & 1) != 0; }

// Register state that the operating system saves on a context switch (XCR0). Intel SDM 1, 13.3.
uint64_t enabled_state() {
  if (!bit(cpuid(1, 0).ecx, 27)) return 0;  // OSXSAVE
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

constexpr uint64_t kAvxState = 0x6;      // SSE, AVX
constexpr uint64_t kAvx512State = 0xe6;  // and opmask, ZMM_Hi256, Hi16_ZMM
constexpr uint64_t kAmxState = 0x60000;  // XTILECFG, XTILEDATA

// Linux grants the tile registers to a process only on request: Documentation/arch/x86/xstate.rst.
bool request_tile_permission() {
  constexpr int kArchReqXcompPerm = 0x1023, kXtileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, kArchReqXcompPerm, kXtileData) == 0;
  return granted;
}

bool probe(Isa isa) {
  const Registers f1 = cpuid(1, 0), f7 = cpuid(7, 0), f7s1 = cpuid(7, 1);
  const uint64_t state = enabled_state();
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return (state & kAvxState) == kAvxState && bit(f7.ebx, 5) && bit(f1.ecx, 12) && bit(f1.ecx, 29);
    case Isa::avxvnni: return probe(Isa::avx2) && bit(f7s1.eax, 4);
    case Isa::avx512vnni:
      return probe(Isa::avx2) && (state & kAvx512State) == kAvx512State && bit(f7.ebx, 16) && bit(f7.ebx, 17) &&
             bit(f7.ebx, 30) && bit(f7.ebx, 31) && bit(f7.ecx, 11);
    case Isa::amx:
      return probe(Isa::avx512vnni) && (state & kAmxState) == kAmxState && bit(f7.edx, 24) && bit(f7.edx, 25) &&
             request_tile_permission();
  }
  return false;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  constexpr std::array<std::string_view, kAllIsas.size()> names = {"scalar", "avx2", "avxvnni", "avx512vnni", "amx"};
  return names[static_cast<size_t>(isa)];
}

Result<Isa> parse_isa(std::string_view name) {
  for (Isa isa : kAllIsas) {
    if (isa_name(isa) == name) return isa;
  }
  return usage_error(
      fmt::format("unknown instruction set '{}'; the rungs are scalar, avx2, avxvnni, avx512vnni, amx", name));
}

bool isa_supported(Isa isa) {
  static const auto supported = [] {
    std::array<bool, kAllIsas.size()> s{};
    for (Isa i : kAllIsas) s[static_cast<size_t>(i)] = probe(i);
    return s;
  }();
  return supported[static_cast<size_t>(isa)];
}

Isa best_isa() {
  Isa best = Isa::scalar;
  for (Isa isa : kAllIsas) {
    if (isa_supported(isa)) best = isa;
  }
  return best;
}

std::string cpu_model_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(':');
    if (line.starts_with("model name") && colon + 2 <= line.size()) return line.substr(colon + 2);
  }
  return {};
}

int physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<std::pair<int, int>> cores;
  int logical = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    ++logical;
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", cpu);
    int package = -1, core = -1;
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    if (core >= 0) cores.emplace(package, core);
  }
  const int count = cores.empty() ? logical : static_cast<int>(cores.size());
  return count > 0 ? count : 1;
}

}  // namespace shorthand
