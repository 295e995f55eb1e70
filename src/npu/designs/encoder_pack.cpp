// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>
#include <numeric>

#include "npu/designs/encoder_plan.h"
#include "npu/kernels/layouts.h"

namespace shorthand::npu {
namespace {

using Linear = EncoderPlan::Linear;

size_t at(int64_t index) { return static_cast<size_t>(index); }

class Packer {
 public:
  Packer(const EncoderPlan& plan) : plan_(plan), out_(at(plan.weight_words) * 4) {}

  Result<void> norm(int64_t word, const NormWeights& w) {
    const size_t d = at(plan_.shape.d);
    if (w.gamma.size() != d || w.beta.size() != d) return refuse("layer norm", w.gamma.size(), d);
    std::vector<int16_t> packed(layer_norm_words(plan_.shape.d));
    pack_layer_norm(w.gamma, w.beta, packed.data());
    std::memcpy(out_.data() + word * 4, packed.data(), packed.size() * 2);
    return {};
  }

  // `first`: the row of `to` that is the first of `w`.
  Result<void> linear(const Linear& to, const LinearWeights& w, int first, int n) {
    const size_t want = at(n) * at(to.k_given);
    if (w.weights.size() != want) return refuse("weights", w.weights.size(), want);
    if (w.scales.size() != at(n)) return refuse("scales", w.scales.size(), at(n));
    if (!w.bias.empty() && w.bias.size() != at(n)) return refuse("bias", w.bias.size(), at(n));
    for (int tile = 0; tile < n / 64; ++tile) {
      for (int k = 0; k < to.k_given; ++k) {
        for (int j = 0; j < 64; ++j) {
          const int8_t v = w.weights[at(tile * 64 + j) * at(to.k_given) + at(k)];
          object(to, first / 64 + tile, k / 64)[block_offset(k % 64, j, 64, 8, 8)] = static_cast<std::byte>(v);
        }
      }
      std::vector<float> bias(64);
      if (!w.bias.empty()) std::copy_n(w.bias.begin() + tile * 64, 64, bias.begin());
      for (int i = to.k_tiles(); i < to.end_of(first / 64 + tile); ++i)
        pack_columns(w.scales.subspan(at(tile * 64), 64), bias, object(to, first / 64 + tile, i));
    }
    if (first + n == to.n) pad(to);
    return {};
  }

  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::byte* object(const Linear& to, int tile, int i) {
    return out_.data() + to.object_at(tile % to.columns, tile / to.columns, i) * 4;
  }
  // Panels for which there are no weights: zeros under the exponents of zeros, which are not 0.
  void pad(const Linear& to) {
    const std::vector<float> none(64);
    for (int tile = to.n / 64; tile < to.n_tiles; ++tile) {
      for (int i = to.k_tiles(); i < to.end_of(tile); ++i) pack_columns(none, none, object(to, tile, i));
    }
  }
  static Error refuse(const char* what, size_t got, size_t want) {
    return usage_error(
        fmt::format("encoder: {} of {} elements, {} are wanted; give those of its shape", what, got, want));
  }
  const EncoderPlan& plan_;
  std::vector<std::byte> out_;
};

// Row t of array `tap`: the three frames around frame 2 t + tap - 1, in tiles of 64 x 64 and blocks of 4 x 8.
void lay_out_frames(const EncoderPlan& plan, std::span<const float> mel, std::byte* state) {
  const int mels = plan.shape.n_mels, count = 2 * plan.shape.n_ctx;
  for (int tap = 0; tap < 3; ++tap) {
    for (int t = 0; t < plan.shape.n_ctx; ++t) {
      for (int k = 0; k < 3 * mels; ++k) {
        const int frame = 2 * t + tap - 1 + k / mels - 1;
        if (frame < 0 || frame >= count) continue;
        const bfloat16 v(mel[at(frame) * at(mels) + at(k % mels)]);
        const int64_t tile = (int64_t{tap} * plan.blocks + t / 64) * plan.frames_slots + k / 64;
        std::memcpy(state + (plan.frames + tile * kResultWords) * 4 + block_offset(t % 64, k % 64, 64, 4, 8) * 2, &v,
                    2);
      }
    }
  }
}

}  // namespace

std::string to_text(const EncoderShape& s) {
  return fmt::format("{} layer{} of {}, {} heads, {} positions, {} mels", s.layers, s.layers == 1 ? "" : "s", s.d,
                     s.heads, s.n_ctx, s.n_mels);
}

Result<void> check_shape(const Device& device, const EncoderShape& s, const EncoderOptions& options) {
  if (s.d != s.heads * 64 || s.d < 64 || s.d > 1280 || s.layers < 1 || s.n_ctx < 1 || s.n_ctx > 4096 || s.n_mels < 1 ||
      s.n_mels > 256) {
    return usage_error(
        fmt::format("encoder: {} positions, width {}, {} heads, {} layers; heads are 64 wide, at most 20", s.n_ctx, s.d,
                    s.heads, s.layers));
  }
  if (options.depth < 1 || options.depth > 2) {
    return usage_error(fmt::format("encoder: streams of depth {}; give 1 or 2", options.depth));
  }
  if (16 % device.columns != 0) {
    return unsupported(fmt::format("encoder: {} columns; use 1, 2, 4 or 8", device.columns));
  }
  return {};
}

EncoderPlan::EncoderPlan(const Device& device, const EncoderShape& s)
    : shape(s), rows(device.core_rows), columns(device.columns) {
  blocks = up(up(s.n_ctx, 64) / 64, std::lcm(rows, columns));
  key_blocks = up(s.n_ctx, 64) / 64;
  head_groups = up(s.heads, rows) / rows;
  const int t = d_tiles();
  const bool even_rows = blocks / rows % 2 == 0;
  auto linear = [&](int n, int k, bool leaves_maxima = false) {
    const Linear l{weight_words, n, up(k, 64), up(n / 64, columns), k, columns, even_rows && !leaves_maxima};
    weight_words += int64_t{columns} * l.objects() * kTileWords;
    return l;
  };
  auto norm = [&] {
    const int64_t word = weight_words;
    weight_words += up(static_cast<int>(layer_norm_words(s.d)) / 2, kTileWords);
    return word;
  };
  conv1 = linear(s.d, 3 * s.n_mels, true), conv2 = linear(s.d, 3 * s.d);
  for (int i = 0; i < s.layers; ++i) {
    Layer l{norm(),
            norm(),
            linear(s.d, s.d),
            linear(2 * s.d, s.d),
            linear(s.d, s.d),
            linear(4 * s.d, s.d, true),
            linear(s.d, 4 * s.d)};
    layers.push_back(l);
  }
  final_norm = norm();
  result_slots = std::max(up(t, columns), up(t, 8));
  hidden_slots = std::max(up(4 * t, columns), up(4 * t, 16));
  attended_slots = std::max(head_groups * rows, up(t, 8));
  qkv_slots = 2 * std::max(up(2 * t, columns), t + head_groups * rows);
  auto array = [&](int slots, int words) {
    const int64_t word = state_words;
    state_words += int64_t{blocks} * slots * words;
    return word;
  };
  x = array(norm_slots(), kTileWords);
  output = state_words;
  state_words += int64_t{steps()} * columns * output_results() * rows * kResultWords;
  result = array(result_slots, kResultWords);
  qkv = array(qkv_slots, kResultWords);
  attended = array(attended_slots, kResultWords);
  hidden = array(hidden_slots, kResultWords);
  quantised = state_words;  // a result of scales is of 32 steps
  state_words += int64_t{blocks + 2 * columns * rows} * quantised_slots(std::max(4 * s.d, conv1.k)) * kTileWords;
  frames_slots = up(conv1.k_tiles(), 8);
  frames = array(3 * frames_slots, kResultWords);  // three arrays, one a tap of the second convolution
  convolved_slots = up(2 * t + up(t, columns), 16);
  convolved = array(convolved_slots, kResultWords);
  maxima = state_words;
  state_words += int64_t{blocks} * sets_up(3 * columns) * kResultWords;
}

Result<std::vector<std::byte>> pack_encoder(const Device& device, const EncoderShape& shape, const EncoderWeights& w) {
  SHORTHAND_TRY(check_shape(device, shape, {}));
  const EncoderPlan plan(device, shape);
  if (w.layers.size() != plan.layers.size()) {
    return usage_error(fmt::format("encoder: weights of {} layers for {}", w.layers.size(), plan.layers.size()));
  }
  Packer p(plan);
  const int d = shape.d;
  SHORTHAND_TRY(p.linear(plan.conv1, w.conv1, 0, d));
  SHORTHAND_TRY(p.linear(plan.conv2, w.conv2, 0, d));
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const EncoderPlan::Layer& to = plan.layers[i];
    const LayerWeights& l = w.layers[i];
    SHORTHAND_TRY(p.norm(to.attention_norm, l.attention_norm));
    SHORTHAND_TRY(p.norm(to.mlp_norm, l.mlp_norm));
    SHORTHAND_TRY(p.linear(to.value, l.value, 0, d));
    SHORTHAND_TRY(p.linear(to.key_query, l.key, 0, d));
    SHORTHAND_TRY(p.linear(to.key_query, l.query, d, d));
    SHORTHAND_TRY(p.linear(to.out, l.out, 0, d));
    SHORTHAND_TRY(p.linear(to.mlp1, l.mlp1, 0, 4 * d));
    SHORTHAND_TRY(p.linear(to.mlp2, l.mlp2, 0, d));
  }
  SHORTHAND_TRY(p.norm(plan.final_norm, w.final_norm));
  return p.take();
}

Result<PreparedEncoder> prepare_encoder(const Device& device, const EncoderShape& shape, const EncoderOptions& options,
                                        const EncoderWeights& weights) {
  PreparedEncoder encoder{device, shape, {}, {}, {weights.positions.begin(), weights.positions.end()}};
  encoder.design = SHORTHAND_TRY(encoder_design(device, shape, options));
  const size_t want = at(shape.n_ctx) * at(shape.d);
  if (encoder.positions.size() != want) {
    return usage_error(fmt::format("encoder: {} numbers of positions, {} are wanted; give a row of {} for each of {}",
                                   encoder.positions.size(), want, shape.d, shape.n_ctx));
  }
  encoder.weights = SHORTHAND_TRY(pack_encoder(device, shape, weights));
  return encoder;
}

// The designs one after the other over the same memory.
static Result<SimReport> simulate_all(const PreparedEncoder& encoder, const SimOptions& sim,
                                      std::span<const Design> launches, std::span<const std::span<std::byte>> host) {
  if (launches.empty()) return simulate(encoder.design, encoder.device, sim, host);
  SimReport sum;
  for (const Design& design : launches) {
    SimReport r = SHORTHAND_TRY(simulate(design, encoder.device, sim, host));
    r.cycles += sum.cycles, r.launch_us += sum.launch_us;
    r.bytes_read += sum.bytes_read, r.bytes_written += sum.bytes_written;
    sum = std::move(r);
  }
  return sum;
}

// The positions' embedding, zeros beyond the last, as pieces of the stream.
static void lay_out_positions(const EncoderPlan& plan, std::span<const float> positions, std::byte* state) {
  const int d = plan.shape.d;
  std::vector<float> rows(at(4 * d));
  for (int r = 0; r < plan.blocks * 64; r += 4) {
    const int there = std::clamp(plan.shape.n_ctx - r, 0, 4) * d;
    std::fill(rows.begin(), rows.end(), 0.0f);
    if (there > 0) std::copy_n(positions.begin() + int64_t{r} * d, there, rows.begin());
    for (int tile = 0; tile < plan.d_tiles(); ++tile) {
      int16_t piece[4 * 64];
      pack_stream(rows.data() + tile * 64, at(d), piece);
      for (int half = 0; half < 2; ++half) {
        const int64_t word = plan.x + r / 64 * plan.norm_block() + (2 * tile + half) * kTileWords + r % 64 / 4 * 64;
        std::memcpy(state + word * 4, piece + half * 128, sizeof piece / 2);
      }
    }
  }
}

EncoderTransfers encoder_transfers(const Device& device, const EncoderShape& shape) {
  const EncoderPlan plan(device, shape);
  const HostRange x{kEncoderState, plan.x * 4, (plan.output - plan.x) * 4};
  const HostRange output{kEncoderState, plan.output * 4, (plan.result - plan.output) * 4};
  const int64_t frames = int64_t{3} * plan.blocks * plan.frames_slots * kResultWords;
  return {{x, {kEncoderState, plan.frames * 4, frames * 4}}, {output}};
}

Result<void> write_window(const PreparedEncoder& encoder, std::span<const float> mel, std::span<std::byte> state) {
  const EncoderShape& shape = encoder.shape;
  const EncoderPlan plan(encoder.device, shape);
  if (mel.size() != at(2 * shape.n_ctx) * at(shape.n_mels) || state.size() != at(plan.state_words) * 4) {
    return usage_error(fmt::format("encoder: {} numbers of mel into {} bytes; {} frames of {} are wanted, and {} bytes",
                                   mel.size(), state.size(), 2 * shape.n_ctx, shape.n_mels, plan.state_words * 4));
  }
  lay_out_positions(plan, encoder.positions, state.data());
  lay_out_frames(plan, mel, state.data());
  return {};
}

void read_window(const PreparedEncoder& encoder, std::span<const std::byte> state, std::span<float> output) {
  const EncoderPlan plan(encoder.device, encoder.shape);
  for (int r = 0; r < plan.shape.n_ctx; ++r) {
    const int block = r / 64, group = r % 64 / 4;
    const int step = block / plan.rows * (16 / plan.columns) + group / plan.columns;
    for (int c = 0; c < plan.shape.d; c += 8) {
      const int64_t word = plan.output_element(step, group % plan.columns, block % plan.rows, r % 4, c);
      std::memcpy(&output[at(int64_t{r} * plan.shape.d + c)], state.data() + word * 4, 32);
    }
  }
}

Result<EncoderRun> run_encoder(const PreparedEncoder& encoder, std::span<const float> mel, const SimOptions& sim,
                               std::span<const Design> launches) {
  EncoderRun run;
  if (sim.timing_only) {
    run.report = SHORTHAND_TRY(simulate_all(encoder, sim, launches, {}));
    return run;
  }
  std::vector<std::byte> weights = encoder.weights, state(at(encoder.design.host[kEncoderState].bytes));
  SHORTHAND_TRY(write_window(encoder, mel, state));
  const std::span<std::byte> host[] = {weights, state};
  run.report = SHORTHAND_TRY(simulate_all(encoder, sim, launches, host));
  run.output.resize(encoder.positions.size());
  read_window(encoder, state, run.output);
  return run;
}

}  // namespace shorthand::npu
