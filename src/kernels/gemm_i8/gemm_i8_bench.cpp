// SPDX-License-Identifier: Apache-2.0
// The products of `base`: encoder shapes with everything in reach of the caches, decode shapes with weights from
// memory.
#include "kernels/gemm_i8/gemm_i8.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kernels/bench_support.h"

namespace shorthand::bench {
namespace {

using namespace gemm_i8;

struct Case {
  const char* what;
  int m, n, k;
  bool bias, gelu, residual;
};

// As many copies of one packed matrix as kStreamedBytes holds, or one.
struct Matrices {
  AlignedBuffer<uint8_t> a;
  AlignedBuffer<int8_t> panels;
  AlignedBuffer<float> a_scales, b_scales, bias, c;
  AlignedBuffer<int32_t> bias_sums;
  size_t copies;
  Case shape;

  explicit Matrices(const Case& s, bool streamed)
      : a(static_cast<size_t>(s.m) * static_cast<size_t>(padded_depth(s.k))),
        a_scales(static_cast<size_t>(s.m)),
        b_scales(static_cast<size_t>(panel_count(s.n)) * kPanelColumns),
        bias(b_scales.size()),
        c(static_cast<size_t>(s.m) * static_cast<size_t>(s.n)),
        bias_sums(b_scales.size()),
        copies(streamed ? std::max<size_t>(1, kStreamedBytes / packed_bytes(s.n, s.k)) : 1),
        shape(s) {
    panels = AlignedBuffer<int8_t>(copies * packed_bytes(s.n, s.k));
    std::vector<int8_t> b(static_cast<size_t>(s.n) * static_cast<size_t>(s.k));
    fill_integers(a.span(), 1, 255, 1);
    fill_integers(std::span(b), -127, 127, 2);
    std::fill_n(a_scales.data(), a_scales.size(), 1e-3f);
    std::fill_n(b_scales.data(), b_scales.size(), 1e-3f);
    fill(bias.span(), 3);
    for (size_t i = 0; i < copies; ++i)
      pack(b.data(), s.n, s.k, panels.data() + i * packed_bytes(s.n, s.k), bias_sums.data());
  }

  PackedB b(size_t copy) const {
    return {panels.data() + copy * packed_bytes(shape.n, shape.k), b_scales.data(), bias_sums.data(), shape.n, shape.k};
  }
  void run(const Variant& v, size_t copy, int first_row, int rows, int first_panel, int last_panel, float* to) {
    const size_t row = static_cast<size_t>(first_row), stride = static_cast<size_t>(padded_depth(shape.k));
    Epilogue e{to,
               static_cast<size_t>(shape.n),
               shape.bias ? bias.data() : nullptr,
               shape.gelu ? Act::gelu : Act::none,
               nullptr,
               0};
    if (shape.residual) e.residual = to, e.residual_stride = e.c_stride;
    multiply(v, {a.data() + row * stride, stride, a_scales.data() + row, 1, rows}, b(copy), first_panel, last_panel, e);
  }

  // A few rows at both ends by this variant and by scalar, over a few panels at both ends.
  void verify(const Variant& v) {
    const int panels_here = panel_count(shape.n), rows = std::min(shape.m, 29);
    std::vector<float> want(static_cast<size_t>(rows) * static_cast<size_t>(shape.n)), got(want.size());
    for (int first_row : {0, shape.m - rows}) {
      for (int first : {0, std::max(0, panels_here - 9)}) {
        const int last = std::min(panels_here, first + 9);
        std::fill(want.begin(), want.end(), 0.5f);
        got = want;
        run(variants().front(), 0, first_row, rows, first, last, want.data());
        run(v, 0, first_row, rows, first, last, got.data());
        must_be_equal("gemm_i8", v.isa, got.data(), want.data(), want.size() * sizeof(float));
      }
    }
  }
};

void add(const Variant& v, const Case& shape, bool streamed) {
  const std::string name = std::string("gemm_i8/") + shape.what + "/" + std::to_string(shape.m) + "x" +
                           std::to_string(shape.n) + "x" + std::to_string(shape.k) + "/" + std::string(isa_name(v.isa));
  benchmark::RegisterBenchmark(name.c_str(), [&v, shape, streamed](benchmark::State& state) {
    Matrices m(shape, streamed);
    m.verify(v);
    size_t copy = 0;
    for (auto _ : state) {
      m.run(v, copy, 0, shape.m, 0, panel_count(shape.n), m.c.data());
      copy = (copy + 1) % m.copies;
      benchmark::ClobberMemory();
    }
    report_macs(state, static_cast<double>(shape.m) * shape.n * shape.k, peak_int8_macs(v.isa));
    if (streamed) report_bytes(state, static_cast<double>(packed_bytes(shape.n, shape.k)));
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace

void register_gemm_i8() {
  for (const Variant& v : variants()) {
    if (!isa_supported(v.isa) || v.isa == Isa::scalar) continue;
    add(v, {"qkv", 1500, 512, 512, true, false, false}, false);
    add(v, {"out", 1500, 512, 512, true, false, true}, false);
    add(v, {"fc1", 1500, 2048, 512, true, true, false}, false);
    add(v, {"fc2", 1500, 512, 2048, true, false, true}, false);
    for (int m : {1, 2, 4, 5, 8, 16}) {
      add(v, {"decode", m, 512, 512, true, false, false}, true);
      add(v, {"decode", m, 2048, 512, true, true, false}, true);
      add(v, {"decode", m, 512, 2048, true, false, true}, true);
      add(v, {"logits", m, 51865, 512, false, false, false}, true);
    }
  }
}

}  // namespace shorthand::bench
