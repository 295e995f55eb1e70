// SPDX-License-Identifier: Apache-2.0
// Whole runs, sound to text, of this program as a child: what a user would see, process start included.
#pragma once

#include "child.h"
#include "samples.h"
#include "suite.h"

namespace shorthand::bench {

// Made once a suite, in the work folder.
struct RandomModelFiles {
  std::string ggml, ggml_q8_0, native;  // the same weights
  Config config;
  double native_bytes = 0;
};
inline constexpr int kTokensAWindow = 100;  // text tokens of every window of equal work

// `size` is a name of `shorthand models random --like`. The model ends every window after kTokensAWindow text tokens.
Result<RandomModelFiles> make_random_model(Bench& bench, const std::string& size, bool with_q8_0);

// A WAV of the length asked for, from the recordings in `data`, one after another, and again.
Result<std::string> make_recording(Bench& bench, double seconds);

// Equal work: cut every 30 s, kTokensAWindow tokens a window whatever is heard (a short window too: that is padding),
// no second attempts, no timestamps.
struct EqualWork {
  std::string model, audio;
  int threads = 1, batch = 1;
  Isa isa = Isa::scalar;
  bool skip_padding = false;
};
std::vector<std::string> command_of(Bench& bench, const EqualWork& work);

struct WholeRun {
  Finished finished;
  Json stats;  // what --stats wrote
};
// Errors: the program failed, or did other work than it was asked for.
Result<WholeRun> run_once(Bench& bench, const EqualWork& work);

// 30 s windows of a recording.
inline int windows_of(double seconds) { return static_cast<int>((seconds + 29.999) / 30); }

}  // namespace shorthand::bench
