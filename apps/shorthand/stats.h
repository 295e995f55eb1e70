// SPDX-License-Identifier: Apache-2.0
// --stats: the facts of a run, as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compute.h"
#include "engine/transcriber.h"

namespace shorthand::cli {

struct InputFacts {
  std::string input;
  std::optional<std::string> error;
  double audio_s = 0, ms = 0;
};

struct RunStats {
  RunFacts sum;  // over all inputs
  std::vector<InputFacts> inputs;
  double total_ms = 0;  // model loaded to the last byte written

  void add(const RunFacts& facts, double started_ms);
};

// Writes to a file, or to standard error for "-".
Result<void> write_stats(const std::string& target, const RunStats& stats, const Compute& compute);

}  // namespace shorthand::cli
