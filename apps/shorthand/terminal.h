// SPDX-License-Identifier: Apache-2.0
// A progress line on a terminal: how far, how fast, how long still.
#pragma once

#include <cstdint>
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

// The same for a download: bytes, of which `total` may be unknown (0).
class DownloadLine {
 public:
  DownloadLine(bool wanted, std::string label);
  ~DownloadLine() { clear(); }
  void show(uint64_t bytes, uint64_t total, double bytes_per_s);
  void clear();

 private:
  bool active_;
  std::string label_;
  bool drawn_ = false;
};

// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace shorthand::cli
