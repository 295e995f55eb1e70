// SPDX-License-Identifier: Apache-2.0
// The caches: how they lie in memory, and how keys and values get there.
#include <emmintrin.h>
#include <smmintrin.h>

#include <cassert>

#include "kernels/attention/attention.h"

namespace shorthand::attention {
namespace {

constexpr int kColumns = gemm_i8::kPanelColumns;
constexpr int kGroup = gemm_i8::kDepthGroup;  // keys whose values stand together

size_t size(int n) { return static_cast<size_t>(n); }

// Elements of one head's keys, and of its values.
size_t head_elements(int capacity) { return size(capacity) * kHeadDim; }

// Hands out consecutive arrays, each on a 64-byte boundary.
class Layout {
 public:
  explicit Layout(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* next(size_t count) {
    T* here = reinterpret_cast<T*>(memory_ + used_);
    used_ = round_up(used_ + count * sizeof(T), kAlignment);
    return here;
  }
  size_t used() const { return used_; }

 private:
  std::byte* memory_;
  size_t used_ = 0;
};

Int8Cache lay_out_int8(Layout& layout, int heads, int capacity) {
  assert(capacity % kKeyAlign == 0 && capacity <= kMaxKeys);
  Int8Cache c{heads, capacity, nullptr, nullptr, nullptr, nullptr, nullptr};
  c.keys = layout.next<int8_t>(size(heads) * head_elements(capacity));
  c.values = layout.next<int8_t>(size(heads) * head_elements(capacity));
  c.key_scales = layout.next<float>(size(heads) * size(capacity));
  c.key_bias = layout.next<int32_t>(size(heads) * size(capacity));
  c.value_scales = layout.next<float>(size(heads) * size(capacity));
  return c;
}

FloatCache lay_out_float(Layout& layout, int heads, int capacity) {
  assert(capacity % kKeyAlign == 0 && capacity <= kMaxKeys);
  FloatCache c{heads, capacity, nullptr, nullptr};
  c.keys = layout.next<float>(size(heads) * head_elements(capacity));
  c.values = layout.next<float>(size(heads) * head_elements(capacity));
  return c;
}

// A head's row of 64 bytes as rowwise leaves it, q + 128; the panels hold q.
int sum_of_components(const uint8_t* q) {
  __m128i sum = _mm_setzero_si128();
  for (int i = 0; i < kHeadDim; i += 16)
    sum =
        _mm_add_epi64(sum, _mm_sad_epu8(_mm_load_si128(reinterpret_cast<const __m128i*>(q + i)), _mm_setzero_si128()));
  return _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 2) - kHeadDim * gemm_i8::kBias;
}

__m128i load_components(const uint8_t* q) {
  return _mm_xor_si128(_mm_load_si128(reinterpret_cast<const __m128i*>(q)), _mm_set1_epi8(-128));
}

void store16(int8_t* to, __m128i bytes) { _mm_store_si128(reinterpret_cast<__m128i*>(to), bytes); }

// A column of a panel: each four components 64 bytes on.
void place_key(const uint8_t* q, int8_t* column) {
  for (int i = 0; i < kHeadDim; i += 4) {
    for (int j = 0; j < 4; ++j) column[i * kColumns + j] = static_cast<int8_t>(q[i + j] ^ 0x80);
  }
}

// Four columns side by side: 4 x 4 groups of four components change places.
void place_four_keys(const uint8_t* q, int8_t* columns) {
  for (int i = 0; i < kHeadDim; i += 16, columns += 16 * kColumns) {
    const __m128i k0 = load_components(q + i), k1 = load_components(q + kHeadDim + i);
    const __m128i k2 = load_components(q + 2 * kHeadDim + i), k3 = load_components(q + 3 * kHeadDim + i);
    const __m128i low01 = _mm_unpacklo_epi32(k0, k1), low23 = _mm_unpacklo_epi32(k2, k3);
    const __m128i high01 = _mm_unpackhi_epi32(k0, k1), high23 = _mm_unpackhi_epi32(k2, k3);
    store16(columns, _mm_unpacklo_epi64(low01, low23));
    store16(columns + 4 * kColumns, _mm_unpackhi_epi64(low01, low23));
    store16(columns + 8 * kColumns, _mm_unpacklo_epi64(high01, high23));
    store16(columns + 12 * kColumns, _mm_unpackhi_epi64(high01, high23));
  }
}

// Sixteen components of four keys: the keys are the depth, so that a component's four bytes stand together.
void place_four_values(const uint8_t* q, int8_t* group) {
  const __m128i v0 = load_components(q), v1 = load_components(q + kHeadDim);
  const __m128i v2 = load_components(q + 2 * kHeadDim), v3 = load_components(q + 3 * kHeadDim);
  const __m128i low01 = _mm_unpacklo_epi8(v0, v1), low23 = _mm_unpacklo_epi8(v2, v3);
  const __m128i high01 = _mm_unpackhi_epi8(v0, v1), high23 = _mm_unpackhi_epi8(v2, v3);
  store16(group, _mm_unpacklo_epi16(low01, low23));
  store16(group + 16, _mm_unpackhi_epi16(low01, low23));
  store16(group + 32, _mm_unpacklo_epi16(high01, high23));
  store16(group + 48, _mm_unpackhi_epi16(high01, high23));
}

}  // namespace

size_t int8_cache_bytes(int heads, int capacity) {
  Layout layout(nullptr);
  lay_out_int8(layout, heads, capacity);
  return layout.used();
}

Int8Cache int8_cache_in(std::byte* memory, int heads, int capacity) {
  Layout layout(memory);
  return lay_out_int8(layout, heads, capacity);
}

size_t float_cache_bytes(int heads, int capacity) {
  Layout layout(nullptr);
  lay_out_float(layout, heads, capacity);
  return layout.used();
}

FloatCache float_cache_in(std::byte* memory, int heads, int capacity) {
  Layout layout(memory);
  return lay_out_float(layout, heads, capacity);
}

void store(const rowwise::Variant& rowwise, const Int8Cache& cache, int first, const float* k, size_t k_stride,
           const float* v, size_t v_stride, int rows) {
  assert(first >= 0 && first + rows <= cache.capacity);
  for (int h = 0; h < cache.heads; ++h) {
    int8_t* keys = cache.keys + size(h) * head_elements(cache.capacity);
    int8_t* values = cache.values + size(h) * head_elements(cache.capacity);
    for (int r = 0, count; r < rows; r += count) {
      const int key = first + r;
      count = key % kGroup == 0 && rows - r >= kGroup ? kGroup : 1;
      const size_t at = size(h) * size(cache.capacity) + size(key);
      alignas(16) uint8_t q[kGroup * kHeadDim];

      rowwise.quantise(k + size(r) * k_stride + h * kHeadDim, k_stride, count, kHeadDim, kHeadDim,
                       {q, kHeadDim, cache.key_scales + at, 1});
      for (int i = 0; i < count; ++i)
        cache.key_bias[at + size(i)] = sum_of_components(q + i * kHeadDim) * gemm_i8::kBias;
      if (count == kGroup) {
        place_four_keys(q, keys + gemm_i8::panel_offset(key, 0, kHeadDim));
      } else {
        place_key(q, keys + gemm_i8::panel_offset(key, 0, kHeadDim));
      }

      rowwise.quantise(v + size(r) * v_stride + h * kHeadDim, v_stride, count, kHeadDim, kHeadDim,
                       {q, kHeadDim, cache.value_scales + at, 1});
      for (int i = 0; i < kHeadDim; i += kColumns) {
        int8_t* to = values + gemm_i8::panel_offset(i, key, cache.capacity);
        if (count == kGroup) {
          place_four_values(q + i, to);
        } else {
          for (int c = 0; c < kColumns; ++c) to[c * kGroup] = static_cast<int8_t>(q[i + c] ^ 0x80);
        }
      }
    }
  }
}

void store(const FloatCache& cache, int first, const float* k, size_t k_stride, const float* v, size_t v_stride,
           int rows) {
  assert(first >= 0 && first + rows <= cache.capacity);
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < cache.heads; ++h) {
      float* keys = cache.keys + size(h) * head_elements(cache.capacity);
      float* values = cache.values + size(h) * head_elements(cache.capacity);
      for (int i = 0; i < kHeadDim; ++i) {
        keys[gemm_f32::panel_offset(first + r, i, kHeadDim)] = k[size(r) * k_stride + size(h * kHeadDim + i)];
        values[gemm_f32::panel_offset(i, first + r, cache.capacity)] = v[size(r) * v_stride + size(h * kHeadDim + i)];
      }
    }
  }
}

}  // namespace shorthand::attention
