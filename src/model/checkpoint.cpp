// SPDX-License-Identifier: Apache-2.0
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/phrase.h"
#include "model/ctranslate2.h"
#include "model/foreign.h"
#include "model/ggml.h"
#include "model/safetensors.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

// The formats of one file, told apart by their first bytes. A new one is a line here.
struct Format {
  bool (*recognises)(std::span<const std::byte> bytes);
  Result<Checkpoint> (*open)(const fs::path& path);
  Result<Checkpoint> (*parse)(std::span<const std::byte> bytes, std::string_view name);  // none: needs its directory
};

constexpr Format kFormats[] = {
    {is_ggml, open_ggml, parse_ggml},
    {is_safetensors, open_safetensors, nullptr},
    {is_ctranslate2, open_ctranslate2, nullptr},
};

}  // namespace

Result<Checkpoint> open_checkpoint(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return is_ctranslate2_directory(path) ? open_ctranslate2(path) : open_safetensors(path);
  const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
  for (const Format& format : kFormats) {
    if (format.recognises(file.bytes())) return format.open(path);
  }
  return bad_input(fmt::format("{}: {}", path.string(), describe_foreign(file.bytes())));
}

Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.parse && format.recognises(bytes)) return format.parse(bytes, name);
  }
  return bad_input(fmt::format("{}: {}", name, describe_foreign(bytes)));
}

Result<void> Checkpoint::read_tensor(std::string_view name, const Shape& expected, std::span<float> out) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return bad_input(fmt::format("{}: holds no tensor '{}'", file, name));
  const TensorView& tensor = found->second;
  if (tensor.shape != expected || out.size() != expected.elements())
    return bad_input(fmt::format("{}: tensor '{}' is {}, not {}", file, name, tensor.shape.text(), expected.text()));
  tensor.read(out);
  for (const float value : out) {
    if (!std::isfinite(value))
      return bad_input(
          fmt::format("{}: tensor '{}' holds a value that is not a finite number; the file is damaged, or "
                      "its training had failed",
                      file, name));
  }
  return {};
}

RequiredTensors required_tensors(const Config& config) {
  RequiredTensors required;
  for_each_tensor(config, [&](const std::string& name, const Shape& shape) { required.emplace(name, shape); });
  return required;
}

Result<size_t> tensor_bytes(const RequiredTensors& required, std::string_view file, std::string_view name, DType dtype,
                            const Shape& shape) {
  const auto found = required.find(name);
  if (found == required.end())
    return bad_input(fmt::format("{}: tensor '{}' is none of a Whisper model's of these sizes", file, printable(name)));
  if (shape != found->second)
    return bad_input(fmt::format("{}: tensor '{}' is {}, but the model's sizes ask for {}", file, name, shape.text(),
                                 found->second.text()));
  if (shape.inner() % block_elements(dtype) != 0)
    return bad_input(fmt::format("{}: tensor '{}' is {} in rows of {}, which are no whole number of blocks", file, name,
                                 dtype_name(dtype), shape.inner()));
  return stored_bytes(dtype, shape.elements());
}

Result<void> add_tensor(Checkpoint& checkpoint, std::string_view name, const TensorView& tensor) {
  if (!checkpoint.tensors.emplace(name, tensor).second)
    return bad_input(fmt::format("{}: tensor '{}' is there twice", checkpoint.file, name));
  return {};
}

Result<void> check_complete(const Checkpoint& checkpoint, const RequiredTensors& required) {
  for (const auto& [name, shape] : required) {
    if (!checkpoint.tensors.contains(name))
      return bad_input(fmt::format("{}: tensor '{}' is missing; it holds {} of {}", checkpoint.file, name,
                                   checkpoint.tensors.size(), required.size()));
  }
  return {};
}

}  // namespace shorthand
