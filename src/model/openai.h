// SPDX-License-Identifier: Apache-2.0
// OpenAI's own checkpoints (tiny.pt, large-v3.pt, and what whisper's users save of a fine-tuned model): a file of
// torch.save with {"dims": {"n_mels": 80, ...}, "model_state_dict": {...}}. The tensors have the engine's names.
// Neither vocabulary nor filters are in it: as in OpenAI's program, a model of fewer than 51,865 tokens has the English
// vocabulary and all others the multilingual one. Source: whisper/__init__.py and model.py of openai/whisper 20250625.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

// `bytes` must outlive the checkpoint.
Result<Checkpoint> parse_openai(std::span<const std::byte> bytes, std::string_view file);

// A file of torch.save: OpenAI's, or one weights file of a Hugging Face directory.
Result<Checkpoint> open_torch(const std::filesystem::path& path);

}  // namespace shorthand
