// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>

#include "kernels/attention/attention.h"
#include "kernels/rowwise/rowwise.h"
#include "model/checkpoint.h"

namespace shorthand {
namespace {

size_t size(int n) { return static_cast<size_t>(n); }

// Gives each array its place. Over a null arena it only counts.
class Arena {
 public:
  Arena(const std::byte* memory, ComputeType type) : memory_(memory), type_(type) {}

  template <class T>
  const T* take(size_t count) {
    // Offsets first: a null arena has no addresses to add to.
    const size_t here = used_;
    used_ = round_up(used_ + count * sizeof(T), kAlignment);
    return memory_ ? reinterpret_cast<const T*>(memory_ + here) : nullptr;
  }

  Norm norm(int d) {
    Norm n;
    n.gamma = take<float>(size(d));
    n.beta = take<float>(size(d));
    return n;
  }

  Linear linear(int out, int in, bool has_bias, EncoderRows rows = EncoderRows::mixed) {
    Linear l{out, in, {}, {}, {}, nullptr};
    const size_t columns = size(gemm_i8::panel_count(out)) * gemm_i8::kPanelColumns;
    if (type_ == ComputeType::int8 && rows == EncoderRows::plain) {
      l.plain = {take<int8_t>(size(out) * size(in)), take<float>(size(out))};
    } else if (type_ == ComputeType::int8) {
      l.i8.panels = take<int8_t>(gemm_i8::packed_bytes(out, in));
      l.i8.scales = take<float>(columns);
      l.i8.bias_sums = take<int32_t>(columns);
      l.i8.n = out;
      l.i8.k = in;
    } else {
      l.f32 = {take<float>(gemm_f32::packed_floats(out, in)), out, in};
    }
    if (has_bias) l.bias = take<float>(columns);
    return l;
  }

  size_t used() const { return used_; }

 private:
  const std::byte* memory_;
  ComputeType type_;
  size_t used_ = 0;
};

Weights lay_out(Arena& arena, const Config& c, ComputeType type, EncoderRows rows) {
  Weights w;
  w.config = c;
  w.type = type;
  if (type == ComputeType::int8) w.encoder_rows = rows;
  const int d = c.n_audio_state;
  w.conv1 = arena.linear(d, 3 * c.n_mels, true, rows);
  w.conv2 = arena.linear(d, 3 * d, true, rows);
  w.audio_positions = arena.take<float>(size(c.n_audio_ctx) * size(d));
  for (int i = 0; i < c.n_audio_layer; ++i) {
    EncoderBlock b;
    b.attn_ln = arena.norm(d);
    b.qkv = arena.linear(3 * d, d, true, rows);
    b.attn_out = arena.linear(d, d, true, rows);
    b.mlp_ln = arena.norm(d);
    b.fc1 = arena.linear(4 * d, d, true, rows);
    b.fc2 = arena.linear(d, 4 * d, true, rows);
    w.encoder.push_back(b);
  }
  w.ln_post = arena.norm(d);

  const int t = c.n_text_state;
  w.token_embedding = arena.linear(c.n_vocab, t, false);
  w.text_positions = arena.take<float>(size(c.n_text_ctx) * size(t));
  for (int i = 0; i < c.n_text_layer; ++i) {
    DecoderBlock b;
    b.attn_ln = arena.norm(t);
    b.qkv = arena.linear(3 * t, t, true);
    b.attn_out = arena.linear(t, t, true);
    b.cross_ln = arena.norm(t);
    b.cross_query = arena.linear(t, t, true);
    b.cross_kv = arena.linear(2 * t, d, true);
    b.cross_out = arena.linear(t, t, true);
    b.mlp_ln = arena.norm(t);
    b.fc1 = arena.linear(4 * t, t, true);
    b.fc2 = arena.linear(t, 4 * t, true);
    w.decoder.push_back(b);
  }
  w.ln = arena.norm(t);
  return w;
}

// The part of a head's mix in a layer's weights: its outputs, for queries, keys and values, or its inputs, behind them.
enum class HeadMix : uint8_t { none, outputs, inputs };

// Every 64 rows of m [rows, columns], or of each row every 64 elements, mixed. 64 = 8^2: an exact division makes the
// mix orthogonal.
void mix_heads(std::span<float> m, int columns, HeadMix mix) {
  if (mix == HeadMix::none) return;
  const int lanes = mix == HeadMix::outputs ? columns : 1;
  const size_t head = size(attention::kHeadDim) * size(lanes);
  static_assert(rowwise::mix_gain(attention::kHeadDim) == 64);
  for (size_t at = 0; at < m.size(); at += head) rowwise::mix_vectors(m.data() + at, attention::kHeadDim, lanes);
  for (float& v : m) v *= 0.125f;
}

// Fills an arena. The views are const because the weights are immutable; until pack_weights() returns the arena is ours
// to write.
class Packer {
 public:
  explicit Packer(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  Result<void> norm(const Norm& to, const std::string& name, int d) const {
    SHORTHAND_TRY(floats(to.gamma, name + ".weight", {size(d)}));
    return floats(to.beta, name + ".bias", {size(d)});
  }

  Result<void> floats(const float* to, const std::string& name, const Shape& shape) const {
    return checkpoint_.read_tensor(name, shape, std::span(const_cast<float*>(to), shape.elements()));
  }

  // One matrix made of the rows of several: query, key and value share their input.
  Result<void> linear(const Linear& to, const std::vector<std::string>& names, HeadMix mix = HeadMix::none) const {
    if (to.f32.panels) mix = HeadMix::none;
    const int rows = to.out / static_cast<int>(names.size());
    AlignedBuffer<float> dense(size(to.out) * size(to.in));
    for (size_t i = 0; i < names.size(); ++i) {
      const auto part = dense.span().subspan(i * size(rows) * size(to.in), size(rows) * size(to.in));
      SHORTHAND_TRY(checkpoint_.read_tensor(names[i] + ".weight", {size(rows), size(to.in)}, part));
      mix_heads(part, to.in, mix);
      if (!to.bias) continue;
      const auto bias = std::span(const_cast<float*>(to.bias) + i * size(rows), size(rows));
      if (checkpoint_.tensors.contains(names[i] + ".bias")) {
        SHORTHAND_TRY(checkpoint_.read_tensor(names[i] + ".bias", {size(rows)}, bias));
      } else {
        std::ranges::fill(bias, 0.0f);  // keys have none
      }
      if (mix == HeadMix::outputs) mix_heads(bias, 1, mix);
    }
    pack(to, dense);
    return {};
  }

  // [out, in, 3] -> [out, 3, in]: a row then multiplies three consecutive frames as they lie in memory.
  Result<void> convolution(const Linear& to, const std::string& name) const {
    const int inputs = to.in / 3;
    AlignedBuffer<float> raw(size(to.out) * size(to.in)), dense(size(to.out) * size(to.in));
    SHORTHAND_TRY(checkpoint_.read_tensor(name + ".weight", {size(to.out), size(inputs), 3}, raw.span()));
    for (size_t o = 0; o < size(to.out); ++o) {
      for (size_t i = 0; i < size(inputs); ++i) {
        for (size_t tap = 0; tap < 3; ++tap)
          dense[(o * 3 + tap) * size(inputs) + i] = raw[(o * size(inputs) + i) * 3 + tap];
      }
    }
    SHORTHAND_TRY(
        checkpoint_.read_tensor(name + ".bias", {size(to.out)}, std::span(const_cast<float*>(to.bias), size(to.out))));
    pack(to, dense);
    return {};
  }

 private:
  // dense [out, in] is spent.
  void pack(const Linear& to, AlignedBuffer<float>& dense) const {
    if (to.f32.panels) {
      gemm_f32::pack(dense.data(), to.out, to.in, const_cast<float*>(to.f32.panels));
      return;
    }
    if (to.plain.values) {
      gemm_i8::quantise(dense.data(), to.out, to.in, const_cast<int8_t*>(to.plain.values),
                        const_cast<float*>(to.plain.scales));
      return;
    }
    const int depth = gemm_i8::padded_depth(to.in);
    AlignedBuffer<float> wider;
    if (depth != to.in) wider = AlignedBuffer<float>(size(to.out) * size(depth));
    float* const mixed = depth == to.in ? dense.data() : wider.data();
    const rowwise::MixFn mix = rowwise::choose(best_isa()).mix;  // the same bits as any other
    for (size_t o = 0; o < size(to.out); ++o) mix(dense.data() + o * size(to.in), to.in, mixed + o * size(depth));
    const auto scales = std::span(const_cast<float*>(to.i8.scales), size(to.out));
    gemm_i8::quantise_and_pack(mixed, to.out, depth, const_cast<int8_t*>(to.i8.panels),
                               const_cast<int32_t*>(to.i8.bias_sums), scales.data());
    for (float& scale : scales) scale /= rowwise::mix_gain(depth / rowwise::kMixLanes);
  }

  const Checkpoint& checkpoint_;
};

}  // namespace

std::string_view compute_type_name(ComputeType type) { return type == ComputeType::int8 ? "int8" : "float32"; }

Result<ComputeType> parse_compute_type(std::string_view name) {
  if (name == "auto" || name == "int8") return ComputeType::int8;
  if (name == "float32") return ComputeType::float32;
  if (name == "bfloat16") return unsupported("compute type bfloat16 is not in this build; int8 and float32 are");
  return usage_error(fmt::format("unknown compute type '{}'; give auto, int8 or float32", name));
}

void Weights::embed(int token, float* out) const {
  const size_t d = size(config.n_text_state);
  if (type == ComputeType::float32) {
    for (size_t i = 0; i < d; ++i)
      out[i] = token_embedding.f32.panels[gemm_f32::panel_offset(token, static_cast<int>(i), config.n_text_state)];
    return;
  }
  const int depth = gemm_i8::padded_depth(config.n_text_state);
  for (size_t i = 0; i < d; ++i)
    out[i] = static_cast<float>(token_embedding.i8.panels[gemm_i8::panel_offset(token, static_cast<int>(i), depth)]);
  rowwise::unmix_vectors(out, depth / rowwise::kMixLanes, rowwise::kMixLanes);
  for (size_t i = 0; i < d; ++i) out[i] *= token_embedding.i8.scales[token];
}

size_t arena_bytes(const Config& config, ComputeType type, EncoderRows rows) {
  Arena arena(nullptr, type);
  lay_out(arena, config, type, rows);
  return arena.used();
}

Weights weights_in(const std::byte* memory, const Config& config, ComputeType type, EncoderRows rows) {
  Arena arena(memory, type);
  return lay_out(arena, config, type, rows);
}

Result<void> pack_weights(const Checkpoint& checkpoint, ComputeType type, EncoderRows rows, std::byte* memory,
                          ThreadPool& pool) {
  const Config& c = checkpoint.config;
  const Weights w = weights_in(memory, c, type, rows);
  const Packer packer(checkpoint);

  std::vector<std::function<Result<void>()>> tasks;
  tasks.emplace_back([&] { return packer.linear(w.token_embedding, {"decoder.token_embedding"}); });
  tasks.emplace_back([&] { return packer.convolution(w.conv1, "encoder.conv1"); });
  tasks.emplace_back([&] { return packer.convolution(w.conv2, "encoder.conv2"); });
  tasks.emplace_back([&]() -> Result<void> {
    SHORTHAND_TRY(
        packer.floats(w.audio_positions, "encoder.positional_embedding", {size(c.n_audio_ctx), size(c.n_audio_state)}));
    SHORTHAND_TRY(
        packer.floats(w.text_positions, "decoder.positional_embedding", {size(c.n_text_ctx), size(c.n_text_state)}));
    SHORTHAND_TRY(packer.norm(w.ln_post, "encoder.ln_post", c.n_audio_state));
    return packer.norm(w.ln, "decoder.ln", c.n_text_state);
  });
  for (int i = 0; i < c.n_audio_layer; ++i) {
    tasks.emplace_back([&, i]() -> Result<void> {
      const EncoderBlock& b = w.encoder[size(i)];
      const std::string p = fmt::format("encoder.blocks.{}.", i);
      SHORTHAND_TRY(packer.norm(b.attn_ln, p + "attn_ln", c.n_audio_state));
      SHORTHAND_TRY(packer.linear(b.qkv, {p + "attn.query", p + "attn.key", p + "attn.value"}, HeadMix::outputs));
      SHORTHAND_TRY(packer.linear(b.attn_out, {p + "attn.out"}, HeadMix::inputs));
      SHORTHAND_TRY(packer.norm(b.mlp_ln, p + "mlp_ln", c.n_audio_state));
      SHORTHAND_TRY(packer.linear(b.fc1, {p + "mlp.0"}));
      return packer.linear(b.fc2, {p + "mlp.2"});
    });
  }
  for (int i = 0; i < c.n_text_layer; ++i) {
    tasks.emplace_back([&, i]() -> Result<void> {
      const DecoderBlock& b = w.decoder[size(i)];
      const std::string p = fmt::format("decoder.blocks.{}.", i);
      SHORTHAND_TRY(packer.norm(b.attn_ln, p + "attn_ln", c.n_text_state));
      SHORTHAND_TRY(packer.linear(b.qkv, {p + "attn.query", p + "attn.key", p + "attn.value"}, HeadMix::outputs));
      SHORTHAND_TRY(packer.linear(b.attn_out, {p + "attn.out"}, HeadMix::inputs));
      SHORTHAND_TRY(packer.norm(b.cross_ln, p + "cross_attn_ln", c.n_text_state));
      SHORTHAND_TRY(packer.linear(b.cross_query, {p + "cross_attn.query"}, HeadMix::outputs));
      SHORTHAND_TRY(packer.linear(b.cross_kv, {p + "cross_attn.key", p + "cross_attn.value"}, HeadMix::outputs));
      SHORTHAND_TRY(packer.linear(b.cross_out, {p + "cross_attn.out"}, HeadMix::inputs));
      SHORTHAND_TRY(packer.norm(b.mlp_ln, p + "mlp_ln", c.n_text_state));
      SHORTHAND_TRY(packer.linear(b.fc1, {p + "mlp.0"}));
      return packer.linear(b.fc2, {p + "mlp.2"});
    });
  }

  std::mutex mutex;
  std::optional<Error> failure;
  pool.run(static_cast<int>(tasks.size()), [&](int part, int) {
    const Result<void> done = tasks[size(part)]();
    if (done.ok()) return;
    const std::lock_guard lock(mutex);
    if (!failure) failure = done.error();
  });
  if (failure) return *failure;
  return {};
}

}  // namespace shorthand
