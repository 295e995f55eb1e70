// SPDX-License-Identifier: Apache-2.0
// Eight tiles in software, so that the logic of amx_body.h is tested on machines without the unit. Like the unit it
// refuses what was not configured: rows beyond the configured ones are neither read nor written.
#include <cassert>
#include <cstring>

#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/target.h"

namespace shorthand::gemm_i8 {
namespace {

struct Tile {
  uint8_t bytes[16][64];
};
thread_local Tile tiles[8];
thread_local int configured_rows = 0;

int rows_of(int t) { return t < 6 ? configured_rows : 16; }

void set_rows(int n) {
  assert(n >= 1 && n <= 16);
  configured_rows = n;
  std::memset(tiles, 0, sizeof tiles);  // as ldtilecfg does
}
template <int t>
void zero() {
  std::memset(&tiles[t], 0, sizeof(Tile));
}
template <int t>
void load(const void* p, size_t stride) {
  for (int r = 0; r < rows_of(t); ++r)
    std::memcpy(tiles[t].bytes[r], static_cast<const char*>(p) + static_cast<size_t>(r) * stride, 64);
}
template <int c, int a, int b>
void multiply() {  // tdpbusd
  for (int m = 0; m < rows_of(c); ++m) {
    uint32_t sums[16];
    std::memcpy(sums, tiles[c].bytes[m], 64);
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < 16; ++n) {
        for (int i = 0; i < 4; ++i) {
          const int product = tiles[a].bytes[m][4 * k + i] * static_cast<int8_t>(tiles[b].bytes[k][4 * n + i]);
          sums[n] += static_cast<uint32_t>(product);
        }
      }
    }
    std::memcpy(tiles[c].bytes[m], sums, 64);
  }
}
template <int t>
void store(void* p, size_t stride) {
  for (int r = 0; r < rows_of(t); ++r)
    std::memcpy(static_cast<char*>(p) + static_cast<size_t>(r) * stride, tiles[t].bytes[r], 64);
}
#include "kernels/gemm_i8/amx_body.h"

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_amx_emulated) {
  tile_product(a, a_stride, rows, panels, panel_stride, n_panels, k_padded, out, out_stride);
}

}  // namespace shorthand::gemm_i8
