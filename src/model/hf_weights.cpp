// SPDX-License-Identifier: Apache-2.0
#include "model/hf_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/file.h"
#include "base/phrase.h"
#include "model/foreign.h"
#include "model/huggingface.h"
#include "model/safetensors.h"
#include "model/torch_file.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kOutputProjection = "proj_out.weight";
constexpr std::string_view kPositions = "encoder.positional_embedding";

struct Names {
  std::string_view theirs, ours;
};

// Inside a layer, up to ".weight" or ".bias".
constexpr Names kLayerNames[] = {
    {"self_attn.q_proj", "attn.query"},
    {"self_attn.k_proj", "attn.key"},
    {"self_attn.v_proj", "attn.value"},
    {"self_attn.out_proj", "attn.out"},
    {"self_attn_layer_norm", "attn_ln"},
    {"encoder_attn.q_proj", "cross_attn.query"},
    {"encoder_attn.k_proj", "cross_attn.key"},
    {"encoder_attn.v_proj", "cross_attn.value"},
    {"encoder_attn.out_proj", "cross_attn.out"},
    {"encoder_attn_layer_norm", "cross_attn_ln"},
    {"fc1", "mlp.0"},
    {"fc2", "mlp.2"},
    {"final_layer_norm", "mlp_ln"},
};

// Outside the layers, whole.
constexpr Names kOtherNames[] = {
    {"encoder.conv1.weight", "encoder.conv1.weight"},
    {"encoder.conv1.bias", "encoder.conv1.bias"},
    {"encoder.conv2.weight", "encoder.conv2.weight"},
    {"encoder.conv2.bias", "encoder.conv2.bias"},
    {"encoder.embed_positions.weight", "encoder.positional_embedding"},
    {"encoder.layer_norm.weight", "encoder.ln_post.weight"},
    {"encoder.layer_norm.bias", "encoder.ln_post.bias"},
    {"decoder.embed_positions.weight", "decoder.positional_embedding"},
    {"decoder.embed_tokens.weight", "decoder.token_embedding.weight"},
    {"decoder.layer_norm.weight", "decoder.ln.weight"},
    {"decoder.layer_norm.bias", "decoder.ln.bias"},
};

template <size_t n>
std::optional<std::string_view> ours(const Names (&table)[n], std::string_view theirs) {
  for (const Names& names : table) {
    if (names.theirs == theirs) return names.ours;
  }
  return {};
}

// Whether two tensors hold the same numbers, row by row, so that a large pair needs no large memory.
bool equal(const TensorView& a, const TensorView& b) {
  if (a.shape != b.shape) return false;
  if (a.dtype == b.dtype) return std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
  const size_t columns = a.shape.inner(), rows = a.shape.elements() / columns;
  std::vector<float> left(columns), right(columns);
  for (size_t r = 0; r < rows; ++r) {
    const size_t in_a = stored_bytes(a.dtype, columns), in_b = stored_bytes(b.dtype, columns);
    decode(a.dtype, a.bytes.subspan(r * in_a, in_a), left);
    decode(b.dtype, b.bytes.subspan(r * in_b, in_b), right);
    if (left != right) return false;
  }
  return true;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// What weights are called, in the order in which they are looked for.
struct Family {
  std::string_view single, index, ending, format;
};
constexpr Family kFamilies[] = {
    {"model.safetensors", "model.safetensors.index.json", ".safetensors", "safetensors"},
    {"pytorch_model.bin", "pytorch_model.bin.index.json", ".bin", "pytorch"},
};

struct Weights {
  std::vector<fs::path> files;
  std::string_view format;
};

// The weights files of a directory. `chosen` is the one the user gave, or empty.
Result<Weights> find_weights(const fs::path& directory, const fs::path& chosen) {
  for (const Family& family : kFamilies) {
    if (!chosen.empty() && chosen.extension() != family.ending) continue;
    if (chosen.empty() && is_there(directory / family.single))
      return Weights{{directory / family.single}, family.format};
    if (is_there(directory / family.index)) {
      const auto names = SHORTHAND_TRY(read_shard_index(directory / family.index, family.ending));
      if (chosen.empty() || std::find(names.begin(), names.end(), chosen.filename()) != names.end()) {
        Weights weights{{}, family.format};
        for (const std::string& name : names) weights.files.push_back(directory / name);
        return weights;
      }
    }
    if (!chosen.empty()) return Weights{{chosen}, family.format};
  }
  if (!chosen.empty()) return Weights{{chosen}, kFamilies[0].format};
  return bad_input(fmt::format("{}: {}", directory.string(), describe_foreign_directory(directory)));
}

// The tensors of one weights file, whatever its format.
Result<std::vector<NamedTensor>> read_tensors(std::span<const std::byte> bytes, std::string_view file) {
  if (is_torch_file(bytes)) return SHORTHAND_TRY(read_torch_file(bytes, file)).tensors;
  return read_safetensors(bytes, file);
}

// How the sound is prepared: a file of its own, or since transformers 5 a part of another.
Result<void> check_sound(const fs::path& directory, const Config& config) {
  for (const char* name : {"preprocessor_config.json", "processor_config.json"}) {
    const fs::path path = directory / name;
    if (is_there(path))
      return check_preprocessor(SHORTHAND_TRY(read_text_file(path, kMaxJsonBytes)), path.string(), config);
  }
  return {};
}

Result<void> read_settings(const fs::path& directory, Checkpoint& checkpoint) {
  const fs::path config = directory / "config.json", generation = directory / "generation_config.json";
  SHORTHAND_TRY(parse_model_config(SHORTHAND_TRY(read_text_file(config, kMaxJsonBytes)), config.string(),
                                   checkpoint.config, checkpoint.generation));
  if (is_there(generation))
    SHORTHAND_TRY(parse_generation_config(SHORTHAND_TRY(read_text_file(generation, kMaxJsonBytes)), generation.string(),
                                          checkpoint.config, checkpoint.generation));
  SHORTHAND_TRY(check_sound(directory, checkpoint.config));
  return read_vocabulary(directory, checkpoint);
}

}  // namespace

std::optional<std::string> openai_name(std::string_view name) {
  if (name.starts_with("model.")) name.remove_prefix(6);
  if (const auto found = ours(kOtherNames, name)) return std::string(*found);
  for (const std::string_view side : {"encoder", "decoder"}) {
    const std::string prefix = fmt::format("{}.layers.", side);
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = name.substr(prefix.size());  // 0.self_attn.q_proj.weight
    const size_t first = rest.find('.'), last = rest.rfind('.');
    if (first == std::string_view::npos || first == last) return {};
    const auto found = ours(kLayerNames, rest.substr(first + 1, last - first - 1));
    if (!found) return {};
    return fmt::format("{}.blocks.{}.{}{}", side, rest.substr(0, first), *found, rest.substr(last));
  }
  return {};
}

Result<std::vector<std::string>> read_shard_index(const fs::path& path, std::string_view ending) {
  const std::string file = path.string();
  const json index = SHORTHAND_TRY(parse_json(SHORTHAND_TRY(read_text_file(path, kMaxJsonBytes)), file));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty())
    return bad_input(fmt::format("{}: has no weight_map", file));
  std::set<std::string> shards;
  for (const auto& [name, shard] : map->items()) {
    if (!shard.is_string()) return bad_input(fmt::format("{}: tensor '{}' is in no file", file, printable(name)));
    const std::string text = shard.get<std::string>();
    if (text.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos || !text.ends_with(ending) ||
        text.starts_with("."))
      return bad_input(fmt::format("{}: '{}' is no name of a file beside it", file, printable(text)));
    shards.insert(text);
  }
  return std::vector<std::string>(shards.begin(), shards.end());
}

Result<void> add_weights(std::span<const std::byte> bytes, std::string_view file, const RequiredTensors& required,
                         Checkpoint& checkpoint, OutputProjection& projection) {
  for (const NamedTensor& entry : SHORTHAND_TRY(read_tensors(bytes, file))) {
    const TensorView view{entry.dtype, entry.shape, entry.bytes};
    if (entry.name == kOutputProjection) {
      if (projection.tensor) return bad_input(fmt::format("{}: tensor '{}' is there twice", file, kOutputProjection));
      projection.tensor = view;
      continue;
    }
    const auto name = openai_name(entry.name);
    if (!name)
      return unsupported(fmt::format("{}: tensor '{}' is none of a Whisper model's", file, printable(entry.name)));
    SHORTHAND_TRY(tensor_bytes(required, file, *name, entry.dtype, entry.shape));
    SHORTHAND_TRY(add_tensor(checkpoint, *name, view));
  }
  return {};
}

Result<void> finish_weights(const RequiredTensors& required, const OutputProjection& projection,
                            Checkpoint& checkpoint) {
  if (!checkpoint.tensors.contains(kPositions)) {
    const Shape& shape = required.find(kPositions)->second;
    std::vector<float>& positions = checkpoint.computed.emplace_back(shape.elements());
    fill_sinusoids(shape[0], shape[1], positions);
    SHORTHAND_TRY(add_tensor(checkpoint, kPositions, {DType::f32, shape, std::as_bytes(std::span(positions))}));
  }
  SHORTHAND_TRY(check_complete(checkpoint, required));
  if (projection.tensor &&
      !equal(*projection.tensor, checkpoint.tensors.find("decoder.token_embedding.weight")->second))
    return unsupported(fmt::format("{}: '{}' differs from the token embedding; in Whisper they are one matrix",
                                   checkpoint.file, kOutputProjection));
  return {};
}

Result<Checkpoint> open_hugging_face(const fs::path& path) {
  std::error_code ignored;
  const bool is_directory = fs::is_directory(path, ignored);
  const fs::path directory = is_directory ? path : path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!is_there(directory / "config.json")) {
    if (is_directory) return bad_input(fmt::format("{}: {}", path.string(), describe_foreign_directory(path)));
    return not_found(fmt::format("{}: no config.json beside it; fetch the whole directory", path.string()));
  }
  const auto weights = SHORTHAND_TRY(find_weights(directory, is_directory ? fs::path() : path));
  Checkpoint checkpoint;
  checkpoint.file = path.string();
  checkpoint.format = weights.format;
  SHORTHAND_TRY(read_settings(directory, checkpoint));
  const RequiredTensors required = required_tensors(checkpoint.config);
  OutputProjection projection;
  for (const fs::path& shard : weights.files) {
    MappedFile file = SHORTHAND_TRY(MappedFile::open(shard));
    SHORTHAND_TRY(add_weights(file.bytes(), shard.string(), required, checkpoint, projection));
    checkpoint.files.push_back(std::move(file));
  }
  SHORTHAND_TRY(finish_weights(required, projection, checkpoint));
  return checkpoint;
}

}  // namespace shorthand
