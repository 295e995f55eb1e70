// SPDX-License-Identifier: Apache-2.0
#include "model/openai.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "model/hf_weights.h"
#include "model/torch_file.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

constexpr int kLeastMultilingual = 51865;

struct Size {
  std::string_view name;
  int Config::*field;
};
constexpr Size kSizes[] = {
    {"n_vocab", &Config::n_vocab},
    {"n_audio_ctx", &Config::n_audio_ctx},
    {"n_audio_state", &Config::n_audio_state},
    {"n_audio_head", &Config::n_audio_head},
    {"n_audio_layer", &Config::n_audio_layer},
    {"n_text_ctx", &Config::n_text_ctx},
    {"n_text_state", &Config::n_text_state},
    {"n_text_head", &Config::n_text_head},
    {"n_text_layer", &Config::n_text_layer},
    {"n_mels", &Config::n_mels},
};

Result<Config> read_sizes(const TorchFile& torch, std::string_view file) {
  if (torch.dims.empty())
    return unsupported(
        fmt::format("{}: is a PyTorch checkpoint without OpenAI's \"dims\"; give the Hugging Face "
                    "directory that it belongs to, with its config.json",
                    file));
  Config config;
  for (const Size& size : kSizes) {
    const auto found = torch.dims.find(size.name);
    if (found == torch.dims.end()) return bad_input(fmt::format("{}: its \"dims\" lack {}", file, size.name));
    config.*size.field = static_cast<int>(
        std::clamp<int64_t>(found->second, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
  }
  SHORTHAND_TRY(check_config(config, file));
  return config;
}

Result<void> take_vocabulary(Checkpoint& checkpoint) {
  checkpoint.english_only = checkpoint.config.n_vocab < kLeastMultilingual;
  const auto which = checkpoint.english_only ? OpenAiVocabulary::english : OpenAiVocabulary::multilingual;
  checkpoint.pieces = SHORTHAND_TRY(parse_tiktoken(openai_tiktoken(which), checkpoint.file)).pieces;
  SHORTHAND_TRY(special_tokens_in_order(static_cast<int>(checkpoint.pieces.size()), checkpoint.config.n_vocab,
                                        checkpoint.english_only, checkpoint.file));
  return {};
}

Result<Checkpoint> to_checkpoint(const TorchFile& torch, std::string_view file) {
  Checkpoint checkpoint;
  checkpoint.file = file;
  checkpoint.config = SHORTHAND_TRY(read_sizes(torch, file));
  SHORTHAND_TRY(take_vocabulary(checkpoint));
  const RequiredTensors required = required_tensors(checkpoint.config);
  for (const NamedTensor& tensor : torch.tensors) {
    SHORTHAND_TRY(tensor_bytes(required, file, tensor.name, tensor.dtype, tensor.shape));
    SHORTHAND_TRY(add_tensor(checkpoint, tensor.name, {tensor.dtype, tensor.shape, tensor.bytes}));
  }
  SHORTHAND_TRY(check_complete(checkpoint, required));
  checkpoint.format =
      fmt::format("openai {}", dtype_name(checkpoint.tensors.find("decoder.token_embedding.weight")->second.dtype));
  return checkpoint;
}

}  // namespace

Result<Checkpoint> parse_openai(std::span<const std::byte> bytes, std::string_view file) {
  return to_checkpoint(SHORTHAND_TRY(read_torch_file(bytes, file)), file);
}

Result<Checkpoint> open_torch(const std::filesystem::path& path) {
  MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
  const TorchFile torch = SHORTHAND_TRY(read_torch_file(file.bytes(), path.string()));
  std::error_code ignored;
  if (torch.dims.empty() && std::filesystem::exists(path.parent_path() / "config.json", ignored))
    return open_hugging_face(path);
  Checkpoint checkpoint = SHORTHAND_TRY(to_checkpoint(torch, path.string()));
  checkpoint.files.push_back(std::move(file));
  return checkpoint;
}

}  // namespace shorthand
