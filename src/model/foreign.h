// SPDX-License-Identifier: Apache-2.0
// Names what was given in place of a model, so that the message can say what to do.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace shorthand {

// "is a recording (RIFF/WAVE); give it as INPUT, and a model with --model", and so on for whatever the first bytes say.
// Never empty; the caller puts the file's name before it.
std::string describe_foreign(std::span<const std::byte> bytes);

// The same for a directory without config.json and safetensors in it.
std::string describe_foreign_directory(const std::filesystem::path& directory);

}  // namespace shorthand
