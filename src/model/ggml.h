// SPDX-License-Identifier: Apache-2.0
// whisper.cpp's model files (its "legacy" ggml format, ggml-NAME.bin). All little-endian, nothing aligned:
//
//   u32 magic "lmgg" (0x67676d6c)
//   i32 n_vocab n_audio_ctx n_audio_state n_audio_head n_audio_layer n_text_ctx n_text_state n_text_head n_text_layer
//       n_mels ftype; ftype is the type of the matrices + 1000 * version of the block formats
//   i32 n_mels, i32 201, f32 filters [n_mels, 201]
//   i32 n, then n times: u32 length, bytes        the text tokens by id; OpenAI's English-only vocabulary ends with
//                                                  "<|endoftext|>" itself, the others before it
//   to the end of the file: i32 n_dims, i32 name length, i32 type; n_dims times i32, innermost first; name; data
//
// Matrices and convolutions have the file's type (convolutions stay f16 beside block formats); biases, norms and
// positions are f32. The biases of the convolutions are [d, 1]; here they become [d]. Source: whisper.cpp's
// models/convert-pt-to-ggml.py and the files it wrote.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

struct GgmlHeader {
  Config config;  // passes check_config()
  int ftype = 0;  // without the version
  int block_version = 0;
  std::vector<float> mel_filters;   // [n_mels, 201]
  std::vector<std::string> pieces;  // end of text not among them
  bool english_only = false;
  size_t bytes = 0;  // where the first tensor begins
};

bool is_ggml(std::span<const std::byte> bytes);

// Sizes, filters and vocabulary. Errors name `file`.
Result<GgmlHeader> read_ggml_header(std::span<const std::byte> bytes, std::string_view file);

// The whole model; `bytes` must outlive the checkpoint.
Result<Checkpoint> parse_ggml(std::span<const std::byte> bytes, std::string_view file);

Result<Checkpoint> open_ggml(const std::filesystem::path& path);

// For writers. The bytes before the first tensor; `matrices` sets ftype. Preconditions: check_config(config), filters
// [n_mels, 201].
std::string ggml_header(const Config& config, DType matrices, std::span<const float> mel_filters,
                        std::span<const std::string> pieces, bool english_only);

// The bytes before a tensor's data.
std::string ggml_tensor_header(std::string_view name, const Shape& shape, DType dtype);

// How a file whose matrices are `matrices` stores this tensor.
DType ggml_stored_as(std::string_view name, const Shape& shape, DType matrices);

}  // namespace shorthand
