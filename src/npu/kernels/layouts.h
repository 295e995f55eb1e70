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

// The largest magnitude, its exponent, and a number x under the exponent e as 16 bits: x 2^(15 - e).
inline float largest_of(std::span<const float> x) {
  float most = 0;
  for (float v : x) most = std::max(most, std::fabs(v));
  return most;
}
inline int exponent_of(float largest) { return largest > 0 ? std::max(std::ilogb(largest) + 1, -90) : -90; }
inline int16_t mantissa_of(float x, int exponent) {
  return static_cast<int16_t>(std::clamp(std::nearbyint(std::ldexp(x, 15 - exponent)), -32767.0f, 32767.0f));
}

// What the epilogues of gemm_i8 read for n columns: the exponents of the largest scale and of the largest bias, int16,
// and both as floats, in 32 bytes; then, int16, for each eight columns their scales' mantissas four times over, and
// their biases'. A number x under the exponent e is the mantissa x 2^(15 - e).
constexpr size_t columns_bytes(int n) { return 32 + static_cast<size_t>(n) * 16; }
inline void pack_columns(std::span<const float> scales, std::span<const float> bias, std::byte* out) {
  const std::span<const float> both[2] = {scales, bias};
  for (size_t half = 0; half < 2; ++half) {
    const float most = largest_of(both[half]);
    const int exponent = exponent_of(most);
    const int16_t kept = static_cast<int16_t>(exponent);
    std::memcpy(out + 2 * half, &kept, 2);
    std::memcpy(out + 4 + 4 * half, &most, 4);
    for (size_t c = 0; c < scales.size(); ++c) {
      const int16_t m = mantissa_of(both[half][c], exponent);
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

// What layer_norm_i8 reads, in words of 16 bits: the exponents of gamma and beta, the largest magnitude of each, the
// reciprocal of the width and its root as floats, in 64 bytes; then the mantissas of gamma, and those of beta.
constexpr size_t layer_norm_words(int width) { return 32 + 2 * static_cast<size_t>(width); }
inline void pack_layer_norm(std::span<const float> gamma, std::span<const float> beta, int16_t* out) {
  const std::span<const float> both[2] = {gamma, beta};
  const float width = static_cast<float>(gamma.size()), of_width[2] = {1 / width, std::sqrt(width)};
  std::memcpy(out + 6, of_width, sizeof of_width);
  for (size_t half = 0; half < 2; ++half) {
    const float most = largest_of(both[half]);
    const int exponent = exponent_of(most);
    out[half] = static_cast<int16_t>(exponent);
    std::memcpy(out + 2 + 2 * half, &most, 4);
    for (size_t i = 0; i < gamma.size(); ++i) out[32 + half * gamma.size() + i] = mantissa_of(both[half][i], exponent);
  }
}

// The residual stream's pieces: four rows of 64, `stride` floats apart, as add_result of relay reads them. In blocks of
// 4 x 8, each row under its own power of two, 2^k: x 2^(14 - k). The first eight are even, and their last bits the
// exponent's, k + 127, the lowest bit first.
inline void pack_stream(const float* rows, size_t stride, int16_t* piece) {
  for (int r = 0; r < 4; ++r) {
    const float* row = rows + static_cast<size_t>(r) * stride;
    const float most = largest_of({row, 64});
    const int k = most > 0 ? std::max(std::ilogb(most * (1 + 0x1p-14f)), -127) : -127;
    for (int c = 0; c < 64; ++c) {
      const float steps = most > 0 ? std::ldexp(row[c], 14 - k) : 0;
      const int q = static_cast<int>(c < 8 ? 2 * std::nearbyint(steps / 2) : std::nearbyint(steps));
      piece[block_offset(r, c, 64, 4, 8)] = static_cast<int16_t>(c < 8 ? q | ((k + 127) >> c & 1) : q);
    }
  }
}
inline void unpack_stream(const int16_t* piece, size_t stride, float* rows) {
  for (int r = 0; r < 4; ++r) {
    int exponent = 0;
    for (int c = 0; c < 8; ++c) exponent |= (piece[block_offset(r, c, 64, 4, 8)] & 1) << c;
    for (int c = 0; c < 64; ++c) {
      const int q = piece[block_offset(r, c, 64, 4, 8)] & (c < 8 ? ~1 : ~0);
      rows[static_cast<size_t>(r) * stride + static_cast<size_t>(c)] =
          std::ldexp(static_cast<float>(q), exponent - 127 - 14);
    }
  }
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
