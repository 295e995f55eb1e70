// SPDX-License-Identifier: Apache-2.0
// The encoder on the simulated array: the design that the emitted program is, with its kernels and its data.
#include <fmt/format.h>

#include "engine/backend.h"
#include "npu/designs/encoder.h"

namespace shorthand {
namespace {

std::span<const float> floats(const float* from, int n) { return {from, from ? static_cast<size_t>(n) : 0}; }

// Rows [first, first + n) of a packed matrix, one after the other.
struct Rows {
  Rows(const Linear& l, int first, int n) {
    const int k_padded = gemm_i8::padded_depth(l.i8.k);
    values.reserve(static_cast<size_t>(n) * static_cast<size_t>(l.i8.k));
    for (int row = first; row < first + n; ++row) {
      for (int k = 0; k < l.i8.k; ++k) values.push_back(l.i8.panels[gemm_i8::panel_offset(row, k, k_padded)]);
    }
    view = {values, floats(l.i8.scales + first, n), floats(l.bias ? l.bias + first : nullptr, n)};
  }
  Rows(Rows&&) = default;  // a vector that moves keeps its elements where they are

  std::vector<int8_t> values;
  npu::LinearWeights view;
};

npu::NormWeights norm_of(const Norm& n, int d) { return {floats(n.gamma, d), floats(n.beta, d)}; }

class NpuSimBackend : public Backend {
 public:
  explicit NpuSimBackend(npu::PreparedEncoder encoder) : encoder_(std::move(encoder)) {}

  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    const npu::EncoderRun run = SHORTHAND_TRY(npu::run_encoder(encoder_, mel, {}));
    std::ranges::copy(run.output, out.data.data());
    array_ms_ += run.report.total_us() / 1000;
    return {};
  }
  RanOn ran_on() const override { return {fmt::format("npu-sim:{}", encoder_.device.name), "", true, array_ms_}; }

 private:
  const npu::PreparedEncoder encoder_;
  double array_ms_ = 0;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_npu_sim_backend(const Weights& weights, std::string_view array) {
  const npu::Device device = SHORTHAND_TRY(npu::find_device(array));
  if (weights.type != ComputeType::int8) {
    return usage_error(fmt::format("--device npu-sim:{}: the array computes in int8; leave --compute-type out", array));
  }
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
  const npu::EncoderShape shape{c.n_mels, c.n_audio_ctx, d, c.n_audio_head, c.n_audio_layer};
  return std::unique_ptr<Backend>(
      std::make_unique<NpuSimBackend>(SHORTHAND_TRY(npu::prepare_encoder(device, shape, {}, w))));
}

}  // namespace shorthand
