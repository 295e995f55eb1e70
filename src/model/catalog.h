// SPDX-License-Identifier: Apache-2.0
// The models that can be named in short: whisper.cpp's files on Hugging Face, and the distilled models, which are
// repositories there.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shorthand {

// "tiny" ... "large-v3-turbo-q5_0", in the order of size, then "distil-small.en" ... "distil-large-v3.5". Sources: the
// list in whisper.cpp's models/download-ggml-model.sh and the files of https://huggingface.co/ggerganov/whisper.cpp;
// the names that faster-whisper takes.
std::span<const std::string_view> known_models();

// The name in known_models() that `name` means, "turbo" and "large" included; none where it means no such model.
std::optional<std::string_view> known_model(std::string_view name);

// The repository that is fetched for a name of known_models(): empty for whisper.cpp's files, which are fetched one by
// one from kGgmlRepository. Of the distilled models it is their makers' own, with weights in safetensors.
std::string_view repository_of(std::string_view known);
inline constexpr std::string_view kGgmlRepository = "ggerganov/whisper.cpp";

// The repositories in which a name of known_models() has been published, other programs' forms included: what a cache
// may hold of it. Source: the lists of faster-whisper and of OpenAI's and Distil-Whisper's pages.
std::vector<std::string> published_as(std::string_view known);

// OWNER/REPO as Hugging Face allows it: letters, digits, '-', '_' and '.', no run of two that could mean something
// else.
bool is_repository(std::string_view name);

// The candidate that `name` may be a misspelling of: at most two letters off, the nearest first; empty where none is.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace shorthand
