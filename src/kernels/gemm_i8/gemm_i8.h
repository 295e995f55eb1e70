// SPDX-License-Identifier: Apache-2.0
// int8 x int8 -> float: C[m, n] = epilogue(sum_k A[m, k] * B[n, k]).
//
// A  [m, k] row-major, one scale a row. A byte holds q + 128 for q in -127..127: unsigned times signed is what the
// 8-bit
//    dot products of x86 multiply. Rows are readable up to padded_depth(k); what lies beyond k does not matter.
//    Fine rows have a second byte an element, what rounding left of it by the first, with a scale of its own: 15 bits,
//    for twice the products. Their sums are finished first, without GELU and residual, and stand for the bias of the
//    second.
// B  [n, k] int8 in -127..127, one scale a row of B (an output channel). Packed once by pack(), then immutable and
// shared by
//    threads. The layout is the same for every variant, so a packed file serves every machine: panels of 16 channels,
//    [ceil(n / 16)][padded_depth(k) / 4][16][4], zero where n or k end.
// C  [m, n] row-major float; may be the residual, may alias nothing else.
//
// Exact: products are summed in 32 bits over the whole of k. The bias of 128 adds 128 * sum_k B[n, k] to a sum, which
// pack() records and the epilogue takes off again; both wrap modulo 2^32, so that only the true sum has to fit, and
// with k <= 131,072 it does (127 * 127 * k < 2^31). Epilogue, per element, on every variant the same bits: v =
// fma(float(sum), a_scale * b_scale, bias); GELU if asked; plus the residual if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned.h"
#include "base/cpu.h"
#include "kernels/epilogue.h"

namespace shorthand::gemm_i8 {

inline constexpr int kPanelColumns = 16;
inline constexpr int kDepthGroup = 4;   // bytes of k that one 32-bit lane multiplies
inline constexpr int kDepthAlign = 64;  // bytes of k that one row of an AMX tile holds
inline constexpr int kMaxDepth = 131072;
inline constexpr int kBias = 128;  // what a byte of A holds beyond its value

constexpr int padded_depth(int k) { return static_cast<int>(round_up(static_cast<size_t>(k), kDepthAlign)); }
constexpr int panel_count(int n) { return static_cast<int>(div_up(static_cast<size_t>(n), kPanelColumns)); }
constexpr size_t panel_bytes(int k) { return static_cast<size_t>(padded_depth(k)) * kPanelColumns; }
constexpr size_t packed_bytes(int n, int k) { return static_cast<size_t>(panel_count(n)) * panel_bytes(k); }

// Where B[column, depth] lies in panels whose depth is padded to k_padded.
constexpr size_t panel_offset(int column, int depth, int k_padded) {
  return static_cast<size_t>(column / kPanelColumns) * static_cast<size_t>(k_padded) * kPanelColumns +
         static_cast<size_t>(depth / kDepthGroup) * (kPanelColumns * kDepthGroup) +
         static_cast<size_t>(column % kPanelColumns) * kDepthGroup + static_cast<size_t>(depth % kDepthGroup);
}

// Reorders B [n, k] into `panels` (packed_bytes(n, k), 64-byte aligned) and writes 128 * sum_k B[n, k] into
// `bias_sums`, one for each of panel_count(n) * 16 columns.
void pack(const int8_t* b, int n, int k, int8_t* panels, int32_t* bias_sums);

// Quantises row-major float weights [n, k], absmax / 127 a row: q [n, k], scales [n].
void quantise(const float* b, int n, int k, int8_t* q, float* scales);

// ... and packs them.
void quantise_and_pack(const float* b, int n, int k, int8_t* panels, int32_t* bias_sums, float* scales);

// A packed matrix; a view, the memory belongs to the weights. scales, bias_sums and bias are padded to whole panels.
struct PackedB {
  const int8_t* panels = nullptr;
  const float* scales = nullptr;
  const int32_t* bias_sums = nullptr;
  int n = 0, k = 0;
};

struct RowsA {
  const uint8_t* data = nullptr;  // q + 128
  size_t stride = 0;              // bytes
  const float* scales = nullptr;  // [m], or scale_stride apart
  size_t scale_stride = 1;
  int m = 0;
  const uint8_t* rest = nullptr;  // of fine rows, as data and scales lie
  const float* rest_scales = nullptr;
};

// Sums of any number of rows and whole panels: out[row, column] = sum over k_padded of a[row] * panel columns, bias of
// A included. Panels lie panel_stride bytes apart; out_stride is in int32. k_padded is a multiple of 64.
using TileFn = void (*)(const uint8_t* a, size_t a_stride, int rows, const int8_t* panels, size_t panel_stride,
                        int n_panels, int k_padded, int32_t* out, size_t out_stride);

// Takes a tile of sums to C: the epilogue above for rows [0, rows) and columns [0, columns); pointers of `e` stand at
// the tile.
struct TileEpilogue {
  const float* a_scales;
  size_t a_scale_stride;
  const float* b_scales;
  const int32_t* bias_sums;
  Epilogue e;
  size_t bias_stride = 0;  // of a bias for every row; 0: one for all
};
using EpilogueFn = void (*)(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t);

// The rungs of the ladder, lowest first. Read by the chooser, the tests, the benchmark and `shorthand devices`.
struct Variant {
  Isa isa;
  int tile_rows, tile_panels;  // the block that suits its registers; multiply() cuts the work along it
  TileFn tile;
  EpilogueFn epilogue;
};
std::span<const Variant> variants();

// The highest variant at or below `cap` that this machine can run.
const Variant& choose(Isa cap);

// C for all rows of A and the panels [first_panel, last_panel) of B. One thread's work: callers share out rows or
// panels. Allocates nothing.
void multiply(const Variant& v, const RowsA& a, const PackedB& b, int first_panel, int last_panel, const Epilogue& e);

}  // namespace shorthand::gemm_i8
