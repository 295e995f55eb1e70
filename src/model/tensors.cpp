// SPDX-License-Identifier: Apache-2.0
#include "model/tensors.h"

#include <fmt/format.h>

#include <cstring>

#include "model/arithmetic.h"

namespace shorthand {
namespace {

using Visitor = FunctionRef<void(const std::string& name, const Shape& shape)>;

struct Lister {
  Visitor fn;
  size_t d;

  void norm(const std::string& name) const {
    fn(name + ".weight", {d});
    fn(name + ".bias", {d});
  }
  void linear(const std::string& name, size_t out, size_t in, bool bias = true) const {
    fn(name + ".weight", {out, in});
    if (bias) fn(name + ".bias", {out});
  }
  void conv(const std::string& name, size_t in) const {
    fn(name + ".weight", {d, in, 3});
    fn(name + ".bias", {d});
  }
  void attention(const std::string& name) const {
    linear(name + ".query", d, d);
    linear(name + ".key", d, d, false);
    linear(name + ".value", d, d);
    linear(name + ".out", d, d);
  }
  void block(const std::string& name, bool cross) const {
    norm(name + ".attn_ln");
    attention(name + ".attn");
    if (cross) {
      norm(name + ".cross_attn_ln");
      attention(name + ".cross_attn");
    }
    norm(name + ".mlp_ln");
    linear(name + ".mlp.0", 4 * d, d);
    linear(name + ".mlp.2", d, 4 * d);
  }
};

}  // namespace

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(sizes_.begin(), sizes_.begin() + rank_, ", ")); }

void TensorView::read(std::span<float> out) const {
  decode(dtype, bytes, out);
  const size_t count = scales.size() / sizeof(float);
  if (count == 0) return;
  const size_t each = out.size() / count;
  for (size_t i = 0; i < count; ++i) {
    float divisor;
    std::memcpy(&divisor, scales.data() + i * sizeof divisor, sizeof divisor);
    for (float& value : out.subspan(i * each, each)) value /= divisor;
  }
}

void for_each_tensor(const Config& config, Visitor fn) {
  const size_t d = static_cast<size_t>(config.n_audio_state);
  const Lister list{fn, d};
  fn("encoder.positional_embedding", {static_cast<size_t>(config.n_audio_ctx), d});
  list.conv("encoder.conv1", static_cast<size_t>(config.n_mels));
  list.conv("encoder.conv2", d);
  for (int i = 0; i < config.n_audio_layer; ++i) list.block(fmt::format("encoder.blocks.{}", i), false);
  list.norm("encoder.ln_post");
  fn("decoder.positional_embedding", {static_cast<size_t>(config.n_text_ctx), d});
  fn("decoder.token_embedding.weight", {static_cast<size_t>(config.n_vocab), d});
  for (int i = 0; i < config.n_text_layer; ++i) list.block(fmt::format("decoder.blocks.{}", i), true);
  list.norm("decoder.ln");
}

void fill_sinusoids(size_t length, size_t channels, std::span<float> out) {
  assert(out.size() == length * channels && channels % 2 == 0 && channels > 2);
  const size_t half = channels / 2;
  const double step = exact::log(10000.0) / static_cast<double>(half - 1);
  for (size_t i = 0; i < half; ++i) {
    const double frequency = exact::exp(-step * static_cast<double>(i));
    for (size_t t = 0; t < length; ++t) {
      const auto [sine, cosine] = exact::sin_cos(static_cast<double>(t) * frequency);
      out[t * channels + i] = static_cast<float>(sine);
      out[t * channels + half + i] = static_cast<float>(cosine);
    }
  }
}

}  // namespace shorthand
