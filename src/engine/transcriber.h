// SPDX-License-Identifier: Apache-2.0
// Sound to text: the six hops, in the order in which they happen.
#pragma once

#include <memory>

#include "audio/log_mel.h"
#include "audio/recording.h"
#include "engine/backend.h"
#include "engine/options.h"
#include "engine/piece_mel.h"
#include "model/decoder.h"
#include "model/model.h"

namespace shorthand {

// What a run did, beside its text.
struct RunFacts {
  double audio_s = 0;
  int windows = 0, tokens = 0;
  int fallbacks = 0;   // windows that were decoded more than once
  int batch_size = 0;  // windows that were decoded together, at the most
  Layout layout = Layout::sequential;
  bool skip_padding = false;
  double first_text_ms = 0;  // from the start of run() to the first segment
  StageTimes times;
  RanOn encoded_on, decoded_on;
  std::optional<Error> damage;               // why the transcript ends before the recording should
  std::optional<Timeline::Jump> clock_jump;  // of the recording's clock: times after it are early
};

class Transcriber {
 public:
  // Everything borrowed outlives the transcriber. `builtin`: the model is the built-in one, which wants pieces cut at
  // pauses.
  Transcriber(std::shared_ptr<const Model> model, bool builtin, const Context& context,
              std::unique_ptr<Backend> backend);

  // Transcribes the recording from beginning to end. Where its sound ends early, or cannot be read on, the transcript
  // is that of what came before and facts().damage says why; where that is nothing, it is the error. Errors: a language
  // that the model does not know, options that exclude each other.
  Result<Transcript> run(Recording& recording, const TranscribeOptions& options, const Progress& progress);

  // Of the last run().
  const RunFacts& facts() const { return facts_; }

 private:
  struct Lane;
  struct Run;
  void plan_decoder(int batch, int best_of);
  Result<std::string> find_language(const Run& run);
  void start_lanes(Run& run);
  Result<void> decode_lanes(Run& run);
  void hand_on(Run& run, bool all);

  std::shared_ptr<const Model> model_;
  bool builtin_;
  Context context_;
  LogMel log_mel_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Decoder> decoder_;
  int decoder_audios_ = 0;
  EncoderOutput encoded_;
  AlignedBuffer<float> mel_;  // [2 * n_audio_ctx, n_mels]
  RunFacts facts_;
};

}  // namespace shorthand
