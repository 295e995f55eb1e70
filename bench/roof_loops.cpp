// SPDX-License-Identifier: Apache-2.0
// Wide instructions stay in this object, which defines nothing that the linker could take for another's.
#include "roof_loops.h"

#include <cstdint>

#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX512VNNI
namespace shorthand::bench {

void dot_zmm(int n, void* out) {
  __m512i acc[kChains], a = _mm512_set1_epi32(0x01020304);
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_epi32(c);
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_dpbusd_epi32(acc[c], a, a);
    __asm__("" : "+v"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) _mm512_storeu_si512(static_cast<__m512i*>(out) + c, acc[c]);
}

void fma_zmm(int n, void* out) {
  __m512 acc[kChains], a = _mm512_set1_ps(1e-9f);
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_ps(static_cast<float>(c));
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = _mm512_fmadd_ps(a, a, acc[c]);
    __asm__("" : "+v"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kChains; ++c) _mm512_storeu_ps(static_cast<float*>(out) + 16 * c, acc[c]);
}

}  // namespace shorthand::bench
SHORTHAND_TARGET_END

SHORTHAND_TARGET_AVX2
namespace shorthand::bench {

void madd_ymm(int n, void* out) {
  __m256i acc[kNarrowChains], a = _mm256_set1_epi32(0x00010002);
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_set1_epi32(c);
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) {
      acc[c] = _mm256_add_epi32(acc[c], _mm256_madd_epi16(a, acc[c]));  // of its own sum: twelve products, not one
    }
  }
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) _mm256_storeu_si256(static_cast<__m256i*>(out) + c, acc[c]);
}

void fma_ymm(int n, void* out) {
  __m256 acc[kNarrowChains], a = _mm256_set1_ps(1e-9f);
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_set1_ps(static_cast<float>(c));
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_fmadd_ps(a, a, acc[c]);
    __asm__("" : "+x"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) _mm256_storeu_ps(static_cast<float*>(out) + 8 * c, acc[c]);
}

// Reads whole lines in four streams' worth of independent sums.
void read_ymm(const std::byte* from, size_t bytes, void* out) {
  __m256i acc[4] = {};
  for (size_t i = 0; i < bytes; i += 128) {
    SHORTHAND_UNROLL for (int c = 0; c < 4; ++c) {
      acc[c] = _mm256_add_epi32(acc[c], _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i + c * 32)));
    }
  }
  SHORTHAND_UNROLL for (int c = 0; c < 4; ++c) _mm256_storeu_si256(static_cast<__m256i*>(out) + c, acc[c]);
}

}  // namespace shorthand::bench
SHORTHAND_TARGET_END

SHORTHAND_TARGET_AVXVNNI
namespace shorthand::bench {

void dot_ymm(int n, void* out) {
  __m256i acc[kNarrowChains], a = _mm256_set1_epi32(0x01020304);
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_set1_epi32(c);
  for (int i = 0; i < n; ++i) {
    SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) acc[c] = _mm256_dpbusd_avx_epi32(acc[c], a, a);
    __asm__("" : "+x"(a));
  }
  SHORTHAND_UNROLL for (int c = 0; c < kNarrowChains; ++c) _mm256_storeu_si256(static_cast<__m256i*>(out) + c, acc[c]);
}

}  // namespace shorthand::bench
SHORTHAND_TARGET_END

SHORTHAND_TARGET_AMX
namespace shorthand::bench {

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Four accumulators, two tiles of A, two of B: the block that the product uses, without its loads.
void dot_tiles(int n, void* out) {
  const TileConfiguration configuration;
  _tile_loadconfig(&configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int i = 0; i < n; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_stored(0, out, 64);
  _tile_release();
}

}  // namespace shorthand::bench
SHORTHAND_TARGET_END
