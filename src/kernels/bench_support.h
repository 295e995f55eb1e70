// SPDX-License-Identifier: Apache-2.0
// What the benchmarks of the kernel families share: the roofs of this machine, measured in the same run, and the
// promise that nothing is timed before it has been compared with scalar.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>

#include "base/cpu.h"

namespace shorthand::bench {

// Multiply-accumulates a second of one core with all operands in registers: the widest int8 dot product that the rung
// has (avx2: 16-bit pmaddwd), and float fused multiply-adds. 0 where the rung is not supported or not measured.
double peak_int8_macs(Isa isa);
double peak_float_macs(Isa isa);

// Bytes a second that one core reads from a buffer of that size, again and again.
double read_bytes_per_second(size_t buffer_bytes);

// More than the caches of the machines at hand: weights of decode shapes cycle through this much.
inline constexpr size_t kStreamedBytes = size_t{128} << 20;

// A family's file registers its cases here; main() calls them.
void register_gemm_i8();
void register_gemm_f32();
void register_attention();
void register_rowwise();

// GOP/s (two a multiply-accumulate) and, where the peak is known, the share of it.
inline void report_macs(benchmark::State& state, double macs, double peak) {
  const double done = macs * static_cast<double>(state.iterations());
  state.counters["GOP/s"] = benchmark::Counter(2e-9 * done, benchmark::Counter::kIsRate);
  if (peak > 0) state.counters["%peak"] = benchmark::Counter(100 * done / peak, benchmark::Counter::kIsRate);
}
inline void report_bytes(benchmark::State& state, double bytes) {
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * bytes * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// Ends the program where two results that must be the same bits are not: a wrong kernel has no speed.
inline void must_be_equal(const char* what, Isa isa, const void* got, const void* want, size_t bytes) {
  if (std::memcmp(got, want, bytes) == 0) return;
  std::fprintf(stderr, "%s: %s differs from scalar; run kernels_test\n", what, std::string(isa_name(isa)).c_str());
  std::exit(1);
}

inline void fill(std::span<float> out, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  for (float& x : out) x = normal(engine);
}
template <class T>
void fill_integers(std::span<T> out, int lowest, int highest, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> uniform(lowest, highest);
  for (T& x : out) x = static_cast<T>(uniform(engine));
}

}  // namespace shorthand::bench
