// SPDX-License-Identifier: Apache-2.0
// Log-mel to the encoder's output.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "model/layers.h"
#include "model/weights.h"

namespace shorthand {

// What the decoder attends to: [positions, width], after ln_post.
struct EncoderOutput {
  int positions = 0, width = 0;
  AlignedBuffer<float> data;

  EncoderOutput() = default;
  explicit EncoderOutput(const Config& c)
      : positions(c.n_audio_ctx),
        width(c.n_audio_state),
        data(static_cast<size_t>(c.n_audio_ctx) * static_cast<size_t>(c.n_audio_state)) {}
};

// Every byte that changes while one window is encoded, planned once: run() allocates nothing. One window at a time.
class Encoder {
 public:
  // `weights`, whose encoder rows are not plain, and what `context` points to outlive the encoder.
  Encoder(const Weights& weights, const Context& context);

  // mel: [2 * positions, n_mels], a row a frame, positions <= n_audio_ctx: the encoder hears what it is given, and of
  // a window's padding only what is there. out must have been made for this model; it takes the positions.
  void run(std::span<const float> mel, EncoderOutput& out);

  // Called with the residual stream [positions, width] after each layer, where it is set: for those who measure.
  std::function<void(int layer, std::span<const float> x)> after_layer;

 private:
  struct Thread {  // scratch of one thread, for a block of rows
    RowBuffer rows;
    AlignedBuffer<float> narrow;  // [block, d]
    AlignedBuffer<float> wide;    // [block, 4 d]
    attention::Scratch attention;
  };

  // [positions, d], where the stem's rows stood.
  float* query() { return stem_.data(); }
  void stem(std::span<const float> mel);
  bool has_fine_attention(const EncoderBlock& block) const;
  void keys_and_values(const EncoderBlock& block);
  void attend_and_transform(const EncoderBlock& block);

  const Weights& weights_;
  Context context_;
  int width_, positions_;      // of the window at hand
  AlignedBuffer<float> mel_;   // [1 + 2 positions + 1, n_mels], zero rows around
  AlignedBuffer<float> stem_;  // [1 + 2 positions + 1, d], likewise
  float* x_ = nullptr;         // [positions, d]: the residual stream, in the output's place
  AlignedBuffer<std::byte> cache_memory_;
  KeyValueCache cache_;  // of the layer at hand
  std::vector<Thread> threads_;
};

}  // namespace shorthand
