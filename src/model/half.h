// SPDX-License-Identifier: Apache-2.0
// The two 16-bit floats of model files. Pure integer and float32 arithmetic: the same bits on every machine.
#pragma once

#include <bit>
#include <cstdint>

namespace shorthand {

// IEEE binary16 to float32, exact. Subnormals become normal numbers by one exact multiplication; infinities and NaN
// keep their payload.
constexpr float half_to_float(uint16_t half) {
  const float magnitude = std::bit_cast<float>(static_cast<uint32_t>(half & 0x7fff) << 13) * 0x1p112f;
  uint32_t bits = std::bit_cast<uint32_t>(magnitude);
  if ((half & 0x7c00) == 0x7c00) bits = 0x7f800000u | static_cast<uint32_t>(half & 0x3ff) << 13;
  return std::bit_cast<float>(bits | static_cast<uint32_t>(half & 0x8000) << 16);
}

// float32 to IEEE binary16, to nearest, ties to even. Beyond 65,504 (from 65,520 on) infinity; NaN stays NaN.
constexpr uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half;
  if (magnitude > 0x7f800000) {
    half = 0x7e00;
  } else if (magnitude >= 0x477ff000) {
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // A subnormal half is a count of 2^-24; adding 0.5 leaves float32 exactly that unit in its last place.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  } else {
    half = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

// bfloat16 is the upper half of a float32.
constexpr float bfloat16_to_float(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

constexpr uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace shorthand
