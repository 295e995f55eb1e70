// SPDX-License-Identifier: Apache-2.0
// float x float -> float: C[m, n] = epilogue(sum_k A[m, k] * B[n, k]). The reference path of the model; its int8
// sibling is kernels/gemm_i8.
//
// A  [m, k] row-major.
// B  [n, k], packed once: panels of 16 channels, [ceil(n / 16)][k][16], zero beyond n; the same for every variant.
// C  [m, n] row-major; may be the residual, may alias nothing else.
//
// Sums run over k in order with fused multiply-adds, so variants agree to the bit today; only closeness is promised.
// Epilogue: sum + bias, GELU if asked, plus the residual if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned.h"
#include "base/cpu.h"
#include "kernels/epilogue.h"

namespace shorthand::gemm_f32 {

inline constexpr int kPanelColumns = 16;

constexpr int panel_count(int n) { return static_cast<int>(div_up(static_cast<size_t>(n), kPanelColumns)); }
constexpr size_t packed_floats(int n, int k) {
  return static_cast<size_t>(panel_count(n)) * kPanelColumns * static_cast<size_t>(k);
}
constexpr size_t panel_offset(int column, int depth, int k) {
  return (static_cast<size_t>(column / kPanelColumns) * static_cast<size_t>(k) + static_cast<size_t>(depth)) *
             kPanelColumns +
         static_cast<size_t>(column % kPanelColumns);
}

// Reorders B [n, k] into `panels`: packed_floats(n, k), 64-byte aligned.
void pack(const float* b, int n, int k, float* panels);

struct PackedB {
  const float* panels = nullptr;
  int n = 0, k = 0;
};

// Sums of any number of rows and whole panels; panels lie panel_stride floats apart.
using TileFn = void (*)(const float* a, size_t a_stride, int rows, const float* panels, size_t panel_stride,
                        int n_panels, int k, float* out, size_t out_stride);
using EpilogueFn = void (*)(const float* sums, size_t stride, int rows, int columns, const Epilogue& e);

struct Variant {
  Isa isa;
  int tile_rows, tile_panels;
  TileFn tile;
  EpilogueFn epilogue;
};
std::span<const Variant> variants();
const Variant& choose(Isa cap);

// C for rows [0, m) and the panels [first_panel, last_panel) of B. One thread's work. Allocates nothing.
void multiply(const Variant& v, const float* a, size_t a_stride, int m, const PackedB& b, int first_panel,
              int last_panel, const Epilogue& e);

}  // namespace shorthand::gemm_f32
