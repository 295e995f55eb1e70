// SPDX-License-Identifier: Apache-2.0
// The JSON files of a Hugging Face Whisper directory, read from memory: sizes, generation settings, vocabulary. Keys
// are those of the transformers library's WhisperConfig, GenerationConfig and tokenizer files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

// No file of these is larger; tokenizer.json of the multilingual models has some 4 MB.
inline constexpr size_t kMaxJsonBytes = 64 << 20;

// Text as JSON. Errors name `file`.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view file);

// config.json: sizes, which pass check_config(), and what older models keep of the generation settings there. Errors
// also: a model that is not Whisper, or one whose activation or inner width is not Whisper's.
Result<void> parse_model_config(std::string_view text, std::string_view file, Config& config,
                                GenerationConfig& generation);

// generation_config.json, over what config.json said. Alignment heads are left out as a whole where one of them does
// not exist in the model: distilled models carry their teacher's.
Result<void> parse_generation_config(std::string_view text, std::string_view file, const Config& config,
                                     GenerationConfig& generation);

// A list of token ids below n_vocab at `key`, and "alignment_heads" as above, of any JSON object that may have them.
Result<std::optional<std::vector<int>>> token_ids(const nlohmann::json& object, const char* key, std::string_view file,
                                                  int n_vocab);
Result<void> read_alignment_heads(const nlohmann::json& object, std::string_view file, const Config& config,
                                  GenerationConfig& generation);

// preprocessor_config.json: whether the sound is prepared as this engine prepares it (16 kHz, windows of 400 samples
// every 160, n_mels bands).
Result<void> check_preprocessor(std::string_view text, std::string_view file, const Config& config);

// The vocabulary of the directory into checkpoint.pieces and .special_ids: vocab.json and added_tokens.json, or
// tokenizer.json. checkpoint.config must be known.
Result<void> read_vocabulary(const std::filesystem::path& directory, Checkpoint& checkpoint);

// The same from memory; an absent file is none.
struct VocabularyFiles {
  std::optional<std::string> vocab, added_tokens, tokenizer;
};
Result<void> parse_vocabulary(const VocabularyFiles& files, std::string_view directory, Checkpoint& checkpoint);

}  // namespace shorthand
