// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm_i8/gemm_i8.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/choose.h"
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/scalar_math.h"

namespace shorthand::gemm_i8 {
namespace {

constexpr std::array kVariants = {
    Variant{Isa::scalar, 4, 1, tile_scalar, epilogue_scalar},
    Variant{Isa::avx2, 12, 4, tile_avx2, epilogue_avx2},
    Variant{Isa::avxvnni, 12, 4, tile_avxvnni, epilogue_avx2},
    Variant{Isa::avx512vnni, 12, 8, tile_avx512vnni, epilogue_avx512},
    Variant{Isa::amx, kAmxTileRows, kAmxTilePanels, tile_amx, epilogue_avx512},
};

constexpr int kMaxTileRows = 32, kMaxTileColumns = 128;

// C was last touched long ago: its lines travel here while the tile is summed.
void fetch_for_writing(const float* c, size_t stride, int rows, int columns) {
  for (int r = 0; r < rows; ++r, c += stride) {
    for (int i = 0; i < columns; i += 16) __builtin_prefetch(c + i, 1);
  }
}

}  // namespace

std::span<const Variant> variants() { return kVariants; }

const Variant& choose(Isa cap) { return choose_variant(kVariants, cap); }

void pack(const int8_t* b, int n, int k, int8_t* panels, int32_t* bias_sums) {
  assert(k <= kMaxDepth);
  const int k_padded = padded_depth(k);
  std::memset(panels, 0, packed_bytes(n, k));
  std::fill_n(bias_sums, panel_count(n) * kPanelColumns, 0);
  for (int c = 0; c < n; ++c) {
    const int8_t* row = b + static_cast<size_t>(c) * static_cast<size_t>(k);
    int32_t sum = 0;
    for (int i = 0; i < k; ++i) {
      panels[panel_offset(c, i, k_padded)] = row[i];
      sum += row[i];
    }
    bias_sums[c] = sum * kBias;
  }
}

void quantise(const float* b, int n, int k, int8_t* q, float* scales) {
  for (int c = 0; c < n; ++c) {
    const size_t start = static_cast<size_t>(c) * static_cast<size_t>(k);
    float absmax = 0;
    for (int i = 0; i < k; ++i) absmax = std::max(absmax, std::fabs(b[start + static_cast<size_t>(i)]));
    scales[c] = absmax / 127.0f;
    const float inverse = absmax > 0 ? 127.0f / absmax : 0.0f;
    for (int i = 0; i < k; ++i) {
      const int32_t rounded = simd::round_to_int(b[start + static_cast<size_t>(i)] * inverse);
      q[start + static_cast<size_t>(i)] = static_cast<int8_t>(rounded);  // the low byte of INT32_MIN is 0
    }
  }
}

void quantise_and_pack(const float* b, int n, int k, int8_t* panels, int32_t* bias_sums, float* scales) {
  std::vector<int8_t> quantised(static_cast<size_t>(n) * static_cast<size_t>(k));
  std::fill_n(scales, panel_count(n) * kPanelColumns, 0.0f);
  quantise(b, n, k, quantised.data(), scales);
  pack(quantised.data(), n, k, panels, bias_sums);
}

void multiply(const Variant& v, const RowsA& a, const PackedB& b, int first_panel, int last_panel, const Epilogue& e) {
  assert(v.tile_rows <= kMaxTileRows && v.tile_panels * kPanelColumns <= kMaxTileColumns);
  alignas(64) int32_t sums[kMaxTileRows * kMaxTileColumns];
  alignas(64) float rest[kMaxTileRows * kMaxTileColumns];
  const int k_padded = padded_depth(b.k);
  // Under many rows a group of panels stays in the nearest caches; few rows take as many at once as there are sums for.
  const int group = a.m >= 8 ? std::min(v.tile_panels, 4) : v.tile_panels;
  const size_t stride = static_cast<size_t>(group) * kPanelColumns;
  for (int p = first_panel; p < last_panel; p += group) {
    const int panels = std::min(group, last_panel - p);
    const int column = p * kPanelColumns;
    const int columns = std::min(panels * kPanelColumns, b.n - column);
    const int8_t* b_panels = b.panels + static_cast<size_t>(p) * panel_bytes(b.k);
    for (int r = 0; r < a.m; r += v.tile_rows) {
      const int rows = std::min(v.tile_rows, a.m - r);
      const size_t row = static_cast<size_t>(r), col = static_cast<size_t>(column);
      fetch_for_writing(e.c + row * e.c_stride + col, e.c_stride, rows, columns);
      TileEpilogue t{a.scales + row * a.scale_stride, a.scale_stride, b.scales + col, b.bias_sums + col, e};
      t.e.c += row * e.c_stride + col;
      if (e.bias) t.e.bias += col;
      if (e.residual) t.e.residual += row * e.residual_stride + col;
      if (a.rest) {
        v.tile(a.rest + row * a.stride, a.stride, rows, b_panels, panel_bytes(b.k), panels, k_padded, sums, stride);
        TileEpilogue first = t;
        first.a_scales = a.rest_scales + row * a.scale_stride;
        first.e = {rest, stride, t.e.bias, Act::none, nullptr, 0};
        v.epilogue(sums, stride, rows, columns, first);
        t.e.bias = rest;
        t.bias_stride = stride;
      }
      v.tile(a.data + row * a.stride, a.stride, rows, b_panels, panel_bytes(b.k), panels, k_padded, sums, stride);
      v.epilogue(sums, stride, rows, columns, t);
    }
  }
}

}  // namespace shorthand::gemm_i8
