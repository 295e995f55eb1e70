// SPDX-License-Identifier: Apache-2.0
#include "audio/timeline.h"

#include <algorithm>
#include <cmath>

namespace shorthand {

std::optional<double> Timeline::stamp(const StampedFrame& frame) const {
  if (setup_.clock == Clock::none || (setup_.clock == Clock::starts && begun_)) return std::nullopt;
  if (counted_rate_ != 0 && frame.rate != counted_rate_) return std::nullopt;
  return frame.at_s;
}

// The first frame is expected at the start of the recording, and is never early.
double Timeline::expected(double at_s) const {
  if (next_) return *next_;
  return begun_ ? at_s : std::min(setup_.start_s.value_or(at_s), at_s);
}

bool Timeline::follows(const StampedFrame& frame) const {
  const auto at = stamp(frame);
  return !at || std::abs(*at - expected(*at)) < kJitter_s;
}

Timeline::Place Timeline::place(const StampedFrame& frame, const StampedFrame* next) {
  const auto at = stamp(frame);
  if (!begun_ && setup_.ticks_per_s == frame.rate) counted_rate_ = frame.rate;
  const auto next_at = next ? stamp(*next) : std::nullopt;
  bool moved = !follows(frame);
  if (moved && next_at) moved = std::abs(*next_at - *at - frame.seconds()) < kJitter_s;
  double off_s = moved ? *at - expected(*at) : 0;
  if (off_s > 0 && setup_.start_guessed && heard_s_ > 0 && heard_s_ < kGuessed_s && silence_s_ == 0) {
    const double start_s = *at - heard_s_;
    off_s = std::max(start_s - setup_.start_s.value_or(start_s), 0.0);
    setup_.start_guessed = false;
  }
  if (moved) {
    next_ = at;
  } else if (!next_ && at) {
    next_ = expected(*at);
  }
  begun_ = true;

  Place place;
  if (off_s > kLongestHole_s || silence_s_ + off_s > setup_.most_silence_s) {
    if (!jump_) jump_ = Jump{heard_s_ + silence_s_, off_s};
    cut_left_ = 0;
  } else if (off_s > -kLongestOverlap_s) {
    const int64_t off = std::llround(off_s * frame.rate) - cut_left_;
    place.silence = std::max<int64_t>(off, 0);
    cut_left_ = std::max<int64_t>(-off, 0);
  } else {
    cut_left_ = 0;
  }
  place.cut = std::min(cut_left_, frame.samples);
  cut_left_ -= place.cut;
  silence_s_ += static_cast<double>(place.silence) / frame.rate;
  heard_s_ += static_cast<double>(frame.samples - place.cut) / frame.rate;
  if (next_) *next_ += frame.seconds();
  return place;
}

}  // namespace shorthand
