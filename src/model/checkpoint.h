// SPDX-License-Identifier: Apache-2.0
// Checkpoint: a model as its file holds it, whatever the format: sizes, vocabulary, filters, and every tensor by name
// where it lies. Opening one maps the files and checks all that their headers say; no weight is touched until
// read_tensor() asks for it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/config.h"
#include "model/tensors.h"

namespace shorthand {

// What Hugging Face's generation_config.json (or the older config.json) adds. Ids are below n_vocab, layers and heads
// exist: both are checked.
struct GenerationConfig {
  std::optional<bool> is_multilingual;
  std::optional<std::vector<int>> suppress_tokens, begin_suppress_tokens;
  std::optional<std::vector<std::pair<int, int>>> alignment_heads;  // (decoder layer, head)
};

struct Checkpoint {
  std::string file;    // the path as given: begins every message
  std::string format;  // "ggml f16", "ggml q5_1", "safetensors", "ctranslate2 int8_float16"
  Config config;       // passes check_config()

  // Text tokens as raw bytes, by id. End of text is id pieces.size(); the other special tokens follow it. Pieces need
  // not be UTF-8, and one may be empty.
  std::vector<std::string> pieces;
  bool english_only = false;               // neither language nor task token in the prompt
  std::map<std::string, int> special_ids;  // "<|en|>" -> 50259; Hugging Face only: ggml files name no special token
  std::vector<float> mel_filters;          // [n_mels, 201]; empty where the file has none
  GenerationConfig generation;

  std::map<std::string, TensorView, std::less<>> tensors;  // all that for_each_tensor() lists, in the shapes it lists
  std::vector<MappedFile> files;                           // own the bytes; empty for a model in the caller's memory
  std::vector<std::vector<float>> computed;                // own what the files left out because it can be computed

  // Tensor `name` as float32. `expected` is its shape, out.size() the product of it. Errors: no such tensor, another
  // shape, a value that is infinite or not a number.
  Result<void> read_tensor(std::string_view name, const Shape& expected, std::span<float> out) const;
};

// Opens a model by what its bytes are, not by its name: a ggml file of whisper.cpp, a directory of Hugging Face's or of
// CTranslate2's, or one weights file inside such a directory. A file that is something else is named for what it is.
Result<Checkpoint> open_checkpoint(const std::filesystem::path& path);

// The same for a model in memory (one file, so no directory); `bytes` must outlive the checkpoint.
Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name);

// For readers of formats: the tensors a model must have.
using RequiredTensors = std::map<std::string, Shape, std::less<>>;
RequiredTensors required_tensors(const Config& config);

// Bytes that tensor `name` takes if it has this shape and type. Errors: a name or a shape that the model does not have,
// rows that are no whole number of blocks. Nothing is multiplied before the shape is known to be right.
Result<size_t> tensor_bytes(const RequiredTensors& required, std::string_view file, std::string_view name, DType dtype,
                            const Shape& shape);

// Adds a tensor whose size tensor_bytes() gave; a second one of the name is an error.
Result<void> add_tensor(Checkpoint& checkpoint, std::string_view name, const TensorView& tensor);

// Whether every required tensor was added.
Result<void> check_complete(const Checkpoint& checkpoint, const RequiredTensors& required);

}  // namespace shorthand
