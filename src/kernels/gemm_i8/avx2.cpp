// SPDX-License-Identifier: Apache-2.0
// AVX2 without 8-bit dot products: both sides are widened to 16 bits, because pmaddubsw would saturate at 255 * 127
// * 2.
//
// 16 bytes of a panel are 4 columns x 4 of k. Widened, a register holds them as 16 words; pmaddwd with the 4 words of
// A, repeated four times, leaves two partial sums a column side by side. They are added once, after the last k.
//   3 to 6 rows  x half a panel: 12 accumulators, 2 of B, 1 of A, 1 for the product. A is widened beforehand, once for
//                all panels, so that its words come by a load that repeats them.
//   1 or 2 rows  x a panel: 8 accumulators. Each line of B is read once, in the order of memory, whose speed decides.
#include "kernels/gemm_i8/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::gemm_i8 {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

#include "kernels/gemm_i8/epilogue_body.h"

constexpr int kTallRows = 6;
constexpr int kWords = 6144;  // of A, widened at a time; they and what they meet of a panel fit in the nearest cache

// [c0 c0 c1 c1 c2 c2 c3 c3] and the next four columns -> eight column sums in order
SHORTHAND_INLINE __m256i join_pairs(__m256i columns0to3, __m256i columns4to7) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(columns0to3, columns4to7), 0xd8);
}

SHORTHAND_INLINE __m256i widened(const int8_t* b) {
  return _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(b)));
}

template <int rows>
SHORTHAND_INLINE void whole_panel(const uint8_t* a, size_t a_stride, const int8_t* panel, int k_padded, int32_t* out,
                                  size_t out_stride) {
  __m256i acc[rows][4];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    SHORTHAND_UNROLL for (int q = 0; q < 4; ++q) acc[r][q] = _mm256_setzero_si256();
  }
  for (int k = 0; k < k_padded; k += kDepthGroup) {
    __m256i av[rows];
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, a + static_cast<size_t>(r) * a_stride + k, 4);
      av[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
    }
    SHORTHAND_UNROLL for (int q = 0; q < 4; ++q) {
      const __m256i b = widened(panel + k * kPanelColumns + q * 16);
      SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
        __m256i sum = _mm256_add_epi32(acc[r][q], _mm256_madd_epi16(av[r], b));
        SHORTHAND_IN_ORDER(sum);
        acc[r][q] = sum;
      }
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    __m256i* to = reinterpret_cast<__m256i*>(out + static_cast<size_t>(r) * out_stride);
    _mm256_storeu_si256(to, join_pairs(acc[r][0], acc[r][1]));
    _mm256_storeu_si256(to + 1, join_pairs(acc[r][2], acc[r][3]));
  }
}

template <int rows>
static void few_rows(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int n_panels,
                     int k_padded, int32_t* out, size_t out_stride) {
  for (int p = 0; p < n_panels; ++p) {
    whole_panel<rows>(a, a_stride, panels + static_cast<size_t>(p) * panel_stride, k_padded, out + p * kPanelColumns,
                      out_stride);
  }
}

// Sums over `depth` of k for eight columns; `panel` stands at its half, the next panel lies panel_stride on. Adds to
// `out` or, where `first`, sets it.
template <int rows, int words_stride>
SHORTHAND_INLINE void half_panel(const int16_t* words, const int8_t* panel, size_t panel_stride, int depth, bool first,
                                 int32_t* out, size_t out_stride) {
  __m256i acc[rows][2];
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (int k = 0; k < depth; k += kDepthGroup) {
    const int8_t* here = panel + k * kPanelColumns;
    _mm_prefetch(here + panel_stride, _MM_HINT_T1);
    const __m256i b[2] = {widened(here), widened(here + 16)};
    SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
      int64_t four;
      __builtin_memcpy(&four, words + r * words_stride + k, 8);
      const __m256i av = _mm256_set1_epi64x(four);
      SHORTHAND_UNROLL for (int q = 0; q < 2; ++q) {
        __m256i sum = _mm256_add_epi32(acc[r][q], _mm256_madd_epi16(av, b[q]));
        SHORTHAND_IN_ORDER(sum);
        acc[r][q] = sum;
      }
    }
  }
  SHORTHAND_UNROLL for (int r = 0; r < rows; ++r) {
    __m256i* to = reinterpret_cast<__m256i*>(out + static_cast<size_t>(r) * out_stride);
    const __m256i before = first ? _mm256_setzero_si256() : _mm256_loadu_si256(to);
    _mm256_storeu_si256(to, _mm256_add_epi32(before, join_pairs(acc[r][0], acc[r][1])));
  }
}

template <int rows>
static void many_rows(const uint8_t* a, size_t a_stride, const int8_t* panels, size_t panel_stride, int n_panels,
                      int k_padded, int32_t* out, size_t out_stride) {
  constexpr int kChunk = kWords / rows / kDepthAlign * kDepthAlign;  // of k
  alignas(32) int16_t words[rows * kChunk];
  for (int start = 0; start < k_padded; start += kChunk) {
    const int depth = k_padded - start < kChunk ? k_padded - start : kChunk;
    for (int r = 0; r < rows; ++r) {
      const uint8_t* from = a + static_cast<size_t>(r) * a_stride + start;
      for (int k = 0; k < depth; k += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k));
        _mm256_store_si256(reinterpret_cast<__m256i*>(words + r * kChunk + k), _mm256_cvtepu8_epi16(bytes));
      }
    }
    for (int p = 0; p < n_panels; ++p) {
      const int8_t* panel = panels + static_cast<size_t>(p) * panel_stride + static_cast<size_t>(start) * kPanelColumns;
      int32_t* to = out + p * kPanelColumns;
      half_panel<rows, kChunk>(words, panel, panel_stride, depth, start == 0, to, out_stride);
      half_panel<rows, kChunk>(words, panel + 32, panel_stride, depth, start == 0, to + 8, out_stride);
    }
  }
}

}  // namespace

SHORTHAND_GEMM_I8_TILE(tile_avx2) {
  using Rows = void (*)(const uint8_t*, size_t, const int8_t*, size_t, int, int, int32_t*, size_t);
  static constexpr Rows by_rows[] = {nullptr,      few_rows<1>,  few_rows<2>, many_rows<3>,
                                     many_rows<4>, many_rows<5>, many_rows<6>};
  for (int r = 0; r < rows; r += kTallRows) {
    const size_t row = static_cast<size_t>(r);
    const int here = rows - r < kTallRows ? rows - r : kTallRows;
    by_rows[here](a + row * a_stride, a_stride, panels, panel_stride, n_panels, k_padded, out + row * out_stride,
                  out_stride);
  }
}

void epilogue_avx2(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  epilogue_any(sums, stride, rows, columns, t);
}

}  // namespace shorthand::gemm_i8
SHORTHAND_TARGET_END
