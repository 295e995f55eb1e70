// SPDX-License-Identifier: Apache-2.0
// A progress line on a terminal: how far, how fast, how long still.
#pragma once

#include <string>

#include "base/clock.h"

namespace shorthand::cli {

class ProgressLine {
 public:
  // Draws on standard error, and only if `wanted` and standard error is a terminal.
  ProgressLine(bool wanted, std::string label);
  ~ProgressLine() { clear(); }

  void show(double done_s, double total_s);
  // Takes the line off the screen, so that something else can be printed.
  void clear();

 private:
  bool active_;
  std::string label_;
  bool drawn_ = false;
  Stopwatch clock_;
  double last_drawn_ms_ = -1000;
};

// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace shorthand::cli
