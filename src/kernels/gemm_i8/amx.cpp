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
template <int t>
SHORTHAND_INLINE void zero() {
  _tile_zero(t);
}
template <int t>
SHORTHAND_INLINE void load(const void* p, size_t stride) {
  _tile_loadd(t, p, stride);
}
template <int c, int a, int b>
SHORTHAND_INLINE void multiply() {
  _tile_dpbusd(c, a, b);
}
template <int t>
SHORTHAND_INLINE void store(void* p, size_t stride) {
  _tile_stored(t, p, stride);
}
#include "kernels/gemm_i8/amx_body.h"

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_amx) {
  tile_product(a, a_stride, rows, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
