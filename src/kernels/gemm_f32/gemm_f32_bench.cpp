// SPDX-License-Identifier: Apache-2.0
// The reference path of `base`.
#include "kernels/gemm_f32/gemm_f32.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/bench_support.h"

namespace shorthand::bench {
namespace {

using namespace gemm_f32;

struct Matrices {
  std::vector<float> a, c;
  AlignedBuffer<float> panels;
  int m, n, k;

  Matrices(int rows, int columns, int depth)
      : a(static_cast<size_t>(rows) * static_cast<size_t>(depth)),
        c(static_cast<size_t>(rows) * static_cast<size_t>(columns)),
        panels(packed_floats(columns, depth)),
        m(rows),
        n(columns),
        k(depth) {
    std::vector<float> b(static_cast<size_t>(n) * static_cast<size_t>(k));
    fill(a, 1);
    fill(b, 2);
    pack(b.data(), n, k, panels.data());
  }

  void run(const Variant& v, int rows, int last_panel, float* to) {
    multiply(v, a.data(), static_cast<size_t>(k), rows, {panels.data(), n, k}, 0, last_panel,
             {to, static_cast<size_t>(n), nullptr, Act::none, nullptr, 0});
  }

  // A few rows and panels against scalar: sums of k products of unit size may differ by k units of roundoff.
  void verify(const Variant& v) {
    const int rows = std::min(m, 13), last = std::min(panel_count(n), 9), columns = std::min(last * kPanelColumns, n);
    std::vector<float> want(c.size()), got(c.size());
    run(variants().front(), rows, last, want.data());
    run(v, rows, last, got.data());
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < columns; ++i) {
        const size_t at = static_cast<size_t>(r) * static_cast<size_t>(n) + static_cast<size_t>(i);
        if (std::fabs(got[at] - want[at]) <= static_cast<float>(k) * 0x1p-22f) continue;
        std::fprintf(stderr, "gemm_f32: %s differs from scalar; run kernels_test\n",
                     std::string(isa_name(v.isa)).c_str());
        std::exit(1);
      }
    }
  }
};

}  // namespace

void register_gemm_f32() {
  for (const Variant& v : variants()) {
    if (!isa_supported(v.isa) || v.isa == Isa::scalar) continue;
    for (const auto& [m, n, k] :
         {std::tuple{1500, 512, 512}, {1500, 2048, 512}, {1500, 512, 2048}, {1, 2048, 512}, {1, 51865, 512}}) {
      const std::string name = "gemm_f32/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) +
                               "/" + std::string(isa_name(v.isa));
      benchmark::RegisterBenchmark(name.c_str(), [&v, m = m, n = n, k = k](benchmark::State& state) {
        Matrices x(m, n, k);
        x.verify(v);
        for (auto _ : state) {
          x.run(v, m, panel_count(n), x.c.data());
          benchmark::ClobberMemory();
        }
        report_macs(state, static_cast<double>(m) * n * k, peak_float_macs(v.isa));
        if (m == 1) report_bytes(state, static_cast<double>(packed_floats(n, k) * sizeof(float)));
      })->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace shorthand::bench
