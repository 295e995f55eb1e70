// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <fmt/format.h>

#include "base/phrase.h"
#include "kernels/attention/attention.h"

namespace shorthand {
namespace {

struct Bound {
  std::string_view name;
  int Config::*field;
  int least, most;
};

constexpr int kMaxLayers = 128;
constexpr int kMaxState = 8192;

constexpr Bound kBounds[] = {
    {"n_vocab", &Config::n_vocab, 1, 1'000'000},
    {"n_audio_ctx", &Config::n_audio_ctx, 1, attention::kMaxKeys},
    {"n_audio_state", &Config::n_audio_state, attention::kHeadDim, kMaxState},
    {"n_audio_head", &Config::n_audio_head, 1, kMaxState / attention::kHeadDim},
    {"n_audio_layer", &Config::n_audio_layer, 1, kMaxLayers},
    {"n_text_ctx", &Config::n_text_ctx, 8, attention::kMaxKeys},
    {"n_text_state", &Config::n_text_state, attention::kHeadDim, kMaxState},
    {"n_text_head", &Config::n_text_head, 1, kMaxState / attention::kHeadDim},
    {"n_text_layer", &Config::n_text_layer, 1, kMaxLayers},
    {"n_mels", &Config::n_mels, 2, 256},
};

Result<void> check_heads(std::string_view side, int state, int heads, std::string_view file) {
  if (state % attention::kHeadDim == 0 && state / attention::kHeadDim == heads) return {};
  const std::string of = state % heads == 0 ? fmt::format(" of {}", state / heads) : "";
  return unsupported(fmt::format(
      "{}: n_{}_state {} with {} heads{}; every Whisper model has heads of {}, and this engine knows no other", file,
      side, state, heads, of, attention::kHeadDim));
}

struct NamedSize {
  std::string_view name;
  int state, audio_layers, text_layers;
};

constexpr NamedSize kSizes[] = {
    {"tiny", 384, 4, 4},      {"base", 512, 6, 6},     {"small", 768, 12, 12},
    {"medium", 1024, 24, 24}, {"large", 1280, 32, 32}, {"turbo", 1280, 32, 4},
};

// The name in kSizes, or empty.
std::string_view known_size(const Config& config) {
  for (const NamedSize& s : kSizes) {
    if (config.n_audio_state == s.state && config.n_audio_layer == s.audio_layers &&
        config.n_text_layer == s.text_layers)
      return s.name;
  }
  return {};
}

}  // namespace

Result<void> check_config(const Config& config, std::string_view file) {
  for (const Bound& b : kBounds) {
    const int value = config.*b.field;
    if (value < b.least || value > b.most)
      return bad_input(fmt::format("{}: {} is {}; a Whisper model has {} to {}", file, b.name, value, b.least,
                                   grouped(static_cast<uint64_t>(b.most))));
  }
  if (config.n_mels % 2 != 0)
    return bad_input(fmt::format("{}: n_mels is {}; a Whisper model has 80 or 128", file, config.n_mels));
  if (config.n_audio_state != config.n_text_state)
    return bad_input(fmt::format("{}: the encoder is {} wide and the decoder {}; in a Whisper model they agree", file,
                                 config.n_audio_state, config.n_text_state));
  SHORTHAND_TRY(check_heads("audio", config.n_audio_state, config.n_audio_head, file));
  return check_heads("text", config.n_text_state, config.n_text_head, file);
}

std::string size_name(const Config& config) {
  if (const std::string_view name = known_size(config); !name.empty()) return std::string(name);
  return fmt::format("d {}, {}+{} layers", config.n_audio_state, config.n_audio_layer, config.n_text_layer);
}

std::string model_name(const Config& config, bool english_only) {
  const std::string_view size = known_size(config);
  if (size == "turbo") return "large-v3-turbo";
  if (size == "large") return config.n_mels == 128 ? "large-v3" : "large-v2";
  return fmt::format("{}{}", size, english_only && !size.empty() ? ".en" : "");
}

}  // namespace shorthand
