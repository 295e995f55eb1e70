// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel_cases.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_i8/gemm_i8.h"
#include "roofs.h"

namespace shorthand::bench {
namespace {

size_t size(int n) { return static_cast<size_t>(n); }

template <class Variant>
const Variant& of_rung(std::span<const Variant> variants, Isa isa) {
  return *std::ranges::find(variants, isa, &Variant::isa);
}

// As many copies of one packed matrix as kStreamedBytes holds, or one.
struct Int8Matrices {
  Shape shape;
  int m, n, k;
  size_t copies, next = 0;
  AlignedBuffer<uint8_t> a;
  AlignedBuffer<int8_t> panels;
  AlignedBuffer<float> a_scales, b_scales, bias, c;
  AlignedBuffer<int32_t> bias_sums;

  explicit Int8Matrices(const Shape& s)
      : shape(s),
        m(s.sizes[0]),
        n(s.sizes[1]),
        k(s.sizes[2]),
        copies(s.streamed ? std::max<size_t>(1, kStreamedBytes / gemm_i8::packed_bytes(n, k)) : 1),
        a(size(m) * size(gemm_i8::padded_depth(k))),
        panels(copies * gemm_i8::packed_bytes(n, k)),
        a_scales(size(m)),
        b_scales(size(gemm_i8::panel_count(n)) * gemm_i8::kPanelColumns),
        bias(b_scales.size()),
        c(size(m) * size(n)),
        bias_sums(b_scales.size()) {
    std::vector<int8_t> b(size(n) * size(k));
    fill_integers(a.span(), 1, 255, 1);
    fill_integers(std::span(b), -127, 127, 2);
    std::ranges::fill(a_scales.span(), 1e-3f);
    std::ranges::fill(b_scales.span(), 1e-3f);
    fill(bias.span(), 3);
    gemm_i8::pack(b.data(), n, k, panels.data(), bias_sums.data());
    for (size_t i = 1; i < copies; ++i)
      std::memcpy(panels.data() + i * gemm_i8::packed_bytes(n, k), panels.data(), gemm_i8::packed_bytes(n, k));
  }

  void multiply(const gemm_i8::Variant& v, int first_row, int rows, int first_panel, int last_panel, float* to) {
    const size_t stride = size(gemm_i8::padded_depth(k));
    Epilogue e;
    e.c = to;
    e.c_stride = size(n);
    if (shape.bias) e.bias = bias.data();
    if (shape.gelu) e.act = Act::gelu;
    if (shape.residual) e.residual = to, e.residual_stride = e.c_stride;
    const int8_t* here = panels.data() + next * gemm_i8::packed_bytes(n, k);
    gemm_i8::multiply(v, {a.data() + size(first_row) * stride, stride, a_scales.data() + first_row, 1, rows},
                      {here, b_scales.data(), bias_sums.data(), n, k}, first_panel, last_panel, e);
  }

  // Rows and panels at both ends, by this variant and by scalar.
  bool verify(const gemm_i8::Variant& v) {
    const int all = gemm_i8::panel_count(n), rows = std::min(m, 29);
    std::vector<float> want(size(rows) * size(n)), got(want.size());
    for (const int first_row : {0, m - rows}) {
      for (const int first : {0, std::max(0, all - 9)}) {
        std::ranges::fill(want, 0.5f);
        got = want;
        multiply(gemm_i8::variants().front(), first_row, rows, first, std::min(all, first + 9), want.data());
        multiply(v, first_row, rows, first, std::min(all, first + 9), got.data());
        if (std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) != 0) return false;
      }
    }
    return true;
  }
};

struct FloatMatrices {
  int m, n, k;
  std::vector<float> a, c;
  AlignedBuffer<float> panels;

  explicit FloatMatrices(const Shape& s)
      : m(s.sizes[0]),
        n(s.sizes[1]),
        k(s.sizes[2]),
        a(size(m) * size(k)),
        c(size(m) * size(n)),
        panels(gemm_f32::packed_floats(n, k)) {
    std::vector<float> b(size(n) * size(k));
    fill(a, 1);
    fill(b, 2);
    gemm_f32::pack(b.data(), n, k, panels.data());
  }
  void multiply(const gemm_f32::Variant& v, int rows, int last_panel, float* to) {
    gemm_f32::multiply(v, a.data(), size(k), rows, {panels.data(), n, k}, 0, last_panel, {to, size(n)});
  }
  // Sums of k products of unit size may differ by k units of roundoff.
  bool verify(const gemm_f32::Variant& v) {
    const int rows = std::min(m, 13), last = std::min(gemm_f32::panel_count(n), 9);
    std::vector<float> want(c.size()), got(c.size());
    multiply(gemm_f32::variants().front(), rows, last, want.data());
    multiply(v, rows, last, got.data());
    return std::ranges::equal(
        want, got, [this](float x, float y) { return std::fabs(x - y) <= static_cast<float>(k) * 0x1p-22f; });
  }
};

}  // namespace

KernelCase make_gemm_i8(const Shape& shape, Isa isa) {
  const gemm_i8::Variant& v = of_rung(gemm_i8::variants(), isa);
  const auto x = std::make_shared<Int8Matrices>(shape);
  KernelCase kernel;
  kernel.macs = static_cast<double>(x->m) * x->n * x->k;
  if (shape.streamed) kernel.bytes = static_cast<double>(gemm_i8::packed_bytes(x->n, x->k));
  kernel.verify = [x, &v] { return x->verify(v); };
  kernel.run = [x, &v] {
    x->multiply(v, 0, x->m, 0, gemm_i8::panel_count(x->n), x->c.data());
    x->next = (x->next + 1) % x->copies;
  };
  return kernel;
}

KernelCase make_gelu(const Shape& shape, Isa isa) {
  struct Sums {
    int rows, n;
    AlignedBuffer<int32_t> sums, bias_sums;
    AlignedBuffer<float> a_scales, b_scales, c;
    Sums(int r, int columns)
        : rows(r),
          n(columns),
          sums(size(r) * size(columns)),
          bias_sums(round_up(size(columns), 16)),
          a_scales(size(r)),
          b_scales(bias_sums.size()),
          c(sums.size()) {
      fill_integers(sums.span(), -40000, 40000, 1);
      std::ranges::fill(a_scales.span(), 1e-2f);
      std::ranges::fill(b_scales.span(), 1e-2f);
    }
    void run(const gemm_i8::Variant& v, float* to) {
      gemm_i8::TileEpilogue t{a_scales.data(), 1, b_scales.data(), bias_sums.data(), {}};
      t.e.c = to;
      t.e.c_stride = size(n);
      t.e.act = Act::gelu;
      v.epilogue(sums.data(), size(n), rows, n, t);
    }
  };
  const gemm_i8::Variant& v = of_rung(gemm_i8::variants(), isa);
  const auto x = std::make_shared<Sums>(shape.sizes[0], shape.sizes[1]);
  KernelCase kernel;
  kernel.bytes = 8.0 * static_cast<double>(x->sums.size());
  kernel.verify = [x, &v] {
    std::vector<float> want(x->c.size()), got(x->c.size());
    x->run(gemm_i8::variants().front(), want.data());
    x->run(v, got.data());
    return std::memcmp(want.data(), got.data(), want.size() * sizeof(float)) == 0;
  };
  kernel.run = [x, &v] { x->run(v, x->c.data()); };
  return kernel;
}

KernelCase make_gemm_f32(const Shape& shape, Isa isa) {
  const gemm_f32::Variant& v = of_rung(gemm_f32::variants(), isa);
  const auto x = std::make_shared<FloatMatrices>(shape);
  KernelCase kernel;
  kernel.macs = static_cast<double>(x->m) * x->n * x->k;
  kernel.floats = true;
  kernel.exact = false;
  kernel.verify = [x, &v] { return x->verify(v); };
  kernel.run = [x, &v] { x->multiply(v, x->m, gemm_f32::panel_count(x->n), x->c.data()); };
  return kernel;
}

}  // namespace shorthand::bench
