// SPDX-License-Identifier: Apache-2.0
#include "model/ggml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/byte_reader.h"
#include "base/phrase.h"
#include "model/foreign.h"

namespace shorthand {
namespace {

constexpr uint32_t kMagic = 0x67676d6c;
constexpr int kFftBins = 201;
constexpr int kVersionFactor = 1000;
constexpr int kBlockVersion = 2;  // since May 2023; earlier ones packed the same bits otherwise
constexpr size_t kMaxNameLength = 256;
constexpr std::string_view kEndOfText = "<|endoftext|>";

// `code` in a tensor's header, `ftype` in the file's.
struct TypeCode {
  int code, ftype;
  std::string_view name;
  std::optional<DType> dtype;
};

constexpr TypeCode kTypes[] = {
    {0, 0, "f32", DType::f32},   {1, 1, "f16", DType::f16},     {2, 2, "q4_0", DType::q4_0},
    {3, 3, "q4_1", DType::q4_1}, {6, 8, "q5_0", DType::q5_0},   {7, 9, "q5_1", DType::q5_1},
    {8, 7, "q8_0", DType::q8_0}, {30, 24, "bf16", DType::bf16}, {10, 10, "q2_K", {}},
    {11, 11, "q3_K", {}},        {12, 12, "q4_K", {}},          {13, 13, "q5_K", {}},
    {14, 14, "q6_K", {}},
};

const TypeCode* type_of(DType dtype) {
  return std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeCode& t) { return t.dtype == dtype; });
}
const TypeCode* find_code(int code) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeCode& t) { return t.code == code; });
  return found == std::end(kTypes) ? nullptr : found;
}
const TypeCode* find_ftype(int ftype) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeCode& t) { return t.ftype == ftype; });
  return ftype < 0 || found == std::end(kTypes) ? nullptr : found;
}

bool is_conv_bias(std::string_view name) { return name == "encoder.conv1.bias" || name == "encoder.conv2.bias"; }

// The command that fetches the file again, where its sizes tell which one it is.
std::string pull_hint(const GgmlHeader& header) {
  const std::string name = model_name(header.config, header.english_only);
  if (header.ftype != 1 || name.empty()) return "download it again";
  return fmt::format("download it again (shorthand models pull {})", name);
}

Result<void> read_sizes(ByteReader& r, GgmlHeader& header, std::string_view file) {
  Config& c = header.config;
  for (int* field : {&c.n_vocab, &c.n_audio_ctx, &c.n_audio_state, &c.n_audio_head, &c.n_audio_layer, &c.n_text_ctx,
                     &c.n_text_state, &c.n_text_head, &c.n_text_layer, &c.n_mels})
    *field = r.read<int32_t>();
  const int ftype = r.read<int32_t>();
  if (r.failed()) return bad_input(fmt::format("{}: truncated inside the header; download it again", file));
  SHORTHAND_TRY(check_config(c, file));
  if (ftype < 0) return bad_input(fmt::format("{}: ftype is {}; the file is damaged", file, ftype));
  header.ftype = ftype % kVersionFactor;
  header.block_version = ftype / kVersionFactor;
  if (!find_ftype(header.ftype) || header.block_version > kBlockVersion)
    return unsupported(
        fmt::format("{}: ftype {} (version {}) is none this engine reads (f32, f16, q8_0, q5_1, q5_0, "
                    "q4_1, q4_0; version {})",
                    file, header.ftype, header.block_version, kBlockVersion));
  return {};
}

Result<void> read_filters(ByteReader& r, GgmlHeader& header, std::string_view file) {
  const int n_mels = r.read<int32_t>(), bins = r.read<int32_t>();
  if (!r.failed() && (n_mels != header.config.n_mels || bins != kFftBins))
    return bad_input(fmt::format("{}: its mel filters are [{}, {}], the model needs [{}, {}]; the file is damaged",
                                 file, n_mels, bins, header.config.n_mels, kFftBins));
  const auto raw = r.take(static_cast<size_t>(header.config.n_mels) * kFftBins * sizeof(float));
  if (r.failed()) return bad_input(fmt::format("{}: truncated inside the mel filters; download it again", file));
  header.mel_filters.resize(raw.size() / sizeof(float));
  std::memcpy(header.mel_filters.data(), raw.data(), raw.size());
  if (!std::all_of(header.mel_filters.begin(), header.mel_filters.end(), [](float f) { return std::isfinite(f); }))
    return bad_input(fmt::format("{}: a mel filter is not a finite number; the file is damaged", file));
  return {};
}

Result<void> read_vocabulary_section(ByteReader& r, GgmlHeader& header, std::string_view file) {
  const int count = r.read<int32_t>();
  if (!r.failed() && (count < 1 || count > header.config.n_vocab))
    return bad_input(fmt::format("{}: lists {} text tokens, and n_vocab is {}; the file is damaged", file, count,
                                 header.config.n_vocab));
  for (int i = 0; i < count && !r.failed(); ++i) {
    const uint32_t length = r.read<uint32_t>();
    header.pieces.emplace_back(r.take_text(length));
  }
  if (r.failed())
    return bad_input(fmt::format("{}: truncated inside the vocabulary ({} of {} tokens read); download it again", file,
                                 header.pieces.size(), count));
  header.english_only = header.pieces.back() == kEndOfText;
  if (header.english_only) header.pieces.pop_back();
  const auto languages = static_cast<int64_t>(header.config.n_vocab) - static_cast<int64_t>(header.pieces.size()) -
                         kSpecialsBesidesLanguages;
  if (languages < 1 || header.pieces.empty())
    return bad_input(
        fmt::format("{}: n_vocab is {}, and {} text tokens leave {} ids for {} special tokens and the "
                    "languages; the file is damaged",
                    file, header.config.n_vocab, header.pieces.size(), languages + kSpecialsBesidesLanguages,
                    kSpecialsBesidesLanguages));
  return {};
}

struct TensorHeader {
  std::string_view name;
  DType dtype;
  Shape shape;
};

// Fields of the tensor at r; none where the bytes ran out.
Result<std::optional<TensorHeader>> read_tensor_header(ByteReader& r, const GgmlHeader& header, std::string_view file) {
  const size_t at = r.position();
  const int n_dims = r.read<int32_t>();
  const int name_length = r.read<int32_t>();
  const int code = r.read<int32_t>();
  if (r.failed()) return std::optional<TensorHeader>();
  if (n_dims < 1 || n_dims > static_cast<int>(Shape::kMaxRank) || name_length < 1 ||
      name_length > static_cast<int>(kMaxNameLength))
    return bad_input(fmt::format("{}: damaged at byte {}: a tensor with {} dimensions and a name of {} bytes", file,
                                 grouped(at), n_dims, name_length));
  int32_t sizes[Shape::kMaxRank] = {};
  for (int i = 0; i < n_dims; ++i) sizes[n_dims - 1 - i] = r.read<int32_t>();
  const std::string_view name = r.take_text(static_cast<size_t>(name_length));
  if (r.failed()) return std::optional<TensorHeader>();
  TensorHeader tensor{name, DType::f32, {}};
  for (int i = 0; i < n_dims; ++i) {
    if (sizes[i] < 1)
      return bad_input(
          fmt::format("{}: tensor '{}' has a dimension of {}; the file is damaged", file, printable(name), sizes[i]));
    if (i == 1 && n_dims == 2 && sizes[1] == 1 && is_conv_bias(name)) break;
    tensor.shape.append(static_cast<size_t>(sizes[i]));
  }
  const TypeCode* type = find_code(code);
  if (!type || !type->dtype)
    return unsupported(
        fmt::format("{}: tensor '{}' has type {}{}; this engine reads f32, f16, q8_0, q5_1, q5_0, q4_1 and "
                    "q4_0",
                    file, printable(name), code, type ? fmt::format(" ({})", type->name) : ""));
  tensor.dtype = *type->dtype;
  if (block_elements(tensor.dtype) > 1 && header.block_version != kBlockVersion)
    return unsupported(
        fmt::format("{}: its {} blocks are of version {}, from before May 2023; quantise the model again", file,
                    type->name, header.block_version));
  return std::optional<TensorHeader>(tensor);
}

size_t record_bytes(std::string_view name, const Shape& shape, DType dtype) {
  return ggml_tensor_header(name, shape, dtype).size() + stored_bytes(dtype, shape.elements());
}

// What the whole file must have: what was read says for itself, for the rest the usual types are taken.
Error truncated(const Checkpoint& checkpoint, const GgmlHeader& header, const RequiredTensors& required,
                size_t file_bytes) {
  const DType matrices = find_ftype(header.ftype)->dtype.value_or(DType::f16);
  uint64_t promised = header.bytes;
  for (const auto& [name, shape] : required) {
    const auto read = checkpoint.tensors.find(name);
    promised += record_bytes(
        name, shape, read == checkpoint.tensors.end() ? ggml_stored_as(name, shape, matrices) : read->second.dtype);
  }
  return bad_input(fmt::format("{}: truncated: header promises {} bytes, the file has {}; {}", checkpoint.file,
                               grouped(promised), grouped(file_bytes), pull_hint(header)));
}

Result<void> read_tensors(std::span<const std::byte> bytes, const GgmlHeader& header, Checkpoint& checkpoint) {
  const RequiredTensors required = required_tensors(header.config);
  ByteReader r(bytes.subspan(header.bytes));
  while (r.remaining() > 0) {
    const auto tensor = SHORTHAND_TRY(read_tensor_header(r, header, checkpoint.file));
    if (!tensor) return truncated(checkpoint, header, required, bytes.size());
    const size_t size =
        SHORTHAND_TRY(tensor_bytes(required, checkpoint.file, tensor->name, tensor->dtype, tensor->shape));
    const auto data = r.take(size);
    if (r.failed()) return truncated(checkpoint, header, required, bytes.size());
    SHORTHAND_TRY(add_tensor(checkpoint, tensor->name, {tensor->dtype, tensor->shape, data}));
  }
  if (checkpoint.tensors.empty())
    return bad_input(fmt::format("{}: holds a vocabulary and no weights; give a whole model", checkpoint.file));
  if (checkpoint.tensors.size() < required.size()) return truncated(checkpoint, header, required, bytes.size());
  return {};
}

template <class T>
void append(std::string& out, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof raw);
}

}  // namespace

bool is_ggml(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  return r.read<uint32_t>() == kMagic && !r.failed();
}

Result<GgmlHeader> read_ggml_header(std::span<const std::byte> bytes, std::string_view file) {
  if (!is_ggml(bytes)) return bad_input(fmt::format("{}: {}", file, describe_foreign(bytes)));
  ByteReader r(bytes.subspan(sizeof kMagic));
  // whisper.cpp's voice activity models share the magic number and go on with a name: i32 length, "silero-16k".
  constexpr std::string_view kSilero = "silero";
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (head.substr(std::min<size_t>(8, head.size())).starts_with(kSilero))
    return bad_input(fmt::format("{}: is a voice activity model (Silero); give a Whisper model", file));
  GgmlHeader header;
  SHORTHAND_TRY(read_sizes(r, header, file));
  SHORTHAND_TRY(read_filters(r, header, file));
  SHORTHAND_TRY(read_vocabulary_section(r, header, file));
  header.bytes = sizeof kMagic + r.position();
  return header;
}

Result<Checkpoint> parse_ggml(std::span<const std::byte> bytes, std::string_view file) {
  GgmlHeader header = SHORTHAND_TRY(read_ggml_header(bytes, file));
  Checkpoint checkpoint;
  checkpoint.file = file;
  checkpoint.format = fmt::format("ggml {}", find_ftype(header.ftype)->name);
  checkpoint.config = header.config;
  checkpoint.english_only = header.english_only;
  SHORTHAND_TRY(read_tensors(bytes, header, checkpoint));
  checkpoint.pieces = std::move(header.pieces);
  checkpoint.mel_filters = std::move(header.mel_filters);
  return checkpoint;
}

Result<Checkpoint> open_ggml(const std::filesystem::path& path) {
  MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
  Checkpoint checkpoint = SHORTHAND_TRY(parse_ggml(file.bytes(), path.string()));
  checkpoint.files.push_back(std::move(file));
  return checkpoint;
}

std::string ggml_header(const Config& config, DType matrices, std::span<const float> mel_filters,
                        std::span<const std::string> pieces, bool english_only) {
  std::string out;
  append(out, kMagic);
  for (int field : {config.n_vocab, config.n_audio_ctx, config.n_audio_state, config.n_audio_head, config.n_audio_layer,
                    config.n_text_ctx, config.n_text_state, config.n_text_head, config.n_text_layer, config.n_mels})
    append<int32_t>(out, field);
  append<int32_t>(out, type_of(matrices)->ftype + (block_elements(matrices) > 1 ? kBlockVersion * kVersionFactor : 0));
  append<int32_t>(out, config.n_mels);
  append<int32_t>(out, kFftBins);
  out.append(reinterpret_cast<const char*>(mel_filters.data()), mel_filters.size_bytes());
  append(out, static_cast<int32_t>(pieces.size() + (english_only ? 1 : 0)));
  const auto piece = [&](std::string_view bytes) {
    append(out, static_cast<uint32_t>(bytes.size()));
    out += bytes;
  };
  for (const std::string& p : pieces) piece(p);
  if (english_only) piece(kEndOfText);
  return out;
}

std::string ggml_tensor_header(std::string_view name, const Shape& shape, DType dtype) {
  std::string out;
  const bool column = is_conv_bias(name);
  append(out, static_cast<int32_t>(shape.rank() + (column ? 1 : 0)));
  append(out, static_cast<int32_t>(name.size()));
  append<int32_t>(out, type_of(dtype)->code);
  if (column) append<int32_t>(out, 1);
  for (size_t i = shape.rank(); i-- > 0;) append(out, static_cast<int32_t>(shape[i]));
  out += name;
  return out;
}

DType ggml_stored_as(std::string_view name, const Shape& shape, DType matrices) {
  if (shape.rank() < 2 || name.ends_with("positional_embedding")) return DType::f32;
  if (shape.rank() > 2 && block_elements(matrices) > 1) return DType::f16;
  return matrices;
}

}  // namespace shorthand
