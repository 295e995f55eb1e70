// SPDX-License-Identifier: Apache-2.0
// How numbers lie in model files: plain floats, ggml's blocks of 32 small integers with a scale, and plain integers.
//
//   f32, f16, bf16   one number an element, little-endian
//   i8, i16          the same; the scale that makes weights of them lies elsewhere (TensorView::scales)
//   q8_0   34 bytes  f16 d, 32 x int8 q                          value = q d
//   q4_0   18        f16 d, 16 bytes of two nibbles              value = (q - 8) d
//   q4_1   20        f16 d, f16 m, 16 bytes of two nibbles       value = q d + m
//   q5_0   22        f16 d, u32 fifth bits, 16 bytes of nibbles  value = (q - 16) d
//   q5_1   24        f16 d, f16 m, u32 fifth bits, 16 bytes      value = q d + m
// The low nibbles are elements 0 to 15, the high ones 16 to 31; bit i of the u32 is bit 4 of element i. A block never
// crosses a row: rows of block formats are multiples of 32 long. Source: ggml's block_q* structures.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace shorthand {

enum class DType : uint8_t { f32, f16, bf16, q8_0, q5_0, q5_1, q4_0, q4_1, i8, i16 };

// Those that stand for weights by themselves, and can be written.
inline constexpr std::array kAllDTypes = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0,
                                          DType::q5_0, DType::q5_1, DType::q4_0, DType::q4_1};

std::string_view dtype_name(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);

bool is_float(DType dtype);  // no scale, no loss but its width's

// Elements that share a scale (1 or 32), and the bytes they take.
size_t block_elements(DType dtype);
size_t block_bytes(DType dtype);

// Bytes of `elements` numbers; `elements` must be a multiple of block_elements().
size_t stored_bytes(DType dtype, size_t elements);

// To float32. Preconditions: out.size() is a multiple of block_elements(), in.size() == stored_bytes(out.size()).
// Any bytes are accepted: every pattern is some number, infinity and NaN included.
void decode(DType dtype, std::span<const std::byte> in, std::span<float> out);

// From float32, the inverse preconditions, and a type of kAllDTypes. Block scales are chosen as ggml's reference
// quantisers do: by the largest magnitude (q8_0: d = max|x| / 127; q4_0, q5_0: the element of largest magnitude gets
// the most negative q) or by the range (q4_1, q5_1). The same bits on every machine.
void encode(DType dtype, std::span<const float> in, std::span<std::byte> out);

}  // namespace shorthand
