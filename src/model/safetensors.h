// SPDX-License-Identifier: Apache-2.0
// Hugging Face directories: config.json beside model.safetensors, or beside the shards that
// model.safetensors.index.json lists. A safetensors file is
//
//   u64 n, little-endian; n bytes of JSON; the tensors' bytes
//   {"name": {"dtype": "F16", "shape": [rows, columns], "data_offsets": [begin, end]}, ..., "__metadata__": {...}}
//
// with offsets that count from the end of the JSON and cover every byte once. Source: the format's description in
// https://github.com/huggingface/safetensors. Names are those of transformers' WhisperForConditionalGeneration, with or
// without "model." before them; they become OpenAI's.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
};

bool is_safetensors(std::span<const std::byte> bytes);

// The tensors of one file, in the order of their bytes. Errors: a header that lies about itself, gaps, overlaps, names
// that occur twice, types other than F32, F16 and BF16, more than four dimensions, a file shorter or longer than told.
Result<std::vector<SafetensorsEntry>> read_safetensors(std::span<const std::byte> bytes, std::string_view file);

// OpenAI's name of a tensor that transformers calls `name`; none where Whisper has no such tensor.
std::optional<std::string> openai_name(std::string_view name);

// Adds one file's tensors; `bytes` must outlive the checkpoint. A proj_out.weight is left out: finish_weights() looks
// at it.
struct OutputProjection {
  std::optional<TensorView> tensor;
};
Result<void> add_weights(std::span<const std::byte> bytes, std::string_view file, const RequiredTensors& required,
                         Checkpoint& checkpoint, OutputProjection& projection);

// Computes the encoder's positions where they were left out, and checks that all tensors are there and that the logits'
// matrix, where it is stored apart, equals the token embedding, as in every Whisper.
Result<void> finish_weights(const RequiredTensors& required, const OutputProjection& projection,
                            Checkpoint& checkpoint);

// The files that a model.safetensors.index.json names, each once; all end as told. They lie beside it: a path in it is
// refused.
Result<std::vector<std::string>> read_shard_index(const std::filesystem::path& path,
                                                  std::string_view ending = ".safetensors");

// A directory, or one weights file of it.
Result<Checkpoint> open_safetensors(const std::filesystem::path& path);

}  // namespace shorthand
