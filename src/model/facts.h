// SPDX-License-Identifier: Apache-2.0
// ModelFacts: what the headers of a model say, read without touching a weight.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/weights.h"

namespace shorthand {

struct ModelFacts {
  std::string format;                 // "ggml f16", "safetensors", "native int8"
  std::optional<ComputeType> packed;  // of a native file: the one type it runs in
  Config config;
  bool english_only = false;
  size_t text_tokens = 0;
  uint64_t bytes = 0;          // of the weights' files
  bool float_weights = false;  // every weight is there as a float, of whatever width
  GenerationConfig generation;

  int languages() const;
  uint64_t parameters() const;
};

// Of a model in any form that Model::open() takes. Errors: those of its headers.
Result<ModelFacts> read_facts(const std::filesystem::path& path);

// The same of a ggml file in memory.
Result<ModelFacts> parse_facts(std::span<const std::byte> bytes, std::string_view name);

// Whether a model knows English alone: what its generation settings say, else the pieces where they are OpenAI's, else
// what its file told. Pieces in which a converter lost bytes get them back.
bool settle_english_only(bool told, const GenerationConfig& generation, std::vector<std::string>& pieces);

}  // namespace shorthand
