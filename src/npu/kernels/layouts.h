// SPDX-License-Identifier: Apache-2.0
// Host arrays in the order that the kernels of the array read: for loaders of weights, and for tests.
#pragma once

#include <aie_api/types.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/log_mel/log_mel.h"

namespace shorthand::npu {

// Where element [row, column] of a matrix `columns` wide lies in blocks of block_rows x block_columns.
constexpr size_t block_offset(int row, int column, int columns, int block_rows, int block_columns) {
  const int block = row / block_rows * (columns / block_columns) + column / block_columns;
  return static_cast<size_t>(block * block_rows * block_columns + row % block_rows * block_columns +
                             column % block_columns);
}

// A row-major matrix [rows, columns] in blocks, and back. Sizes are multiples of the block's.
template <class T>
std::vector<T> to_blocks(std::span<const T> in, int rows, int columns, int block_rows, int block_columns) {
  std::vector<T> out(in.size());
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      out[block_offset(r, c, columns, block_rows, block_columns)] = in[static_cast<size_t>(r * columns + c)];
    }
  }
  return out;
}
template <class T>
std::vector<T> from_blocks(std::span<const T> in, int rows, int columns, int block_rows, int block_columns) {
  std::vector<T> out(in.size());
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      out[static_cast<size_t>(r * columns + c)] = in[block_offset(r, c, columns, block_rows, block_columns)];
    }
  }
  return out;
}

// A float as the sum of two bfloat16: 16 to 17 bits of it.
struct HighLow {
  bfloat16 high, low;
};
constexpr HighLow split(float x) {
  const bfloat16 high(x);
  return {high, bfloat16(x - static_cast<float>(high))};
}

// What the epilogues of gemm_i8 read for n columns: the exponents of the largest scale and of the largest bias, int16,
// and both as floats, in 32 bytes; then, int16, for each eight columns their scales' mantissas four times over, and
// their biases'. A number x under the exponent e is the mantissa x 2^(15 - e).
constexpr size_t columns_bytes(int n) { return 32 + static_cast<size_t>(n) * 16; }
inline void pack_columns(std::span<const float> scales, std::span<const float> bias, std::byte* out) {
  const auto largest_of = [](std::span<const float> x) {
    float most = 0;
    for (float v : x) most = std::max(most, std::fabs(v));
    return most;
  };
  const auto mantissa = [](float x, int exponent) {
    const float m = std::nearbyint(std::ldexp(x, 15 - exponent));
    return static_cast<int16_t>(std::clamp(m, -32767.0f, 32767.0f));
  };
  const std::span<const float> both[2] = {scales, bias};
  for (size_t half = 0; half < 2; ++half) {
    const float most = largest_of(both[half]);
    const int exponent = most > 0 ? std::max(std::ilogb(most) + 1, -90) : -90;
    const int16_t kept = static_cast<int16_t>(exponent);
    std::memcpy(out + 2 * half, &kept, 2);
    std::memcpy(out + 4 + 4 * half, &most, 4);
    for (size_t c = 0; c < scales.size(); ++c) {
      const int16_t m = mantissa(both[half][c], exponent);
      for (size_t row = 0; row < 4; ++row)
        std::memcpy(out + 32 + c / 8 * 128 + half * 64 + row * 16 + c % 8 * 2, &m, 2);
    }
  }
}

// Scales of at most 64 keys as attention reads them: factors under the exponent of the largest, which follows.
inline void pack_key_scales(std::span<const float> scales, int16_t* out) {
  float most = 0;
  for (float x : scales) most = std::max(most, x);
  const int exponent = most > 0 ? std::ilogb(most) + 1 : -126;  // most 2^-exponent is below 1
  for (size_t i = 0; i < scales.size(); ++i)
    out[i] = static_cast<int16_t>(std::min(std::nearbyint(std::ldexp(scales[i], 15 - exponent)), 32767.0f));
  const int32_t field = exponent + 126;
  std::memcpy(out + 64, &field, sizeof field);
}

// What layer_norm_i8 reads: gamma in parts, beta, and the reciprocal of the width in a vector.
constexpr size_t layer_norm_floats(int width) { return 2 * static_cast<size_t>(width) + 16; }
inline void pack_layer_norm(std::span<const float> gamma, std::span<const float> beta, float* out) {
  for (size_t i = 0; i < gamma.size(); ++i) {
    const bfloat16 high(gamma[i]), low(gamma[i] - static_cast<float>(high));
    char* to = reinterpret_cast<char*>(out + i / 16 * 16) + i % 16 * 2;
    std::memcpy(to, &high, 2);
    std::memcpy(to + 32, &low, 2);
  }
  out = std::copy(beta.begin(), beta.end(), out + gamma.size());
  std::fill_n(out, 16, 1.0f / static_cast<float>(gamma.size()));
}

// What log_mel_frames_16 reads as filters: each filter's first bin and number of bins, int16, then all weights.
inline std::vector<int16_t> pack_mel_filters(std::span<const log_mel::Band> bands) {
  std::vector<int16_t> packed;
  for (const log_mel::Band& b : bands) {
    packed.push_back(static_cast<int16_t>(b.first_bin));
    packed.push_back(static_cast<int16_t>(b.bins));
  }
  for (const log_mel::Band& b : bands) {
    for (int i = 0; i < b.bins; ++i) packed.push_back(static_cast<int16_t>(bfloat16(b.weights[i]).bits));
  }
  return packed;
}

// Sixteen frames as log_mel_frames_16 reads them, from samples [160 * 15 + 400] of 16 bits; a transfer of words does
// the same.
inline void pack_mel_frames(std::span<const int16_t> samples, int16_t* frames) {
  for (size_t i = 0; i < 200; ++i) {
    for (size_t t = 0; t < 16; ++t) std::memcpy(frames + (i * 16 + t) * 2, &samples[t * log_mel::kHop + 2 * i], 4);
  }
}

}  // namespace shorthand::npu
