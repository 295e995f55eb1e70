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

// Replaces the line that the cursor is on.
void draw(std::string line) {
  winsize size{};
  const size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  line.resize(std::min(line.size(), width - 1));
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
}

std::string bar(double share) {
  constexpr size_t kWidth = 20;
  const size_t filled = static_cast<size_t>(share * kWidth);
  return fmt::format("[{}{}]", std::string(filled, '#'), std::string(kWidth - filled, '.'));
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
  draw(fmt::format("{} {}{}", label_, bar(share), figures));
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) draw("");
  drawn_ = false;
  last_drawn_ms_ = -1000;
}

DownloadLine::DownloadLine(bool wanted, std::string label)
    : active_(wanted && isatty(STDERR_FILENO) != 0), label_(std::move(label)) {}

void DownloadLine::show(uint64_t bytes, uint64_t total, double bytes_per_s) {
  if (!active_) return;
  drawn_ = true;
  const double megabytes = static_cast<double>(bytes) / 1e6, speed = bytes_per_s / 1e6;
  if (total == 0) return draw(fmt::format("{} {:.1f} MB  {:.1f} MB/s", label_, megabytes, speed));
  const double share = std::clamp(static_cast<double>(bytes) / static_cast<double>(total), 0.0, 1.0);
  const std::string left =
      bytes_per_s > 0 ? clock_text(static_cast<double>(total - std::min(bytes, total)) / bytes_per_s) + " left" : "";
  draw(fmt::format("{} {} {:3.0f}%  {:.1f} of {:.1f} MB  {:.1f} MB/s  {}", label_, bar(share), 100 * share, megabytes,
                   static_cast<double>(total) / 1e6, speed, left));
}

void DownloadLine::clear() {
  if (drawn_) draw("");
  drawn_ = false;
}

}  // namespace shorthand::cli
