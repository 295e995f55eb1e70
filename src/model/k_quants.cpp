// SPDX-License-Identifier: Apache-2.0
#include "model/k_quants.h"

#include <cassert>
#include <cstdint>
#include <cstring>

#include "model/half.h"

namespace shorthand {
namespace {

unsigned byte_at(const std::byte* p, size_t i) { return static_cast<unsigned>(p[i]); }

float half_at(const std::byte* p, size_t i) {
  uint16_t half;
  std::memcpy(&half, p + i, sizeof half);
  return half_to_float(half);
}

// Two bits of element e, where byte l of 32 holds elements l, l + 32, l + 64 and l + 96 of its half of the block.
unsigned two_bits(const std::byte* p, size_t e) { return byte_at(p, e / 128 * 32 + e % 32) >> e % 128 / 32 * 2 & 3; }

// One bit of element e, where byte l of 32 holds elements l, l + 32, ..., l + 224.
unsigned one_bit(const std::byte* p, size_t e) { return byte_at(p, e % 32) >> e / 32 & 1; }

// Four bits of element e, where byte l of 32 holds elements l and l + 32 of its 64.
unsigned nibble(const std::byte* p, size_t e) {
  const unsigned pair = byte_at(p, e / 64 * 32 + e % 32);
  return e % 64 < 32 ? pair & 15 : pair >> 4;
}

void decode_q2(const std::byte* block, float* out) {
  const std::byte *scales = block, *bits = block + 16;
  const float d = half_at(block, 80), e = half_at(block, 82);
  for (size_t i = 0; i < kKBlock; ++i) {
    const unsigned scale = byte_at(scales, i / 16);
    const float step = d * static_cast<float>(scale & 15), least = e * static_cast<float>(scale >> 4);
    out[i] = step * static_cast<float>(two_bits(bits, i)) - least;
  }
}

// Scale g of 16 has its low four bits in byte g % 8, its high two in byte 8 + g % 4.
int q3_scale(const std::byte* scales, size_t g) {
  const unsigned low = byte_at(scales, g % 8) >> g / 8 * 4 & 15;
  const unsigned high = byte_at(scales, 8 + g % 4) >> g / 4 * 2 & 3;
  return static_cast<int>(low | high << 4) - 32;
}

void decode_q3(const std::byte* block, float* out) {
  const std::byte *high = block, *low = block + 32, *scales = block + 96;
  const float d = half_at(block, 108);
  for (size_t i = 0; i < kKBlock; ++i) {
    const float step = d * static_cast<float>(q3_scale(scales, i / 16));
    out[i] = step * static_cast<float>(static_cast<int>(two_bits(low, i) | one_bit(high, i) << 2) - 4);
  }
}

// Scale and minimum g of 8: of the first four in the low six bits of bytes g and 4 + g; of the others the low four bits
// in byte 4 + g, the high two above those of the first four.
struct ScaleAndMinimum {
  unsigned scale, minimum;
};
ScaleAndMinimum scale_and_minimum(const std::byte* packed, size_t g) {
  if (g < 4) return {byte_at(packed, g) & 63, byte_at(packed, 4 + g) & 63};
  const unsigned low = byte_at(packed, 4 + g);
  return {(low & 15) | byte_at(packed, g - 4) >> 6 << 4, low >> 4 | byte_at(packed, g) >> 6 << 4};
}

// q4_K, or with fifth bits q5_K.
void decode_q4_q5(const std::byte* block, const std::byte* fifth_bits, const std::byte* nibbles, float* out) {
  const float d = half_at(block, 0), e = half_at(block, 2);
  for (size_t i = 0; i < kKBlock; ++i) {
    const auto [scale, minimum] = scale_and_minimum(block + 4, i / 32);
    const float step = d * static_cast<float>(scale), least = e * static_cast<float>(minimum);
    const unsigned q = nibble(nibbles, i) | (fifth_bits ? one_bit(fifth_bits, i) << 4 : 0);
    out[i] = step * static_cast<float>(q) - least;
  }
}

// Byte l of 64 holds the low nibbles of elements l and l + 64 of its half of the block.
void decode_q6(const std::byte* block, float* out) {
  const std::byte *low = block, *high = block + 128, *scales = block + 192;
  const float d = half_at(block, 208);
  for (size_t i = 0; i < kKBlock; ++i) {
    const float step = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    const unsigned pair = byte_at(low, i / 128 * 64 + i % 64);
    const unsigned q = (i % 128 < 64 ? pair & 15 : pair >> 4) | two_bits(high, i) << 4;
    out[i] = step * static_cast<float>(static_cast<int>(q) - 32);
  }
}

}  // namespace

void decode_k_block(DType dtype, const std::byte* block, float* out) {
  switch (dtype) {
    case DType::q2_K: return decode_q2(block, out);
    case DType::q3_K: return decode_q3(block, out);
    case DType::q4_K: return decode_q4_q5(block, nullptr, block + 16, out);
    case DType::q5_K: return decode_q4_q5(block, block + 16, block + 48, out);
    case DType::q6_K: return decode_q6(block, out);
    default: assert(false && "not a k-quant");
  }
}

}  // namespace shorthand
