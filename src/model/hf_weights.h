// SPDX-License-Identifier: Apache-2.0
// Hugging Face directories: config.json beside the weights. Those are, whichever is there first,
//
//   model.safetensors        one file        or the shards that model.safetensors.index.json lists
//   pytorch_model.bin        one file        or the shards that pytorch_model.bin.index.json lists
//
// Names are those of transformers' WhisperForConditionalGeneration, with or without "model." before them; they become
// OpenAI's.
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

// The files that a *.index.json names, each once; all end as told. They lie beside it: a path in it is refused.
Result<std::vector<std::string>> read_shard_index(const std::filesystem::path& path, std::string_view ending);

// A directory, or one weights file of it.
Result<Checkpoint> open_hugging_face(const std::filesystem::path& path);

}  // namespace shorthand
