// SPDX-License-Identifier: Apache-2.0
// What int8 loses against float32 with one model, on the first window of a recording.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/decoder.h"
#include "model/model.h"

namespace shorthand::bench {

struct Loss {
  double encoder_db = 0;      // signal to noise over the whole output
  double encoder_row_db = 0;  // ... of a position: the median
  int tokens = 0;             // float32's own greedy ones, forced upon both, the end of the text included
  double divergence = 0;  // sum over them of KL(float32 || int8) of the next token, encoder and decoder int8, in nats
  int flips = 0;          // of them whose likeliest successor is another
};

// One model in both compute types.
class LossMeter {
 public:
  static Result<LossMeter> open(const std::filesystem::path& model, int threads, Isa isa);

  // language: a code of the model's, or "-"; what the decoder is told. A model of English alone is told nothing.
  Result<Loss> measure(const std::filesystem::path& recording, std::string_view language);

  const std::shared_ptr<const Model>& model(ComputeType type) const {
    return type == ComputeType::int8 ? int8_ : float32_;
  }
  Context context() { return {kernels_.get(), pool_.get()}; }

 private:
  LossMeter() = default;
  Result<AlignedBuffer<float>> first_window(const std::filesystem::path& recording);
  EncoderOutput encode(const Model& model, std::span<const float> mel);

  std::unique_ptr<Kernels> kernels_;  // where they stay when the meter moves
  std::unique_ptr<ThreadPool> pool_;
  std::shared_ptr<const Model> float32_, int8_;
};

}  // namespace shorthand::bench
