// SPDX-License-Identifier: Apache-2.0
// Models of random weights, in ggml form. They transcribe nothing; they have the sizes, the spreads and the work of
// real ones, so that engines can be timed and compared where no trained weights are at hand. The same arguments give
// the same bytes on every machine.
//
//   matrices     N(0, 1) * gain / sqrt(fan_in) * exp(0.25 N(0, 1)), the last factor once a row
//   biases       0.05 N(0, 1)
//   norms        weight max(0.3, 1 + 0.15 N(0, 1)), a share of the channels times 4; bias 0.05 N(0, 1)
//   embedding    embed_std N(0, 1); rows from end of text on times special_gain, so that arg-max stays among text
//   positions    the encoder's sinusoids; the decoder's N(0, 1) * gains.positions
//
// eot_after = N makes every engine stop by its own rule: with the prompt [sot, language, task, notimestamps], or
// [sot, notimestamps] where the model is English-only, arg-max is N text tokens and then end of text. From position
// prompt + N - 1 on the decoder's positions get 100 sqrt(d) times the direction of end of text's embedding, which
// drowns everything else in the residual stream.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/config.h"
#include "model/storage.h"

namespace shorthand {

struct RandomModel {
  Config config;
  std::vector<std::string> pieces;  // text tokens, end of text not among them
  bool english_only = false;
  std::vector<float> mel_filters;  // [n_mels, 201]
  DType matrices = DType::f16;     // f32, f16 or a block format; see ggml_stored_as()
  uint64_t seed = 1234;
  int eot_after = 100;  // 0: end of text is never forced
  double outliers = 0.005;
  double embed_std = 0.05;
  double special_gain = 0.25;

  // Gains of the matrices. Encoder: frames stay distinct. Decoder: arg-max visits many tokens and depends on the sound.
  struct Encoder {
    double conv = 3, query_key = 2, out = 0.5, mlp_0 = 1.5, mlp_2 = 1;
  } encoder;
  struct Decoder {
    double query_key = 2, out = 0.7, cross_query_key = 2.5, cross_out = 0.7, mlp_0 = 1.5, mlp_2 = 2, positions = 0.15;
  } decoder;
};

// Sizes by name: tiny base small medium large-v1 large-v2 large-v3 large-v3-turbo, tiny.en base.en small.en medium.en,
// distil-small.en distil-medium.en distil-large-v2 distil-large-v3, and micro micro.en micro-v3 for tests. n_vocab is
// `pieces` and the special tokens: 99 languages, or 100 in the shapes that follow large-v3. Errors: no such name.
Result<Config> random_config(std::string_view size, size_t pieces);

// The names that random_config() knows.
std::vector<std::string_view> random_sizes();

// True for the names that ask for OpenAI's English-only vocabulary.
bool is_english_size(std::string_view size);

// Writes the file, row by row: memory stays at a few megabytes whatever the size.
Result<void> write_random_model(const std::filesystem::path& path, const RandomModel& model, ThreadPool& pool);

// The same bytes to `write`, in order.
using ByteSink = FunctionRef<Result<void>(std::span<const std::byte> bytes)>;
Result<void> write_random_model(const RandomModel& model, ThreadPool& pool, ByteSink write);

}  // namespace shorthand
