// SPDX-License-Identifier: Apache-2.0
#include "kernels/rowwise/rowwise.h"

#include <string>
#include <vector>

#include "kernels/bench_support.h"

namespace shorthand::bench {
namespace {

using namespace rowwise;

constexpr int kRows = 1500;

std::string named(const char* what, int n, Isa isa) {
  return std::string("rowwise/") + what + "/" + std::to_string(n) + "/" + std::string(isa_name(isa));
}

void add_layer_norm(const Variant& v, int n) {
  benchmark::RegisterBenchmark(named("layer_norm", n, v.isa).c_str(), [&v, n](benchmark::State& state) {
    const size_t width = static_cast<size_t>(n);
    std::vector<float> x(kRows * width), got(x.size()), want(x.size()), gamma(width), beta(width);
    fill(x, 1), fill(gamma, 2), fill(beta, 3);
    const LayerNorm ln{gamma.data(), beta.data(), n};
    variants().front().layer_norm(ln, x.data(), width, kRows, want.data(), width);
    for (auto _ : state) {
      v.layer_norm(ln, x.data(), width, kRows, got.data(), width);
      benchmark::ClobberMemory();
    }
    must_be_equal("layer_norm", v.isa, got.data(), want.data(), want.size() * sizeof(float));
    report_bytes(state, 2.0 * kRows * n * sizeof(float));
  })->Unit(benchmark::kMicrosecond);
}

void add_quantise(const Variant& v, int n) {
  benchmark::RegisterBenchmark(named("quantise", n, v.isa).c_str(), [&v, n](benchmark::State& state) {
    const size_t width = static_cast<size_t>(n);
    std::vector<float> x(kRows * width), scales(kRows);
    std::vector<uint8_t> got(x.size()), want(x.size());
    fill(x, 1);
    variants().front().quantise(x.data(), width, kRows, n, n, {want.data(), width, scales.data(), 1});
    for (auto _ : state) {
      v.quantise(x.data(), width, kRows, n, n, {got.data(), width, scales.data(), 1});
      benchmark::ClobberMemory();
    }
    must_be_equal("quantise", v.isa, got.data(), want.data(), want.size());
    report_bytes(state, 5.0 * kRows * n);
  })->Unit(benchmark::kMicrosecond);
}

void add_softmax_sums(const Variant& v, int n) {
  benchmark::RegisterBenchmark(named("softmax_sums", n, v.isa).c_str(), [&v, n](benchmark::State& state) {
    std::vector<float> x(static_cast<size_t>(n));
    fill(x, 1);
    const SoftmaxSums want = variants().front().softmax_sums(x.data(), n);
    SoftmaxSums got{};
    for (auto _ : state) benchmark::DoNotOptimize(got = v.softmax_sums(x.data(), n));
    must_be_equal("softmax_sums", v.isa, &got, &want, sizeof got);
    report_bytes(state, 4.0 * n);
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace

void register_rowwise() {
  for (const Variant& v : variants()) {
    if (!isa_supported(v.isa)) continue;
    add_layer_norm(v, 512);
    add_quantise(v, 512);
    add_quantise(v, 2048);
    add_softmax_sums(v, 51865);
  }
}

}  // namespace shorthand::bench
