// SPDX-License-Identifier: Apache-2.0
// kernels_bench: the roofs of one core, then every family. Pin it: taskset -c 1 kernels_bench --benchmark_filter=...
#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "kernels/bench_support.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX512VNNI
namespace {

// Sixteen independent chains, no two alike, lest the compiler make one of them: more than any of these instructions
// takes cycles times how many start in one.
constexpr int kChains = 16;

void dot_zmm(int n, void* out) {
  __m512i acc[kChains], a = _mm512_set1_epi32(0x01020304);
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_epi32(c);
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_dpbusd_epi32(acc[c], a, a);
    __asm__("" : "+v"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) _mm512_storeu_si512(static_cast<__m512i*>(out) + c, acc[c]);
}

void fma_zmm(int n, void* out) {
  __m512 acc[kChains], a = _mm512_set1_ps(1e-9f);
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_ps(static_cast<float>(c));
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_fmadd_ps(a, a, acc[c]);
    __asm__("" : "+v"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) _mm512_storeu_ps(static_cast<float*>(out) + 16 * c, acc[c]);
}

}  // namespace
SHORTHAND_TARGET_END

SHORTHAND_TARGET_AVX2
namespace {

constexpr int kNarrowChains = 12;  // of sixteen registers

void madd_ymm(int n, void* out) {
  __m256i acc[kNarrowChains], a = _mm256_set1_epi32(0x00010002);
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_set1_epi32(c);
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) {
      acc[c] = _mm256_add_epi32(acc[c], _mm256_madd_epi16(a, acc[c]));  // of its own sum: twelve products, not one
    }
  }
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) _mm256_storeu_si256(static_cast<__m256i*>(out) + c, acc[c]);
}

void fma_ymm(int n, void* out) {
  __m256 acc[kNarrowChains], a = _mm256_set1_ps(1e-9f);
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_set1_ps(static_cast<float>(c));
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_fmadd_ps(a, a, acc[c]);
    __asm__("" : "+x"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) _mm256_storeu_ps(static_cast<float*>(out) + 8 * c, acc[c]);
}

// Reads whole lines in four streams' worth of independent sums.
void read_ymm(const std::byte* from, size_t bytes, void* out) {
  __m256i acc[4] = {};
  for (size_t i = 0; i < bytes; i += 128) {
    SHORTHAND_UNROLL for (int c = 0; c < 4; ++c) {
      acc[c] = _mm256_add_epi32(acc[c], _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i + c * 32)));
    }
  }
  SHORTHAND_UNROLL for (int c = 0; c < 4; ++c) _mm256_storeu_si256(static_cast<__m256i*>(out) + c, acc[c]);
}

}  // namespace
SHORTHAND_TARGET_END

namespace shorthand::bench {
namespace {

template <class Body>
double seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of many short runs: a roof is what the core can do, not what it did while others ran.
template <class Body>
double shortest(int runs, const Body& body) {
  double best = seconds(body);
  for (int i = 1; i < runs; ++i) best = std::min(best, seconds(body));
  return best;
}

double register_loop(void (*loop)(int, void*), int macs_a_step) {
  constexpr int kSteps = 200000;
  alignas(64) std::byte out[kChains * 64] = {};
  return static_cast<double>(kSteps) * macs_a_step / shortest(100, [&] { loop(kSteps, out); });
}

double measured_peak(Isa isa, bool int8) {
  if (!isa_supported(isa)) return 0;
  if (isa == Isa::avx512vnni) return int8 ? register_loop(dot_zmm, kChains * 64) : register_loop(fma_zmm, kChains * 16);
  if (isa == Isa::avx2)
    return int8 ? register_loop(madd_ymm, kNarrowChains * 16) : register_loop(fma_ymm, kNarrowChains * 8);
  return 0;
}

double peak(Isa isa, bool int8) {
  static std::array<std::array<double, 2>, kAllIsas.size()> known = {};
  double& here = known[static_cast<size_t>(isa)][int8];
  if (here == 0) here = measured_peak(isa, int8);
  return here;
}

}  // namespace

double peak_int8_macs(Isa isa) { return peak(isa, true); }
double peak_float_macs(Isa isa) { return peak(isa, false); }

double read_bytes_per_second(size_t buffer_bytes) {
  if (!isa_supported(Isa::avx2)) return 0;
  const AlignedBuffer<std::byte> buffer(buffer_bytes);
  alignas(64) std::byte out[4 * 32];
  const int runs = static_cast<int>(std::clamp<size_t>((size_t{1} << 30) / buffer_bytes, 8, 2000));
  return static_cast<double>(buffer_bytes) / shortest(runs, [&] { read_ymm(buffer.data(), buffer.size(), out); });
}

}  // namespace shorthand::bench

int main(int argc, char** argv) {
  using namespace shorthand;
  using namespace shorthand::bench;
  for (Isa isa : {Isa::avx2, Isa::avx512vnni}) {
    if (!isa_supported(isa)) continue;
    const std::string name(isa_name(isa));
    benchmark::AddCustomContext("peak " + name + ", GOP/s", std::to_string(2e-9 * peak_int8_macs(isa)) + " int8, " +
                                                                std::to_string(2e-9 * peak_float_macs(isa)) + " float");
  }
  for (const auto& [name, bytes] : {std::pair{"16 KiB", size_t{16} << 10},
                                    {"256 KiB", size_t{256} << 10},
                                    {"8 MiB", size_t{8} << 20},
                                    {"128 MiB", kStreamedBytes}})
    benchmark::AddCustomContext(std::string("read ") + name + ", GB/s",
                                std::to_string(1e-9 * read_bytes_per_second(bytes)));
  register_gemm_i8();
  register_gemm_f32();
  register_attention();
  register_rowwise();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
