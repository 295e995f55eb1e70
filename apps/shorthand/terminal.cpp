// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace shorthand::cli {
namespace {

constexpr double kRedraw_ms = 100;

size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string clock_text(double seconds) {
  const long s = std::lround(std::max(seconds, 0.0));
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

ProgressLine::ProgressLine(bool wanted, std::string label)
    : active_(wanted && isatty(STDERR_FILENO) != 0), label_(std::move(label)) {}

void ProgressLine::show(double done_s, double total_s) {
  if (!active_ || total_s <= 0) return;
  const double ms = clock_.elapsed_ms();
  if (ms - last_drawn_ms_ < kRedraw_ms) return;
  last_drawn_ms_ = ms;
  const double share = std::clamp(done_s / total_s, 0.0, 1.0), speed = done_s / (ms / 1000);
  const std::string figures =
      done_s > 0 ? fmt::format(" {:3.0f}%  {} of {}  {:.1f}x realtime  {} left", 100 * share, clock_text(done_s),
                               clock_text(total_s), speed, clock_text((total_s - done_s) / speed))
                 : fmt::format("   0%  of {}", clock_text(total_s));
  constexpr size_t kBar = 20;
  const size_t filled = static_cast<size_t>(share * kBar);
  std::string line =
      fmt::format("{} [{}{}]{}", label_, std::string(filled, '#'), std::string(kBar - filled, '.'), figures);
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
  last_drawn_ms_ = -1000;
}

}  // namespace shorthand::cli
