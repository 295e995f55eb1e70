// SPDX-License-Identifier: Apache-2.0
// A piece of a recording, transcribed as the reference transcribes a file: window after window, each starting where the
// text of the last one ended and shown what was said before (openai-whisper, transcribe.py). The whole recording may be
// one piece; cut at its pauses it is many, and they do not see each other.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "audio/log_mel.h"
#include "decoding/options.h"
#include "text/tokenizer.h"
#include "text/transcript.h"

namespace shorthand {

inline constexpr int kFramesPerSecond = 100;  // of log-mel
inline constexpr int kFramesPerPosition = 2;  // the encoder halves the rate; a timestamp counts positions
inline constexpr double kSecondsPerPosition = 0.02;

// What the pieces of one recording share.
struct PieceOptions {
  const Tokenizer* tokenizer = nullptr;
  std::vector<int> sot_sequence;      // <|startoftranscript|>, language, task[, <|notimestamps|>]
  std::vector<int> prefix;            // tokens that every window's text starts with
  std::vector<int> initial_prompt;    // text said before the first window
  bool carry_initial_prompt = false;  // ... and before every other
  bool condition_on_previous_text = true;
  int n_text_ctx = 448;
  int window_frames = 3000;
  int max_tokens = 224;
  std::optional<double> logprob_threshold;
  std::optional<double> no_speech_threshold;
  bool end_as_reference = false;
};

// A shorter rest is not heard: no word fits into it, and a model that is shown a tenth of a second and 29.9 s of
// nothing says something all the same, often what it said before.
inline constexpr int kLeastFrames = 10;
// In a rest of less than this the model's word that nobody speaks is taken, however sure it is of its text: after a
// speech that ended, 0.1 to 0.5 s of silence make it say the last sentence again, with a mean log-probability of -0.5.
inline constexpr int kShortFrames = 100;

// Frames [first, last) of a piece.
struct Clip {
  int first = 0, last = 0;
};

class Piece {
 public:
  // `start_sample`: where the piece lies in its recording. `frames`: how many it has. `options` outlives it.
  Piece(const PieceOptions& options, int64_t start_sample, int frames, std::vector<Clip> clips);

  struct Window {
    int seek = 0;    // first frame, of the piece
    int frames = 0;  // that hold sound, at most a window
    std::vector<int> prompt;
    int sot_index = 0;
  };
  // The window to decode next; none when the piece is done. The same window until accept() is called.
  std::optional<Window> next();
  // Takes the text of that window into segments, and moves on.
  void accept(const DecodedWindow& decoded);

  int64_t start_sample() const { return start_sample_; }
  int frames() const { return frames_; }
  int seek() const { return seek_; }
  const std::vector<Segment>& segments() const { return segments_; }
  // Every token of the segments, without the initial prompt.
  std::span<const int> tokens() const { return std::span(history_).subspan(options_->initial_prompt.size()); }

 private:
  std::vector<int> prompt_tokens() const;
  void keep_within(std::vector<Segment>& segments) const;
  int cut_segments(const DecodedWindow& decoded, std::vector<Segment>& segments) const;
  Segment segment(const DecodedWindow& decoded, double start_s, double end_s, std::span<const int> tokens) const;

  const PieceOptions* options_;
  int64_t start_sample_;
  int frames_;
  std::vector<Clip> clips_;
  size_t clip_ = 0;
  int seek_ = 0;
  int window_frames_ = 0;     // of the window that next() gave
  std::vector<int> history_;  // the initial prompt, then all tokens of all segments
  size_t prompt_reset_since_ = 0;
  std::vector<Segment> segments_;
};

// list[-n:] as Python means it: with n = 0 that is the whole list, with n < 0 the list from -n on.
std::span<const int> python_tail(std::span<const int> list, int n);

}  // namespace shorthand
