// SPDX-License-Identifier: Apache-2.0
// The log-mel of a piece of a recording, window by window.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "audio/log_mel.h"
#include "audio/recording.h"
#include "base/aligned.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace shorthand {

// Milliseconds spent, stage by stage.
struct StageTimes {
  double decode_audio_ms = 0, log_mel_ms = 0, encode_ms = 0, decode_text_ms = 0;
};

// Frames of a window of `all` that the encoder is given where padding is skipped: those with sound, and two seconds
// behind them, in which a model hears that nothing follows. Even: the encoder takes them in pairs.
int heard_frames(int sounding, int all);

class PieceMel {
 public:
  // Samples [first, last) of the recording, as if they were a file of their own: reflected at the start, silent after
  // the end, and normalised by their own loudest frame. Everything borrowed outlives the piece.
  PieceMel(Recording& recording, const LogMel& log_mel, ThreadPool& pool, int64_t first, int64_t last);

  // As above, with the loudest value already known: a whole file is too long to be looked at twice.
  void set_loudest(float loudest) { loudest_ = loudest; }

  int frames() const { return static_cast<int>((last_ - first_) / kHop); }

  // Fills out [rows, n_mels]: `count` frames from `seek` on, then zeros (the value, not silence, as the reference
  // pads).
  Result<void> window(int seek, int count, std::span<float> out, StageTimes& times);

 private:
  Result<void> raw_frames(int first, int count, std::span<float> out, StageTimes& times);
  Result<void> find_loudest(StageTimes& times);

  Recording& recording_;
  const LogMel& log_mel_;
  ThreadPool& pool_;
  int64_t first_, last_;
  std::optional<float> loudest_;
  std::vector<float> samples_;
};

}  // namespace shorthand
