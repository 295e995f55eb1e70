// SPDX-License-Identifier: Apache-2.0
// The processor's tile unit. Intel Architecture Instruction Set Extensions, chapter 3 (tdpbusd, palette 1: 8 tiles of
// up to 16 rows x 64 bytes).
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AMX
namespace shorthand::gemm_i8 {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// The configuration belongs to the thread; loading it costs more than comparing a byte. Nothing else in the program
// uses tiles.
thread_local int configured_rows = 0;

static void set_rows(int n) {
  if (configured_rows == n) return;
  TileConfig config;
  for (int t = 0; t < 6; ++t) config.rows[t] = static_cast<uint8_t>(n);
  _tile_loadconfig(&config);
  configured_rows = n;
}
// GCC's tile intrinsics paste the register's number into the assembler text, so it has to be written out.
template <int t>
SHORTHAND_INLINE void zero() {
  if constexpr (t == 0) _tile_zero(0);
  if constexpr (t == 1) _tile_zero(1);
  if constexpr (t == 2) _tile_zero(2);
  if constexpr (t == 3) _tile_zero(3);
}
template <int t>
SHORTHAND_INLINE void load(const void* p, size_t stride) {
  if constexpr (t == 4) _tile_loadd(4, p, stride);
  if constexpr (t == 5) _tile_loadd(5, p, stride);
  if constexpr (t == 6) _tile_loadd(6, p, stride);
  if constexpr (t == 7) _tile_loadd(7, p, stride);
}
template <int c, int a, int b>
SHORTHAND_INLINE void multiply() {
  static_assert(a == 4 + c / 2 && b == 6 + c % 2);
  if constexpr (c == 0) _tile_dpbusd(0, 4, 6);
  if constexpr (c == 1) _tile_dpbusd(1, 4, 7);
  if constexpr (c == 2) _tile_dpbusd(2, 5, 6);
  if constexpr (c == 3) _tile_dpbusd(3, 5, 7);
}
template <int t>
SHORTHAND_INLINE void store(void* p, size_t stride) {
  if constexpr (t == 0) _tile_stored(0, p, stride);
  if constexpr (t == 1) _tile_stored(1, p, stride);
  if constexpr (t == 2) _tile_stored(2, p, stride);
  if constexpr (t == 3) _tile_stored(3, p, stride);
}
#include "kernels/gemm_i8/amx_body.h"

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_amx) {
  tile_product(a, a_stride, rows, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
