// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"

namespace shorthand {

// Row-major arrays of the shape given.
Result<void> write_npy(const std::filesystem::path& path, std::span<const float> values, std::vector<size_t> shape);
Result<void> write_npy(const std::filesystem::path& path, std::span<const int32_t> values, std::vector<size_t> shape);

struct FloatArray {
  std::vector<size_t> shape;
  std::vector<float> values;
};

// A row-major array of float32, of any shape. Errors: another type or order, a shape that is not that of the bytes.
Result<FloatArray> read_npy_floats(const std::filesystem::path& path);

// A one-dimensional array of int32 or int64 ids.
Result<std::vector<int>> read_npy_ids(const std::filesystem::path& path);

}  // namespace shorthand
