// SPDX-License-Identifier: Apache-2.0
#include "model/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/file.h"
#include "model/arithmetic.h"
#include "model/ggml.h"
#include "model/tensors.h"

namespace shorthand {
namespace {

struct NamedShape {
  std::string_view name;
  int state, audio_layers, text_layers, n_mels, languages;
};

constexpr NamedShape kShapes[] = {
    {"tiny", 384, 4, 4, 80, 99},
    {"tiny.en", 384, 4, 4, 80, 99},
    {"base", 512, 6, 6, 80, 99},
    {"base.en", 512, 6, 6, 80, 99},
    {"small", 768, 12, 12, 80, 99},
    {"small.en", 768, 12, 12, 80, 99},
    {"medium", 1024, 24, 24, 80, 99},
    {"medium.en", 1024, 24, 24, 80, 99},
    {"large-v1", 1280, 32, 32, 80, 99},
    {"large-v2", 1280, 32, 32, 80, 99},
    {"large-v3", 1280, 32, 32, 128, 100},
    {"large-v3-turbo", 1280, 32, 4, 128, 100},
    {"distil-small.en", 768, 12, 4, 80, 99},
    {"distil-medium.en", 1024, 24, 2, 80, 99},
    {"distil-large-v2", 1280, 32, 2, 80, 99},
    {"distil-large-v3", 1280, 32, 2, 128, 100},
    {"micro", 128, 2, 2, 80, 99},
    {"micro.en", 64, 2, 2, 80, 99},
    {"micro-v3", 64, 3, 1, 128, 100},
};

constexpr int kFftBins = 201;
constexpr size_t kBatchElements = 1 << 20;

// What a stream of normal numbers is for; each tensor has one of each.
enum Purpose : uint32_t { kValues, kSpread, kOutliers };

int prompt_length(const RandomModel& model) { return model.english_only ? 2 : 4; }

// Makes any row of any tensor, in any order.
class RowMaker {
 public:
  explicit RowMaker(const RandomModel& model) : model_(model), eot_(model.pieces.size()) {
    for_each_tensor(model.config, [&](const std::string& name, const Shape&) { names_.push_back(name); });
    if (model.eot_after > 0) find_direction();
  }

  void row(size_t tensor, const Shape& shape, size_t row, std::span<float> out) const {
    const std::string& name = names_[tensor];
    if (name == "decoder.token_embedding.weight") return embedding(tensor, row, out);
    if (name == "decoder.positional_embedding") return position(tensor, row, out);
    if (name.ends_with(".bias")) return scaled(tensor, row, 0.05, out);
    if (shape.rank() == 1) return norm(tensor, out);
    const double spread = exact::exp(0.25 * normals(tensor, kSpread, row).next());
    scaled(tensor, row, gain(name) / std::sqrt(static_cast<double>(out.size())) * spread, out);
  }

 private:
  exact::Normals normals(size_t tensor, Purpose purpose, size_t row) const {
    return {model_.seed, static_cast<uint32_t>(tensor), purpose, static_cast<uint32_t>(row)};
  }

  void scaled(size_t tensor, size_t row, double scale, std::span<float> out) const {
    exact::Normals n = normals(tensor, kValues, row);
    for (float& value : out) value = static_cast<float>(n.next() * scale);
  }

  void norm(size_t tensor, std::span<float> out) const {
    exact::Normals n = normals(tensor, kValues, 0);
    for (float& value : out) value = static_cast<float>(std::max(0.3, 1.0 + 0.15 * n.next()));
    // Distinct channels, drawn from the front of a shuffled list.
    const auto count = static_cast<size_t>(std::lround(model_.outliers * static_cast<double>(out.size())));
    std::vector<uint32_t> channels(out.size());
    std::iota(channels.begin(), channels.end(), 0u);
    const std::array<uint32_t, 2> key = {static_cast<uint32_t>(model_.seed), static_cast<uint32_t>(model_.seed >> 32)};
    for (size_t i = 0; i < std::min(count, out.size()); ++i) {
      const auto draw = philox({static_cast<uint32_t>(i), 0, static_cast<uint32_t>(tensor), kOutliers}, key);
      std::swap(channels[i], channels[i + draw[0] % (out.size() - i)]);
      out[channels[i]] *= 4.0f;
    }
  }

  void embedding(size_t tensor, size_t row, std::span<float> out) const {
    scaled(tensor, row, model_.embed_std * (row >= eot_ ? model_.special_gain : 1.0), out);
    if (row != eot_ || model_.eot_after == 0) return;
    const double length = model_.embed_std * std::sqrt(static_cast<double>(out.size()));  // an ordinary row's
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(direction_[i] * length);
  }

  void position(size_t tensor, size_t row, std::span<float> out) const {
    scaled(tensor, row, model_.decoder.positions, out);
    if (model_.eot_after == 0 || row + 1 < static_cast<size_t>(prompt_length(model_) + model_.eot_after)) return;
    const double length = 100.0 * std::sqrt(static_cast<double>(out.size()));
    for (size_t i = 0; i < out.size(); ++i) out[i] += static_cast<float>(direction_[i] * length);
  }

  // The unit vector of end of text's embedding, without its mean: layer norm takes the mean away.
  void find_direction() {
    const auto at = std::find(names_.begin(), names_.end(), "decoder.token_embedding.weight");
    exact::Normals n = normals(static_cast<size_t>(at - names_.begin()), kValues, eot_);
    direction_.resize(static_cast<size_t>(model_.config.n_text_state));
    double sum = 0.0, squares = 0.0;
    for (double& x : direction_) sum += x = n.next();
    for (double& x : direction_) x -= sum / static_cast<double>(direction_.size());
    for (const double x : direction_) squares += x * x;
    for (double& x : direction_) x /= std::sqrt(squares);
  }

  double gain(std::string_view name) const {
    const auto& e = model_.encoder;
    const auto& d = model_.decoder;
    const bool in_encoder = name.starts_with("encoder."), cross = name.find(".cross_attn.") != name.npos;
    if (name.find(".conv") != name.npos) return e.conv;
    if (name.ends_with(".query.weight") || name.ends_with(".key.weight"))
      return in_encoder ? e.query_key : cross ? d.cross_query_key : d.query_key;
    if (name.ends_with(".out.weight")) return in_encoder ? e.out : cross ? d.cross_out : d.out;
    if (name.ends_with(".mlp.0.weight")) return in_encoder ? e.mlp_0 : d.mlp_0;
    if (name.ends_with(".mlp.2.weight")) return in_encoder ? e.mlp_2 : d.mlp_2;
    return 1.0;  // value
  }

  const RandomModel& model_;
  size_t eot_;
  std::vector<std::string> names_;
  std::vector<double> direction_;
};

Result<void> check_model(const RandomModel& model) {
  constexpr std::string_view kName = "random model";
  SHORTHAND_TRY(check_config(model.config, kName));
  if (model.matrices == DType::bf16) return usage_error("random model: bf16 is no type of a ggml Whisper file");
  const auto languages = static_cast<int64_t>(model.config.n_vocab) - static_cast<int64_t>(model.pieces.size()) -
                         kSpecialsBesidesLanguages;
  if (model.pieces.empty() || languages < 1)
    return usage_error(fmt::format("random model: {} text tokens leave {} languages of n_vocab {}", model.pieces.size(),
                                   languages, model.config.n_vocab));
  if (model.mel_filters.size() != static_cast<size_t>(model.config.n_mels * kFftBins))
    return usage_error(fmt::format("random model: the mel filters are not [{}, {}]", model.config.n_mels, kFftBins));
  const int most = model.config.n_text_ctx - prompt_length(model);
  if (model.eot_after < 0 || model.eot_after > most)
    return usage_error(fmt::format("random model: end of text after {} tokens; 0 to {} can be", model.eot_after, most));
  if (!(model.outliers >= 0.0 && model.outliers <= 1.0)) return usage_error("random model: outliers is no share of 1");
  return {};
}

Result<void> write_tensor(const RowMaker& maker, size_t index, const std::string& name, const Shape& shape,
                          DType matrices, ThreadPool& pool, ByteSink write) {
  const DType dtype = ggml_stored_as(name, shape, matrices);
  const std::string header = ggml_tensor_header(name, shape, dtype);
  SHORTHAND_TRY(write(std::as_bytes(std::span(header))));
  if (name == "encoder.positional_embedding") {
    std::vector<float> positions(shape.elements());
    fill_sinusoids(shape[0], shape[1], positions);
    return write(std::as_bytes(std::span(positions)));
  }
  const size_t rows = shape.rank() == 1 ? 1 : shape[0], columns = shape.elements() / rows;
  const size_t batch = std::clamp<size_t>(kBatchElements / columns, 1, rows);
  std::vector<float> values(batch * columns);
  std::vector<std::byte> bytes(stored_bytes(dtype, columns) * batch);
  for (size_t first = 0; first < rows; first += batch) {
    const size_t count = std::min(batch, rows - first);
    pool.run(static_cast<int>(count), [&](int part, int) {
      const auto i = static_cast<size_t>(part);
      const auto row = std::span(values).subspan(i * columns, columns);
      maker.row(index, shape, first + i, row);
      encode(dtype, row, std::span(bytes).subspan(i * stored_bytes(dtype, columns), stored_bytes(dtype, columns)));
    });
    SHORTHAND_TRY(write(std::span(bytes).first(count * stored_bytes(dtype, columns))));
  }
  return {};
}

}  // namespace

Result<Config> random_config(std::string_view size, size_t pieces) {
  const auto found =
      std::find_if(std::begin(kShapes), std::end(kShapes), [&](const NamedShape& s) { return s.name == size; });
  if (found == std::end(kShapes))
    return usage_error(fmt::format("no size '{}'; the sizes are {}", size, fmt::join(random_sizes(), ", ")));
  Config c;
  c.n_vocab = static_cast<int>(pieces) + kSpecialsBesidesLanguages + found->languages;
  c.n_audio_ctx = 1500;
  c.n_text_ctx = 448;
  c.n_audio_state = c.n_text_state = found->state;
  c.n_audio_head = c.n_text_head = found->state / 64;
  c.n_audio_layer = found->audio_layers;
  c.n_text_layer = found->text_layers;
  c.n_mels = found->n_mels;
  return c;
}

std::vector<std::string_view> random_sizes() {
  std::vector<std::string_view> names;
  for (const NamedShape& s : kShapes) names.push_back(s.name);
  return names;
}

bool is_english_size(std::string_view size) { return size.ends_with(".en"); }

Result<void> write_random_model(const RandomModel& model, ThreadPool& pool, ByteSink write) {
  SHORTHAND_TRY(check_model(model));
  const std::string header =
      ggml_header(model.config, model.matrices, model.mel_filters, model.pieces, model.english_only);
  SHORTHAND_TRY(write(std::as_bytes(std::span(header))));
  const RowMaker maker(model);
  size_t index = 0;
  std::optional<Error> failed;
  for_each_tensor(model.config, [&](const std::string& name, const Shape& shape) {
    if (failed) return;
    const auto written = write_tensor(maker, index++, name, shape, model.matrices, pool, write);
    if (!written.ok()) failed = written.error();
  });
  if (failed) return *failed;
  return {};
}

Result<void> write_random_model(const std::filesystem::path& path, const RandomModel& model, ThreadPool& pool) {
  SHORTHAND_TRY(check_model(model));
  AtomicFile file = SHORTHAND_TRY(AtomicFile::create(path));
  SHORTHAND_TRY(write_random_model(model, pool, [&](std::span<const std::byte> bytes) { return file.write(bytes); }));
  return file.commit();
}

}  // namespace shorthand
