// SPDX-License-Identifier: Apache-2.0
// Host arrays in the order that the kernels of the array read: for loaders of weights, and for tests.
#pragma once

#include <aie_api/types.hpp>
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

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

// What the epilogues of gemm_i8 read for n columns: scales high [n], low [n], bias [n].
constexpr size_t columns_bytes(int n) { return static_cast<size_t>(n) * 8; }
inline void pack_columns(std::span<const float> scales, std::span<const float> bias, std::byte* out) {
  const size_t n = scales.size();
  for (size_t i = 0; i < n; ++i) {
    const HighLow parts = split(scales[i]);
    std::memcpy(out + 2 * i, &parts.high, 2);
    std::memcpy(out + 2 * (n + i), &parts.low, 2);
  }
  std::memcpy(out + 4 * n, bias.data(), 4 * n);
}

// What layer_norm_i8 reads: gamma, beta, and the reciprocal of the width in a vector.
constexpr size_t layer_norm_floats(int width) { return 2 * static_cast<size_t>(width) + 16; }
inline void pack_layer_norm(std::span<const float> gamma, std::span<const float> beta, float* out) {
  out = std::copy(gamma.begin(), gamma.end(), out);
  out = std::copy(beta.begin(), beta.end(), out);
  std::fill_n(out, 16, 1.0f / static_cast<float>(gamma.size()));
}

}  // namespace shorthand::npu
