// SPDX-License-Identifier: Apache-2.0
// Programs that a benchmark starts and times from outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace shorthand::bench {

struct Finished {
  int status = 0;  // exit status, or 128 + the signal
  double wall_ms = 0;
  std::string out, err;  // the ends of both streams, 1 MiB at the most
};

// Runs a program to its end. Error: it cannot be started. `limit_s`: it is ended after so long, and that is an error.
Result<Finished> run_child(const std::vector<std::string>& command, double limit_s = 1800);

// "a 'b c' \"d\"" to its words, as a shell parts them; nothing is expanded.
std::vector<std::string> split_command(const std::string& line);

}  // namespace shorthand::bench
