// SPDX-License-Identifier: Apache-2.0
#include "model/ctranslate2.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "base/byte_reader.h"
#include "base/file.h"
#include "base/phrase.h"
#include "kernels/attention/attention.h"
#include "model/foreign.h"
#include "model/huggingface.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

using Type = CTranslate2Type;
using Variable = CTranslate2Variable;

constexpr uint32_t kVersion = 6;
constexpr uint32_t kLastRevision = 3;
constexpr int kHead = attention::kHeadDim;
constexpr std::string_view kFileName = "model.bin";
constexpr std::string_view kWhisper = "WhisperSpec";
// The largest model that check_config() lets pass has some seven thousand.
constexpr uint32_t kMostVariables = 1 << 16;
constexpr std::string_view kProjection = "decoder/projection/weight";
constexpr std::string_view kEmbedding = "decoder/embeddings/weight";

// In the order of the codes.
struct TypeInfo {
  std::string_view name;
  size_t bytes;
  std::optional<DType> dtype;
};
constexpr TypeInfo kTypes[] = {
    {"float32", 4, DType::f32}, {"int8", 1, DType::i8},     {"int16", 2, DType::i16},
    {"int32", 4, {}},           {"float16", 2, DType::f16}, {"bfloat16", 2, DType::bf16},
};
const TypeInfo& info(Type type) { return kTypes[static_cast<size_t>(type)]; }

// What stands in a layer under a name of theirs: the rows of as many of ours, one after the other.
struct Part {
  std::string_view theirs;
  std::vector<std::string_view> ours;
  bool norm = false;   // gamma and beta instead of weight and bias
  bool cross = false;  // in the decoder alone
};
const std::vector<Part>& parts_of_a_layer() {
  static const std::vector<Part> parts = {
      {"self_attention/layer_norm", {"attn_ln"}, true},
      {"self_attention/linear_0", {"attn.query", "attn.key", "attn.value"}},
      {"self_attention/linear_1", {"attn.out"}},
      {"attention/layer_norm", {"cross_attn_ln"}, true, true},
      {"attention/linear_0", {"cross_attn.query"}, false, true},
      {"attention/linear_1", {"cross_attn.key", "cross_attn.value"}, false, true},
      {"attention/linear_2", {"cross_attn.out"}, false, true},
      {"ffn/layer_norm", {"mlp_ln"}, true},
      {"ffn/linear_0", {"mlp.0"}},
      {"ffn/linear_1", {"mlp.2"}},
  };
  return parts;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

struct Names {
  std::string_view theirs, ours;
};
constexpr Names kOutsideLayers[] = {
    {"encoder/conv1/weight", "encoder.conv1.weight"},
    {"encoder/conv1/bias", "encoder.conv1.bias"},
    {"encoder/conv2/weight", "encoder.conv2.weight"},
    {"encoder/conv2/bias", "encoder.conv2.bias"},
    {"encoder/position_encodings/encodings", "encoder.positional_embedding"},
    {"encoder/layer_norm/gamma", "encoder.ln_post.weight"},
    {"encoder/layer_norm/beta", "encoder.ln_post.bias"},
    {"decoder/position_encodings/encodings", "decoder.positional_embedding"},
    {"decoder/embeddings/weight", "decoder.token_embedding.weight"},
    {"decoder/layer_norm/gamma", "decoder.ln.weight"},
    {"decoder/layer_norm/beta", "decoder.ln.bias"},
};

// Settings that would make another computation of the same tensors.
struct Setting {
  std::string_view name;
  int whispers;
};
constexpr Setting kSettings[] = {{"decoder/pre_norm", 1},
                                 {"decoder/scale_embeddings", 0},
                                 {"decoder/alibi", 0},
                                 {"decoder/start_from_zero_embedding", 0}};

// Reads model.bin from front to back; every message names the file and where it stood.
class FileReader {
 public:
  FileReader(std::span<const std::byte> bytes, std::string_view file) : in_(bytes), file_(file), size_(bytes.size()) {}

  Result<CTranslate2File> read() {
    SHORTHAND_TRY(header());
    CTranslate2File out;
    const uint32_t variables = SHORTHAND_TRY(count("tensors"));
    for (uint32_t i = 0; i < variables; ++i) SHORTHAND_TRY(variable(out, i, variables));
    const uint32_t aliases = SHORTHAND_TRY(count("aliases"));
    for (uint32_t i = 0; i < aliases; ++i) SHORTHAND_TRY(alias(out, i, aliases));
    if (in_.remaining() > 0)
      return bad_input(
          fmt::format("{}: {} bytes follow the last alias; the file is damaged", file_, grouped(in_.remaining())));
    return out;
  }

 private:
  Result<void> header() {
    const uint32_t version = in_.read<uint32_t>();
    const std::string_view spec = SHORTHAND_TRY(string("the header"));
    const uint32_t revision = in_.read<uint32_t>();
    if (in_.failed()) return truncated("the header");
    if (spec != kWhisper)
      return unsupported(
          fmt::format("{}: is a CTranslate2 model of another kind ({}); give a Whisper model", file_, printable(spec)));
    if (version != kVersion || revision < 1 || revision > kLastRevision)
      return unsupported(
          fmt::format("{}: is a CTranslate2 file of version {}, revision {}; this engine reads version {} "
                      "and revisions 1 to {}: convert the model again with CTranslate2 3 or 4",
                      file_, version, revision, kVersion, kLastRevision));
    return {};
  }

  Error truncated(std::string_view where) const {
    return bad_input(
        fmt::format("{}: truncated: it ends inside {} (byte {}); download it again", file_, where, grouped(size_)));
  }

  Result<std::string_view> string(std::string_view where) {
    const uint16_t length = in_.read<uint16_t>();
    const std::string_view text = in_.take_text(length);
    if (in_.failed()) return truncated(where);
    if (text.size() < 2 || text.find('\0') != text.size() - 1)
      return bad_input(fmt::format(
          "{}: a name in {} is empty, or does not end where it is said to; the file is damaged", file_, where));
    return text.substr(0, text.size() - 1);
  }

  Result<uint32_t> count(std::string_view of) {
    const uint32_t n = in_.read<uint32_t>();
    if (in_.failed()) return truncated(fmt::format("the number of {}", of));
    if (n > kMostVariables)
      return bad_input(fmt::format("{}: promises {} {}, and a Whisper model has {} at the most; the file is damaged",
                                   file_, grouped(n), of, grouped(kMostVariables)));
    return n;
  }

  Result<void> variable(CTranslate2File& out, uint32_t i, uint32_t n) {
    const std::string where = fmt::format("tensor {} of {}", i + 1, n);
    const std::string_view name = SHORTHAND_TRY(string(where));
    Variable v;
    const auto rank = in_.read<uint8_t>();
    if (rank > Shape::kMaxRank)
      return bad_input(
          fmt::format("{}: tensor '{}' has {} dimensions; the file is damaged", file_, printable(name), rank));
    for (int k = 0; k < rank; ++k) v.shape.append(in_.read<uint32_t>());
    const auto type = in_.read<uint8_t>();
    const uint32_t bytes = in_.read<uint32_t>();
    if (in_.failed()) return truncated(where);
    if (type >= std::size(kTypes))
      return unsupported(
          fmt::format("{}: tensor '{}' has the type {}, which is none of CTranslate2's", file_, printable(name), type));
    v.type = static_cast<Type>(type);
    uint64_t promised = info(v.type).bytes;
    bool fits = true;
    for (size_t k = 0; k < v.shape.rank(); ++k) fits = fits && multiply_checked(promised, v.shape[k], &promised);
    if (!fits || promised != bytes)
      return bad_input(fmt::format("{}: tensor '{}' is {} {}, but is said to have {} bytes; the file is damaged", file_,
                                   printable(name), info(v.type).name, v.shape.text(), grouped(bytes)));
    v.bytes = in_.take(bytes);
    if (in_.failed()) return truncated(fmt::format("{} ('{}')", where, printable(name)));
    if (!out.variables.emplace(name, v).second)
      return bad_input(fmt::format("{}: tensor '{}' is there twice", file_, printable(name)));
    return {};
  }

  Result<void> alias(CTranslate2File& out, uint32_t i, uint32_t n) {
    const std::string where = fmt::format("alias {} of {}", i + 1, n);
    const std::string_view name = SHORTHAND_TRY(string(where)), target = SHORTHAND_TRY(string(where));
    if (!out.variables.contains(target))
      return bad_input(fmt::format("{}: '{}' stands for the tensor '{}', which is not there; the file is damaged",
                                   file_, printable(name), printable(target)));
    if (out.variables.contains(name) || !out.aliases.emplace(name, target).second)
      return bad_input(fmt::format("{}: tensor '{}' is there twice", file_, printable(name)));
    return {};
  }

  ByteReader in_;
  std::string_view file_;
  size_t size_;
};

int as_size(size_t n) { return static_cast<int>(std::min<size_t>(n, std::numeric_limits<int>::max())); }

// Hands the tensors of a file to a checkpoint, and remembers which ones were asked for.
class Importer {
 public:
  Importer(const CTranslate2File& in, std::string_view file, Checkpoint& out) : in_(in), file_(file), out_(out) {}

  Result<void> run() {
    SHORTHAND_TRY(check_settings());
    SHORTHAND_TRY(read_sizes());
    required_ = required_tensors(out_.config);
    for (const Names& names : kOutsideLayers) {
      const TensorView view = SHORTHAND_TRY(tensor(names.theirs));
      SHORTHAND_TRY(add(names.ours, view));
    }
    SHORTHAND_TRY(read_layers("encoder", out_.config.n_audio_layer));
    SHORTHAND_TRY(read_layers("decoder", out_.config.n_text_layer));
    SHORTHAND_TRY(check_projection());
    SHORTHAND_TRY(check_all_used());
    name_format();
    return check_complete(out_, required_);
  }

 private:
  struct Found {
    std::string_view name;  // where the tensor itself lies
    const Variable* variable;
  };
  std::optional<Found> find(std::string_view name) const {
    if (const auto v = in_.variables.find(name); v != in_.variables.end()) return Found{v->first, &v->second};
    if (const auto a = in_.aliases.find(name); a != in_.aliases.end())
      return Found{a->second, &in_.variables.find(a->second)->second};
    return {};
  }

  // The tensor of that name, scale and all.
  Result<TensorView> tensor(std::string_view name) {
    const auto found = find(name);
    if (!found)
      return bad_input(fmt::format("{}: tensor '{}' is missing; the file holds {}", file_, name, in_.variables.size()));
    used_.insert(std::string(name));
    const Variable& v = *found->variable;
    const auto dtype = info(v.type).dtype;
    if (!dtype || v.shape.rank() == 0)
      return unsupported(fmt::format("{}: tensor '{}' is {} {}, which no weights of Whisper's are", file_, name,
                                     info(v.type).name, v.shape.text()));
    TensorView view{*dtype, v.shape, v.bytes};
    if (*dtype == DType::i8 || *dtype == DType::i16) view.scales = SHORTHAND_TRY(scales(name, found->name, v.shape[0]));
    return view;
  }

  // The divisors of an integer tensor. An alias has those of the tensor it stands for, unless it has its own.
  Result<std::span<const std::byte>> scales(std::string_view name, std::string_view target, size_t rows) {
    std::string scale_name = fmt::format("{}_scale", name);
    auto found = find(scale_name);
    if (!found) found = find(scale_name = fmt::format("{}_scale", target));
    if (!found)
      return bad_input(fmt::format("{}: tensor '{}' is of integers, and '{}_scale' is missing", file_, name, name));
    used_.insert(scale_name);
    const Variable& v = *found->variable;
    if (v.type != Type::f32 || (v.shape != Shape() && v.shape != Shape{rows}))
      return bad_input(fmt::format("{}: tensor '{}' is {} {}; it must be float32, one or [{}]", file_, scale_name,
                                   info(v.type).name, v.shape.text(), rows));
    const bool of_tensor = v.shape == Shape();
    for (size_t at = 0; at < v.bytes.size(); at += sizeof(float)) {
      float divisor;
      std::memcpy(&divisor, v.bytes.data() + at, sizeof divisor);
      // CTranslate2 gives a whole tensor of zeros the scale infinity, which makes them zeros again.
      if (!(divisor > 0) || (std::isinf(divisor) && !of_tensor))
        return bad_input(
            fmt::format("{}: tensor '{}' holds a scale that is no positive number; the file is damaged, or "
                        "its conversion had failed",
                        file_, scale_name));
    }
    return v.bytes;
  }

  Result<void> add(std::string_view name, const TensorView& view) {
    SHORTHAND_TRY(tensor_bytes(required_, file_, name, view.dtype, view.shape));
    return add_tensor(out_, name, view);
  }

  // An integer of rank 0; none where there is none of the name.
  std::optional<int> setting(std::string_view name) const {
    const auto found = find(name);
    if (!found || found->variable->shape.rank() != 0) return {};
    ByteReader r(found->variable->bytes);
    switch (found->variable->type) {
      case Type::i8: return r.read<int8_t>();
      case Type::i16: return r.read<int16_t>();
      case Type::i32: return r.read<int32_t>();
      default: return {};
    }
  }

  Result<void> check_settings() const {
    for (const Setting& s : kSettings) {
      const int value = setting(s.name).value_or(s.whispers);
      if (value != s.whispers)
        return unsupported(fmt::format("{}: {} is {}; Whisper's is {}", file_, s.name, value, s.whispers));
    }
    return {};
  }

  Result<Shape> shape_of(std::string_view name, size_t rank) {
    const Shape shape = SHORTHAND_TRY(tensor(name)).shape;
    if (shape.rank() == rank) return shape;
    return bad_input(
        fmt::format("{}: tensor '{}' is {}, and should have {} dimensions", file_, name, shape.text(), rank));
  }

  int count_layers(std::string_view side) const {
    int n = 0;
    while (find(fmt::format("{}/layer_{}/self_attention/layer_norm/gamma", side, n))) ++n;
    return n;
  }

  Result<void> read_sizes() {
    const Shape convolution = SHORTHAND_TRY(shape_of("encoder/conv1/weight", 3));
    const Shape audio = SHORTHAND_TRY(shape_of("encoder/position_encodings/encodings", 2));
    const Shape text = SHORTHAND_TRY(shape_of("decoder/position_encodings/encodings", 2));
    const Shape embedding = SHORTHAND_TRY(shape_of(kEmbedding, 2));
    Config& c = out_.config;
    c.n_vocab = as_size(embedding[0]);
    c.n_audio_ctx = as_size(audio[0]);
    c.n_audio_state = as_size(convolution[0]);
    c.n_audio_head = setting("encoder/num_heads").value_or(c.n_audio_state / kHead);
    c.n_audio_layer = count_layers("encoder");
    c.n_text_ctx = as_size(text[0]);
    c.n_text_state = as_size(embedding[1]);
    c.n_text_head = setting("decoder/num_heads").value_or(c.n_text_state / kHead);
    c.n_text_layer = count_layers("decoder");
    c.n_mels = as_size(convolution[1]);
    return check_config(c, file_);
  }

  Result<void> read_layers(std::string_view side, int layers) {
    for (int i = 0; i < layers; ++i) {
      for (const Part& part : parts_of_a_layer()) {
        if (part.cross && side == "encoder") continue;
        const std::string theirs = fmt::format("{}/layer_{}/{}", side, i, part.theirs);
        const std::string ours = fmt::format("{}.blocks.{}", side, i);
        SHORTHAND_TRY(take_apart(theirs + (part.norm ? "/gamma" : "/weight"), ours, part, "weight"));
        SHORTHAND_TRY(take_apart(theirs + (part.norm ? "/beta" : "/bias"), ours, part, "bias"));
      }
    }
    return {};
  }

  Result<void> take_apart(const std::string& theirs, std::string_view block, const Part& part, std::string_view field) {
    const TensorView whole = SHORTHAND_TRY(tensor(theirs));
    const size_t n = part.ours.size(), rows = whole.shape[0] / n;
    Shape shape{rows};
    for (size_t k = 1; k < whole.shape.rank(); ++k) shape.append(whole.shape[k]);
    if (rows * n != whole.shape[0])
      return bad_input(fmt::format("{}: tensor '{}' is {}, which is no {} matrices of equal size", file_, theirs,
                                   whole.shape.text(), n));
    const size_t bytes = whole.bytes.size() / n;
    const bool by_row = whole.scales.size() > sizeof(float);
    for (size_t k = n; k-- > 0;) {  // the value first: its shape, which is the key's, is checked by add()
      TensorView view{whole.dtype, shape, whole.bytes.subspan(k * bytes, bytes), whole.scales};
      if (by_row) view.scales = whole.scales.subspan(k * rows * sizeof(float), rows * sizeof(float));
      if (field == "bias" && part.ours[k].ends_with(".key")) {
        SHORTHAND_TRY(check_key_bias(theirs, view));
      } else {
        SHORTHAND_TRY(add(fmt::format("{}.{}.{}", block, part.ours[k], field), view));
      }
    }
    return {};
  }

  // Whisper's keys have no bias. The part of a bias that would be theirs is zero.
  Result<void> check_key_bias(std::string_view theirs, const TensorView& view) const {
    std::vector<float> values(view.shape.elements());
    view.read(values);
    if (std::all_of(values.begin(), values.end(), [](float v) { return v == 0; })) return {};
    return unsupported(fmt::format("{}: tensor '{}' gives the keys a bias; Whisper's have none", file_, theirs));
  }

  // The logits' matrix is the embedding: an alias of it, or its equal.
  Result<void> check_projection() {
    if (!find(kProjection)) return {};
    const TensorView a = SHORTHAND_TRY(tensor(kProjection)), b = SHORTHAND_TRY(tensor(kEmbedding));
    const auto same = [](std::span<const std::byte> x, std::span<const std::byte> y) {
      return x.data() == y.data() || std::equal(x.begin(), x.end(), y.begin(), y.end());
    };
    if (a.dtype == b.dtype && a.shape == b.shape && same(a.bytes, b.bytes) && same(a.scales, b.scales)) return {};
    return unsupported(
        fmt::format("{}: '{}' differs from the token embedding; in Whisper they are one matrix", file_, kProjection));
  }

  // Numbers of rank 0 come and go with CTranslate2's versions; a tensor that nothing asked for means another model.
  Result<void> check_all_used() const {
    const auto check = [&](std::string_view name, const Variable& v) -> Result<void> {
      if (v.shape.rank() == 0 || used_.contains(std::string(name))) return {};
      return unsupported(
          fmt::format("{}: tensor '{}' is none of a Whisper model's of these sizes", file_, printable(name)));
    };
    for (const auto& [name, variable] : in_.variables) SHORTHAND_TRY(check(name, variable));
    for (const auto& [name, target] : in_.aliases) SHORTHAND_TRY(check(name, in_.variables.find(target)->second));
    return {};
  }

  // "ctranslate2 float16", "ctranslate2 int8_float16": the matrices' type, and that of the rest beside int8.
  void name_format() {
    const Type matrices = find(kEmbedding)->variable->type;
    const Type rest = find("decoder/layer_norm/gamma")->variable->type;
    out_.format = matrices == Type::i8 ? fmt::format("ctranslate2 int8_{}", info(rest).name)
                                       : fmt::format("ctranslate2 {}", info(matrices).name);
  }

  const CTranslate2File& in_;
  std::string_view file_;
  Checkpoint& out_;
  RequiredTensors required_;
  std::set<std::string> used_;
};

Result<void> read_vocabulary_files(const fs::path& directory, Checkpoint& checkpoint) {
  const auto n_vocab = static_cast<size_t>(checkpoint.config.n_vocab);
  const fs::path array = directory / "vocabulary.json", lines = directory / "vocabulary.txt";
  Vocabulary vocabulary;
  if (is_there(array)) {
    vocabulary =
        SHORTHAND_TRY(parse_token_array(SHORTHAND_TRY(read_text_file(array, kMaxJsonBytes)), n_vocab, array.string()));
  } else if (is_there(lines)) {
    vocabulary =
        SHORTHAND_TRY(parse_token_lines(SHORTHAND_TRY(read_text_file(lines, kMaxJsonBytes)), n_vocab, lines.string()));
  } else {
    return not_found(fmt::format("{}: no vocabulary.json or vocabulary.txt in {}; fetch the whole directory",
                                 checkpoint.file, directory.string()));
  }
  checkpoint.pieces = std::move(vocabulary.pieces);
  checkpoint.special_ids = {vocabulary.named.begin(), vocabulary.named.end()};
  checkpoint.english_only = vocabulary.english_only;
  return {};
}

}  // namespace

std::optional<std::string_view> ctranslate2_spec(std::span<const std::byte> bytes) {
  constexpr uint32_t kLikelyVersions = 100;
  constexpr uint16_t kLongestName = 64;
  ByteReader r(bytes);
  const auto version = r.read<uint32_t>();
  const auto length = r.read<uint16_t>();
  if (version == 0 || version > kLikelyVersions || length > kLongestName) return {};
  std::string_view name = r.take_text(length);
  if (!name.ends_with(std::string_view("Spec\0", 5))) return {};
  name.remove_suffix(1);
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; })) return {};
  return name;
}

bool is_ctranslate2(std::span<const std::byte> bytes) { return ctranslate2_spec(bytes).has_value(); }

bool is_ctranslate2_directory(const fs::path& directory) {
  const auto file = MappedFile::open(directory / kFileName);
  return file.ok() && is_ctranslate2(file->bytes());
}

Result<CTranslate2File> read_ctranslate2(std::span<const std::byte> bytes, std::string_view file) {
  if (!is_ctranslate2(bytes)) return bad_input(fmt::format("{}: {}", file, describe_foreign(bytes)));
  return FileReader(bytes, file).read();
}

Result<void> add_ctranslate2_weights(std::span<const std::byte> bytes, std::string_view file, Checkpoint& checkpoint) {
  const CTranslate2File read = SHORTHAND_TRY(read_ctranslate2(bytes, file));
  return Importer(read, file, checkpoint).run();
}

Result<void> parse_ctranslate2_config(std::string_view text, std::string_view file, const Config& config,
                                      GenerationConfig& generation) {
  const nlohmann::json object = SHORTHAND_TRY(parse_json(text, file));
  if (!object.is_object()) return bad_input(fmt::format("{}: holds no JSON object", file));
  generation.suppress_tokens = SHORTHAND_TRY(token_ids(object, "suppress_ids", file, config.n_vocab));
  generation.begin_suppress_tokens = SHORTHAND_TRY(token_ids(object, "suppress_ids_begin", file, config.n_vocab));
  return read_alignment_heads(object, file, config, generation);
}

Result<Checkpoint> open_ctranslate2(const fs::path& path) {
  std::error_code ignored;
  const bool is_directory = fs::is_directory(path, ignored);
  const fs::path directory = is_directory ? path : path.has_parent_path() ? path.parent_path() : fs::path(".");
  MappedFile file = SHORTHAND_TRY(MappedFile::open(is_directory ? path / kFileName : path));
  Checkpoint checkpoint;
  checkpoint.file = path.string();
  SHORTHAND_TRY(add_ctranslate2_weights(file.bytes(), file.path().string(), checkpoint));
  checkpoint.files.push_back(std::move(file));
  SHORTHAND_TRY(read_vocabulary_files(directory, checkpoint));
  const fs::path config = directory / "config.json", preprocessor = directory / "preprocessor_config.json";
  if (is_there(config))
    SHORTHAND_TRY(parse_ctranslate2_config(SHORTHAND_TRY(read_text_file(config, kMaxJsonBytes)), config.string(),
                                           checkpoint.config, checkpoint.generation));
  if (is_there(preprocessor))
    SHORTHAND_TRY(check_preprocessor(SHORTHAND_TRY(read_text_file(preprocessor, kMaxJsonBytes)), preprocessor.string(),
                                     checkpoint.config));
  return checkpoint;
}

}  // namespace shorthand
