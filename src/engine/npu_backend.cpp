// SPDX-License-Identifier: Apache-2.0
// The encoder on an array, simulated or of this machine: the design that the emitted program is, with its data.
#include <fmt/format.h>

#include "engine/backend.h"
#include "model/sha256.h"
#include "npu/check.h"
#include "npu/designs/encoder.h"
#include "npu/mlir/emit.h"
#include "npu/xrt/executor.h"

namespace shorthand {
namespace {

std::span<const float> floats(const float* from, int n) { return {from, from ? static_cast<size_t>(n) : 0}; }

// Rows [first, first + n) of a matrix, one after the other: where the weights hold them plain, or made of mixed ones.
struct Rows {
  Rows(const Linear& l, int first, int n) {
    const size_t depth = static_cast<size_t>(l.in), from = static_cast<size_t>(first), rows = static_cast<size_t>(n);
    view.bias = floats(l.bias ? l.bias + first : nullptr, n);
    if (l.plain.values) {
      view.weights = {l.plain.values + from * depth, rows * depth};
      view.scales = {l.plain.scales + from, rows};
    } else {
      unmix(l, first, n);
      view.weights = values;
      view.scales = scales;
    }
  }
  Rows(Rows&&) = default;  // a vector that moves keeps its elements where they are

  // The array does not mix what it quantises, so mixed rows are unmixed and quantised a second time.
  void unmix(const Linear& l, int first, int n) {
    const int depth = gemm_i8::padded_depth(l.in);
    values.resize(static_cast<size_t>(n) * static_cast<size_t>(l.in));
    scales.resize(static_cast<size_t>(n));
    std::vector<float> w(static_cast<size_t>(depth));
    for (int row = 0; row < n; ++row) {
      for (int k = 0; k < depth; ++k)
        w[static_cast<size_t>(k)] = static_cast<float>(l.i8.panels[gemm_i8::panel_offset(first + row, k, depth)]);
      rowwise::unmix_vectors(w.data(), depth / rowwise::kMixLanes, rowwise::kMixLanes);
      float& scale = scales[static_cast<size_t>(row)];
      gemm_i8::quantise(w.data(), 1, l.in, values.data() + static_cast<ptrdiff_t>(row) * l.in, &scale);
      scale *= l.i8.scales[first + row];
    }
  }

  std::vector<int8_t> values;  // of mixed rows alone
  std::vector<float> scales;
  npu::LinearWeights view;
};

npu::NormWeights norm_of(const Norm& n, int d) { return {floats(n.gamma, d), floats(n.beta, d)}; }

class NpuBackend : public Backend {
 public:
  NpuBackend(std::unique_ptr<npu::Executor> executor, npu::PreparedEncoder encoder)
      : executor_(std::move(executor)), encoder_(std::move(encoder)) {}

  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    if (mel.size() != static_cast<size_t>(2 * encoder_.shape.n_ctx * encoder_.shape.n_mels))
      return usage_error("the array encodes whole windows; leave --skip-padding out, or use --device cpu");
    const npu::TakenSet taken(*executor_, SHORTHAND_TRY(executor_->take()));
    const std::span<std::byte> state = executor_->buffer(taken.set(), npu::kEncoderState);
    SHORTHAND_TRY(npu::write_window(encoder_, mel, state));
    SHORTHAND_TRY(executor_->start(taken.set()));
    const npu::RunReport report = SHORTHAND_TRY(executor_->wait(taken.set()));
    npu::read_window(encoder_, state, out.data.span());
    array_ms_ += report.array_us / 1000;
    return {};
  }
  RanOn ran_on() const override { return {executor_->device(), "", executor_->simulated(), array_ms_}; }

 private:
  const std::unique_ptr<npu::Executor> executor_;
  const npu::PreparedEncoder encoder_;
  double array_ms_ = 0;
};

npu::EncoderShape shape_of(const Config& c) {
  return {c.n_mels, c.n_audio_ctx, c.n_audio_state, c.n_audio_head, c.n_audio_layer};
}

Result<npu::PreparedEncoder> prepare(const Weights& weights, const npu::Device& device) {
  if (weights.type != ComputeType::int8) return usage_error("the array computes in int8; leave --compute-type out");
  const Config& c = weights.config;
  const int d = c.n_audio_state;
  std::vector<Rows> rows;
  const auto matrix = [&](const Linear& l, int first, int n) { return rows.emplace_back(l, first, n).view; };
  std::vector<npu::LayerWeights> layers;
  for (const EncoderBlock& b : weights.encoder) {
    layers.push_back({norm_of(b.attn_ln, d), norm_of(b.mlp_ln, d), matrix(b.qkv, 0, d), matrix(b.qkv, d, d),
                      matrix(b.qkv, 2 * d, d), matrix(b.attn_out, 0, d), matrix(b.fc1, 0, 4 * d), matrix(b.fc2, 0, d)});
  }
  const npu::EncoderWeights w{matrix(weights.conv1, 0, d), matrix(weights.conv2, 0, d),
                              floats(weights.audio_positions, c.n_audio_ctx * d), layers, norm_of(weights.ln_post, d)};
  return npu::prepare_encoder(device, shape_of(c), {}, w);
}

Result<std::unique_ptr<Backend>> make_backend(std::unique_ptr<npu::Executor> executor, npu::PreparedEncoder encoder) {
  const auto [inputs, outputs] = npu::encoder_transfers(encoder.device, encoder.shape);
  SHORTHAND_TRY(
      executor->load({encoder.design, encoder.device, {{npu::kEncoderWeights, encoder.weights}}, inputs, outputs}));
  encoder.weights = {};  // resident now
  return std::unique_ptr<Backend>(std::make_unique<NpuBackend>(std::move(executor), std::move(encoder)));
}

Error about(std::string_view device, const Error& error) {
  return {error.kind, fmt::format("--device {}: {}", device, error.message)};
}

Result<std::unique_ptr<Backend>> device_backend(const Weights& weights) {
  SHORTHAND_TRY(npu::find_npu_node());
  std::shared_ptr<const npu::Plugin> plugin = SHORTHAND_TRY(npu::Plugin::find());
  const npu::EncoderShape shape = shape_of(weights.config);
  const auto folder =
      SHORTHAND_TRY(npu::artefacts_folder(fmt::format("encoder-{}x{}-{}", shape.layers, shape.d, shape.n_mels)));
  npu::Artefacts artefacts = SHORTHAND_TRY(npu::read_artefacts(folder));
  const npu::Device device = SHORTHAND_TRY(npu::find_device(artefacts.description.device));
  npu::PreparedEncoder encoder = SHORTHAND_TRY(prepare(weights, device));
  const npu::Placement placement = SHORTHAND_TRY(npu::check(encoder.design, device));
  const std::string mlir = SHORTHAND_TRY(npu::emit_mlir(encoder.design, device, placement));
  SHORTHAND_TRY(npu::check_artefacts(artefacts.description,
                                     describe_artefacts(encoder.design, device, npu::to_text(shape), mlir), folder));
  return make_backend(npu::make_xrt_executor(std::move(plugin), std::move(artefacts)), std::move(encoder));
}

}  // namespace

NpuPresence look_for_npu() {
  const Result<std::filesystem::path> node = npu::find_npu_node();
  if (!node) return {node.error().kind != Error::Kind::not_found, false, node.error().message};
  const Result<std::shared_ptr<const npu::Plugin>> plugin = npu::Plugin::find();
  if (!plugin) return {true, false, fmt::format("there is one at {}, but {}", node->string(), plugin.error().message)};
  return {true, true, fmt::format("{}, driven by {}", node->string(), (*plugin)->path().string())};
}

npu::ArtefactDescription describe_artefacts(const npu::Design& design, const npu::Device& device,
                                            std::string_view shape, std::string_view mlir) {
  return {design.name,
          npu::device_name(device),
          std::string(shape),
          sha256(std::as_bytes(std::span(mlir))),
          std::string(npu::kernel_sources_digest()),
          design.host};
}

Result<std::unique_ptr<Backend>> make_npu_backend(const Weights& weights) {
  Result<std::unique_ptr<Backend>> backend = device_backend(weights);
  return backend ? std::move(backend) : about("npu", backend.error());
}

Result<std::unique_ptr<Backend>> make_npu_sim_backend(const Weights& weights, std::string_view array) {
  const npu::Device device = SHORTHAND_TRY(npu::find_device(array));
  Result<npu::PreparedEncoder> encoder = prepare(weights, device);
  if (!encoder) return about(fmt::format("npu-sim:{}", array), encoder.error());
  return make_backend(npu::make_sim_executor(), std::move(*encoder));
}

}  // namespace shorthand
