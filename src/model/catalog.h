// SPDX-License-Identifier: Apache-2.0
// The models that can be fetched by name: whisper.cpp's files on Hugging Face.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shorthand {

// "tiny" ... "large-v3-turbo-q5_0", in the order of size. Source: the list in whisper.cpp's
// models/download-ggml-model.sh and the files of https://huggingface.co/ggerganov/whisper.cpp.
std::span<const std::string_view> known_models();

// The name in known_models() that `name` means, "turbo" and "large" included; none where it means no such model.
std::optional<std::string_view> known_model(std::string_view name);

// The candidate that `name` may be a misspelling of: at most two letters off, the nearest first; empty where none is.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace shorthand
