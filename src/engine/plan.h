// SPDX-License-Identifier: Apache-2.0
// What a caller asked, resolved against a recording and a model before any work is done.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/options.h"
#include "engine/piece.h"
#include "engine/piece_mel.h"
#include "model/model.h"

namespace shorthand {

struct PlannedPiece {
  int64_t first_sample = 0, last_sample = 0;
  std::vector<Clip> clips;  // in frames of the piece
};

struct Plan {
  Layout layout = Layout::sequential;  // never automatic
  int batch_size = 1;
  double audio_s = 0;                // of the whole recording
  std::optional<float> loudest;      // of the log-mel of the whole recording, where one piece is all of it
  std::vector<PlannedPiece> pieces;  // in the order of time; none where nobody speaks
  std::optional<Error> damage;       // why the recording ends before it should
  std::optional<Timeline::Jump> clock_jump;
};

// Looks at the recording once, from beginning to end, and lays it out. Errors: clips that are no times, or none within
// the recording.
Result<Plan> make_plan(Recording& recording, const LogMel& log_mel, ThreadPool& pool, bool builtin, int window_frames,
                       const TranscribeOptions& options, StageTimes& times);

// Prompt and thresholds for every piece. Errors: a task that the model cannot do, lengths that it cannot hold.
Result<PieceOptions> piece_options(const Model& model, const TranscribeOptions& options, const std::string& language);

// The ids that are never sampled. The built-in model's vocabulary has no brackets and notes to suppress, so that -1
// leaves only the special tokens.
std::vector<int> suppressed_tokens(const Model& model, bool builtin, const TranscribeOptions& options);

}  // namespace shorthand
