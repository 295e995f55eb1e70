// SPDX-License-Identifier: Apache-2.0
// Which form of a Whisper model a repository or a directory holds, told from its config.json.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace shorthand {

enum class RepositoryForm : uint8_t { transformers, ctranslate2 };

// Errors: a model of another architecture. A transformers config must pass parse_model_config() too.
Result<RepositoryForm> form_of_config(std::string_view config, std::string_view file);

}  // namespace shorthand
