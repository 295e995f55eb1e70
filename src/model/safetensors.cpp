// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/byte_reader.h"
#include "base/phrase.h"
#include "model/foreign.h"
#include "model/huggingface.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Two thousand tensors need some 300 KB.
constexpr uint64_t kMaxHeaderBytes = 4 << 20;
constexpr std::string_view kIndexName = "model.safetensors.index.json";
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

std::optional<DType> dtype_of(std::string_view name) {
  if (name == "F32") return DType::f32;
  if (name == "F16") return DType::f16;
  if (name == "BF16") return DType::bf16;
  return {};
}

// The header's JSON, with the names that occur twice refused: a JSON object would keep the last and forget the first.
Result<json> parse_header(std::string_view text, std::string_view file) {
  std::set<std::string> names;
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  json header = json::parse(text.begin(), text.end(), watch, false);
  if (!header.is_object())
    return bad_input(fmt::format("{}: its header is no valid JSON object; download it again", file));
  if (!twice.empty()) return bad_input(fmt::format("{}: tensor '{}' is there twice", file, printable(twice)));
  return header;
}

struct Span {
  uint64_t begin, end;
};

Result<Span> read_offsets(const json& entry, std::string_view name, std::string_view file) {
  const auto found = entry.find("data_offsets");
  if (found == entry.end() || !found->is_array() || found->size() != 2 || !(*found)[0].is_number_unsigned() ||
      !(*found)[1].is_number_unsigned())
    return bad_input(fmt::format("{}: tensor '{}' has no data_offsets", file, printable(name)));
  return Span{(*found)[0].get<uint64_t>(), (*found)[1].get<uint64_t>()};
}

struct Described {
  SafetensorsEntry entry;  // bytes not yet known
  Span span;
};

Result<Described> describe_entry(const std::string& name, const json& value, std::string_view file) {
  const std::string shown = printable(name);
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() || !value.contains("shape") ||
      !value["shape"].is_array())
    return bad_input(fmt::format("{}: tensor '{}' lacks its dtype or shape", file, shown));
  Described out;
  out.entry.name = name;
  const std::string type = value["dtype"].get<std::string>();
  const auto dtype = dtype_of(type);
  if (!dtype)
    return unsupported(
        fmt::format("{}: tensor '{}' has type {}; this engine reads F32, F16 and BF16", file, shown, printable(type)));
  out.entry.dtype = *dtype;
  if (value["shape"].size() > Shape::kMaxRank)
    return bad_input(fmt::format("{}: tensor '{}' has {} dimensions", file, shown, value["shape"].size()));
  uint64_t bytes = block_bytes(*dtype);
  for (const json& size : value["shape"]) {
    if (!size.is_number_unsigned() || !multiply_checked(bytes, size.get<uint64_t>(), &bytes))
      return bad_input(fmt::format("{}: tensor '{}' has a shape that cannot be", file, shown));
    out.entry.shape.append(size.get<uint64_t>());
  }
  out.span = SHORTHAND_TRY(read_offsets(value, name, file));
  if (out.span.begin > out.span.end || out.span.end - out.span.begin != bytes)
    return bad_input(fmt::format("{}: tensor '{}' is {} {}, {} bytes, but its data_offsets are [{}, {}]", file, shown,
                                 type, out.entry.shape.text(), bytes, out.span.begin, out.span.end));
  return out;
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

Result<std::string> read_json(const fs::path& path) { return read_text_file(path, kMaxJsonBytes); }

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The weights files of a directory. `chosen` is the one the user gave, or empty.
Result<std::vector<fs::path>> find_weights(const fs::path& directory, const fs::path& chosen) {
  const fs::path single = directory / "model.safetensors", index = directory / kIndexName;
  if (chosen.empty() && is_there(single)) return std::vector{single};
  if (is_there(index)) {
    const auto names = SHORTHAND_TRY(read_shard_index(index));
    if (chosen.empty() || std::find(names.begin(), names.end(), chosen.filename()) != names.end()) {
      std::vector<fs::path> paths;
      for (const std::string& name : names) paths.push_back(directory / name);
      return paths;
    }
  }
  if (!chosen.empty()) return std::vector{chosen};
  return bad_input(fmt::format("{}: {}", directory.string(), describe_foreign_directory(directory)));
}

Result<void> read_settings(const fs::path& directory, Checkpoint& checkpoint) {
  const fs::path config = directory / "config.json", generation = directory / "generation_config.json",
                 preprocessor = directory / "preprocessor_config.json";
  SHORTHAND_TRY(
      parse_model_config(SHORTHAND_TRY(read_json(config)), config.string(), checkpoint.config, checkpoint.generation));
  if (is_there(generation))
    SHORTHAND_TRY(parse_generation_config(SHORTHAND_TRY(read_json(generation)), generation.string(), checkpoint.config,
                                          checkpoint.generation));
  if (is_there(preprocessor))
    SHORTHAND_TRY(check_preprocessor(SHORTHAND_TRY(read_json(preprocessor)), preprocessor.string(), checkpoint.config));
  return read_vocabulary(directory, checkpoint);
}

}  // namespace

bool is_safetensors(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  const uint64_t length = r.read<uint64_t>();
  return r.read<char>() == '{' && length <= kMaxHeaderBytes;
}

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
  const json index = SHORTHAND_TRY(parse_json(SHORTHAND_TRY(read_json(path)), file));
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

Result<std::vector<SafetensorsEntry>> read_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  if (!is_safetensors(bytes)) return bad_input(fmt::format("{}: {}", file, describe_foreign(bytes)));
  ByteReader r(bytes);
  const uint64_t length = r.read<uint64_t>();
  const std::string_view text = r.take_text(length);
  if (r.failed())
    return bad_input(fmt::format("{}: truncated: header promises at least {} bytes, the file has {}; download it again",
                                 file, grouped(length + 8), grouped(bytes.size())));
  const json header = SHORTHAND_TRY(parse_header(text, file));
  std::vector<Described> found;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") found.push_back(SHORTHAND_TRY(describe_entry(name, value, file)));
  }
  std::sort(found.begin(), found.end(), [](const Described& a, const Described& b) {
    return std::pair(a.span.begin, a.span.end) < std::pair(b.span.begin, b.span.end);
  });
  uint64_t end = 0;
  for (const Described& d : found) {
    if (d.span.begin != end)
      return bad_input(
          fmt::format("{}: tensor '{}' begins at byte {}, and the one before it ends at {}; the file is "
                      "damaged",
                      file, printable(d.entry.name), d.span.begin, end));
    end = d.span.end;
  }
  const uint64_t promised = 8 + length + end;
  if (end > UINT64_MAX - 8 - length || promised > bytes.size())
    return bad_input(fmt::format("{}: truncated: header promises {} bytes, the file has {}; download it again", file,
                                 grouped(promised), grouped(bytes.size())));
  if (promised < bytes.size())
    return bad_input(fmt::format("{}: {} bytes follow the last tensor; the file is damaged", file,
                                 grouped(bytes.size() - promised)));
  std::vector<SafetensorsEntry> entries;
  for (Described& d : found) {
    d.entry.bytes = bytes.subspan(8 + length + d.span.begin, d.span.end - d.span.begin);
    entries.push_back(std::move(d.entry));
  }
  return entries;
}

Result<void> add_weights(std::span<const std::byte> bytes, std::string_view file, const RequiredTensors& required,
                         Checkpoint& checkpoint, OutputProjection& projection) {
  for (const SafetensorsEntry& entry : SHORTHAND_TRY(read_safetensors(bytes, file))) {
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

Result<Checkpoint> open_safetensors(const fs::path& path) {
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
  checkpoint.format = "safetensors";
  SHORTHAND_TRY(read_settings(directory, checkpoint));
  const RequiredTensors required = required_tensors(checkpoint.config);
  OutputProjection projection;
  for (const fs::path& shard : weights) {
    MappedFile file = SHORTHAND_TRY(MappedFile::open(shard));
    SHORTHAND_TRY(add_weights(file.bytes(), shard.string(), required, checkpoint, projection));
    checkpoint.files.push_back(std::move(file));
  }
  SHORTHAND_TRY(finish_weights(required, projection, checkpoint));
  return checkpoint;
}

}  // namespace shorthand
