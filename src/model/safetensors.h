// SPDX-License-Identifier: Apache-2.0
// safetensors, Hugging Face's format for tensors:
//
//   u64 n, little-endian; n bytes of JSON; the tensors' bytes
//   {"name": {"dtype": "F16", "shape": [rows, columns], "data_offsets": [begin, end]}, ..., "__metadata__": {...}}
//
// with offsets that count from the end of the JSON and cover every byte once. Source: the format's description in
// https://github.com/huggingface/safetensors.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

bool is_safetensors(std::span<const std::byte> bytes);

// The tensors of one file, in the order of their bytes. Errors: a header that lies about itself, gaps, overlaps, names
// that occur twice, types other than F32, F16 and BF16, more than four dimensions, a file shorter or longer than told.
Result<std::vector<NamedTensor>> read_safetensors(std::span<const std::byte> bytes, std::string_view file);

}  // namespace shorthand
