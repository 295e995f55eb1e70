// SPDX-License-Identifier: Apache-2.0
// The sizes of a Whisper model, as its file states them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace shorthand {

struct Config {
  int n_vocab = 0;        // rows of the token embedding: text tokens and special tokens
  int n_audio_ctx = 0;    // positions of the encoder; each stands for two frames of the mel
  int n_audio_state = 0;  // d, the width of the residual stream
  int n_audio_head = 0;
  int n_audio_layer = 0;
  int n_text_ctx = 0;  // tokens the decoder can see, prompt included
  int n_text_state = 0;
  int n_text_head = 0;
  int n_text_layer = 0;
  int n_mels = 0;

  bool operator==(const Config&) const = default;
};

// Every special token that is not a language: end of text, start of transcript, translate, transcribe, startoflm,
// startofprev, nospeech, notimestamps, and 1,501 times from 0.00 to 30.00 s.
inline constexpr int kSpecialsBesidesLanguages = 1509;

// Whether the engine can run a model of these sizes; everything later may rely on it. The bounds:
//   n_vocab 1 to 1,000,000       twenty times OpenAI's; a row of logits stays under 4 MB
//   n_audio_ctx 1 to 2,048       the keys that attention can weigh (attention::kMaxKeys)
//   n_text_ctx 8 to 2,048        the same; and half of it holds the prompt, which is up to four tokens
//   n_*_state 64 to 8,192        a multiple of 64; both the same; 4 * 8,192 is far inside the exact range of gemm_i8
//   n_*_head                     state / 64: every Whisper model has heads of 64, and attention is written for it
//   n_*_layer 1 to 128           four times large
//   n_mels 2 to 256, even        80, or 128 from large-v3 on
// `file` begins the message.
Result<void> check_config(const Config& config, std::string_view file);

// "tiny", "base", "small", "medium", "large", "turbo", or for any other shape "d 192, 4+2 layers".
std::string size_name(const Config& config);

// OpenAI's name of a model of these sizes: "tiny.en", "large-v2" (v1 has its sizes), "large-v3", "large-v3-turbo".
// Empty for a shape that OpenAI has not published.
std::string model_name(const Config& config, bool english_only);

}  // namespace shorthand
