// SPDX-License-Identifier: Apache-2.0
#include "model/storage.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "model/half.h"

namespace shorthand {
namespace {

constexpr size_t kBlock = 32;

struct Info {
  std::string_view name;
  size_t elements, bytes;
};

// In the order of DType.
constexpr Info kInfo[] = {
    {"f32", 1, 4},        {"f16", 1, 2},        {"bf16", 1, 2},       {"q8_0", kBlock, 34}, {"q5_0", kBlock, 22},
    {"q5_1", kBlock, 24}, {"q4_0", kBlock, 18}, {"q4_1", kBlock, 20}, {"i8", 1, 1},         {"i16", 1, 2},
};
static_assert(std::size(kInfo) == static_cast<size_t>(DType::i16) + 1);

const Info& info(DType dtype) { return kInfo[static_cast<size_t>(dtype)]; }

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
template <class T>
void store(std::byte* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

float load_half(const std::byte* p) { return half_to_float(load<uint16_t>(p)); }

// What the four nibble formats differ in. `centred`: no minimum is stored, and q counts from -2^(bits-1).
struct Nibbles {
  int bits;
  bool centred;
  size_t fifth_bits() const { return centred ? 2 : 4; }                  // offset of the u32, where there is one
  size_t nibbles() const { return fifth_bits() + (bits == 5 ? 4 : 0); }  // offset of the 16 bytes
};

constexpr Nibbles nibbles_of(DType dtype) {
  switch (dtype) {
    case DType::q5_0: return {5, true};
    case DType::q5_1: return {5, false};
    case DType::q4_1: return {4, false};
    default: return {4, true};
  }
}

void decode_nibbles(Nibbles form, const std::byte* block, float* out) {
  const float d = load_half(block);
  const float m = form.centred ? 0.0f : load_half(block + 2);
  const uint32_t fifth = form.bits == 5 ? load<uint32_t>(block + form.fifth_bits()) : 0;
  const int zero = form.centred ? 1 << (form.bits - 1) : 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto byte = static_cast<unsigned>(block[form.nibbles() + i % 16]);
    const unsigned q = (i < 16 ? byte & 15 : byte >> 4) | (fifth >> i & 1) << 4;
    out[i] = static_cast<float>(static_cast<int>(q) - zero) * d + m;
  }
}

void encode_nibbles(Nibbles form, const float* in, std::byte* block) {
  const int levels = 1 << form.bits;
  float d, m = 0.0f, offset;
  if (form.centred) {
    const float extreme =
        *std::max_element(in, in + kBlock, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    d = extreme / static_cast<float>(-levels / 2);
    offset = static_cast<float>(levels / 2) + 0.5f;
  } else {
    const auto [least, most] = std::minmax_element(in, in + kBlock);
    m = *least;
    d = (*most - m) / static_cast<float>(levels - 1);
    offset = 0.5f;
    store(block + 2, float_to_half(m));
  }
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  store(block, float_to_half(d));
  uint32_t fifth = 0;
  std::byte* pairs = block + form.nibbles();
  std::fill(pairs, pairs + 16, std::byte{0});
  for (size_t i = 0; i < kBlock; ++i) {
    const int q = std::clamp(static_cast<int>((in[i] - m) * inverse + offset), 0, levels - 1);
    pairs[i % 16] |= static_cast<std::byte>((q & 15) << (i < 16 ? 0 : 4));
    fifth |= static_cast<uint32_t>(q >> 4) << i;
  }
  if (form.bits == 5) store(block + form.fifth_bits(), fifth);
}

void decode_q8(const std::byte* block, float* out) {
  const float d = load_half(block);
  for (size_t i = 0; i < kBlock; ++i) out[i] = static_cast<float>(load<int8_t>(block + 2 + i)) * d;
}

void encode_q8(const float* in, std::byte* block) {
  float most = 0.0f;
  for (size_t i = 0; i < kBlock; ++i) most = std::max(most, std::fabs(in[i]));
  const float d = most / 127.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  store(block, float_to_half(d));
  for (size_t i = 0; i < kBlock; ++i) store(block + 2 + i, static_cast<int8_t>(std::round(in[i] * inverse)));
}

}  // namespace

std::string_view dtype_name(DType dtype) { return info(dtype).name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (DType dtype : kAllDTypes) {
    if (dtype_name(dtype) == name) return dtype;
  }
  return {};
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

size_t block_elements(DType dtype) { return info(dtype).elements; }
size_t block_bytes(DType dtype) { return info(dtype).bytes; }

size_t stored_bytes(DType dtype, size_t elements) {
  assert(elements % block_elements(dtype) == 0);
  return elements / block_elements(dtype) * block_bytes(dtype);
}

void decode(DType dtype, std::span<const std::byte> in, std::span<float> out) {
  assert(in.size() == stored_bytes(dtype, out.size()));
  const std::byte* from = in.data();
  switch (dtype) {
    case DType::f32: std::memcpy(out.data(), from, in.size()); return;
    case DType::f16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = load_half(from + 2 * i);
      return;
    case DType::bf16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = bfloat16_to_float(load<uint16_t>(from + 2 * i));
      return;
    case DType::q8_0:
      for (size_t i = 0; i < out.size(); i += kBlock, from += block_bytes(dtype)) decode_q8(from, &out[i]);
      return;
    case DType::i8:
      for (size_t i = 0; i < out.size(); ++i) out[i] = load<int8_t>(from + i);
      return;
    case DType::i16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = load<int16_t>(from + 2 * i);
      return;
    default:
      for (size_t i = 0; i < out.size(); i += kBlock, from += block_bytes(dtype))
        decode_nibbles(nibbles_of(dtype), from, &out[i]);
  }
}

void encode(DType dtype, std::span<const float> in, std::span<std::byte> out) {
  assert(dtype != DType::i8 && dtype != DType::i16 && out.size() == stored_bytes(dtype, in.size()));
  std::byte* to = out.data();
  switch (dtype) {
    case DType::f32: std::memcpy(to, in.data(), out.size()); return;
    case DType::f16:
      for (size_t i = 0; i < in.size(); ++i) store(to + 2 * i, float_to_half(in[i]));
      return;
    case DType::bf16:
      for (size_t i = 0; i < in.size(); ++i) store(to + 2 * i, float_to_bfloat16(in[i]));
      return;
    case DType::q8_0:
      for (size_t i = 0; i < in.size(); i += kBlock, to += block_bytes(dtype)) encode_q8(&in[i], to);
      return;
    default:
      for (size_t i = 0; i < in.size(); i += kBlock, to += block_bytes(dtype))
        encode_nibbles(nibbles_of(dtype), &in[i], to);
  }
}

}  // namespace shorthand
