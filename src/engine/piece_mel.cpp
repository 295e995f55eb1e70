// SPDX-License-Identifier: Apache-2.0
#include "engine/piece_mel.h"

#include <algorithm>

#include "base/clock.h"

namespace shorthand {

int heard_frames(int sounding, int all) {
  constexpr int kBehind = 200;
  return std::min(all, (sounding + 1) / 2 * 2 + kBehind);
}

PieceMel::PieceMel(Recording& recording, const LogMel& log_mel, ThreadPool& pool, int64_t first, int64_t last)
    : recording_(recording), log_mel_(log_mel), pool_(pool), first_(first), last_(last) {}

Result<void> PieceMel::raw_frames(int first, int count, std::span<float> out, StageTimes& times) {
  samples_.resize(centred_samples(count));
  const Stopwatch decoding;
  const auto read = [&](int64_t from, std::span<float> to) -> Result<size_t> {
    const int64_t left = std::max<int64_t>(last_ - first_ - from, 0);
    const size_t wanted = std::min(to.size(), static_cast<size_t>(left));
    const size_t n = SHORTHAND_TRY(recording_.read(first_ + from, to.first(wanted)));
    // The whole recording was read before: silence must not stand for what has gone since.
    if (n < wanted && recording_.damage()) return *recording_.damage();
    return n;
  };
  SHORTHAND_TRY(centre_samples(read, first, samples_));
  times.decode_audio_ms += decoding.elapsed_ms();
  const Stopwatch computing;
  log_mel_.raw(samples_, count, out, &pool_);
  times.log_mel_ms += computing.elapsed_ms();
  return {};
}

Result<void> PieceMel::find_loudest(StageTimes& times) {
  const int all = static_cast<int>(sounding_frames(last_ - first_));
  std::vector<float> raw(static_cast<size_t>(std::min(all, kWindowFrames)) * static_cast<size_t>(log_mel_.n_mels()));
  float loudest = kSilence;
  for (int first = 0; first < all; first += kWindowFrames) {
    const int count = std::min(kWindowFrames, all - first);
    const auto values = std::span(raw).first(static_cast<size_t>(count) * static_cast<size_t>(log_mel_.n_mels()));
    SHORTHAND_TRY(raw_frames(first, count, values, times));
    loudest = std::max(loudest, *std::ranges::max_element(values));
  }
  loudest_ = loudest;
  return {};
}

Result<void> PieceMel::window(int seek, int count, std::span<float> out, StageTimes& times) {
  if (!loudest_) SHORTHAND_TRY(find_loudest(times));
  const auto heard = out.first(static_cast<size_t>(count) * static_cast<size_t>(log_mel_.n_mels()));
  SHORTHAND_TRY(raw_frames(seek, count, heard, times));
  normalise(heard, *loudest_);
  std::ranges::fill(out.subspan(heard.size()), 0.0f);
  return {};
}

}  // namespace shorthand
