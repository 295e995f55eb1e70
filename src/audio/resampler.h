// SPDX-License-Identifier: Apache-2.0
// Resampler: decoded sound of any form -> mono, 16 kHz, 16 bits. For decode.cpp only.
//
// A declared layout is mixed as FFmpeg mixes it: 5.1 by its rule, low frequencies left out. Channels of which nobody
// says what they are (microphone arrays, field recorders) are all worth the same: their mean. Of ambisonics the first
// channel is the sound from all sides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/ffmpeg.h"
#include "base/result.h"

namespace shorthand {

class Resampler {
 public:
  Resampler() = default;
  Resampler(const Resampler&) = delete;
  Resampler& operator=(const Resampler&) = delete;
  ~Resampler() { av_channel_layout_uninit(&layout_); }

  // What it was set up for; false before.
  bool takes(const AVFrame& frame) const;
  // For frames of this form from now on. `channel`: one channel, -1: the mix. What is still held of the form before,
  // under a millisecond of sound, is dropped: so does the ffmpeg command.
  Result<void> set_up(const AVFrame& frame, int channel);
  int rate() const { return rate_; }

  // Appends what the samples [first, nb_samples) of a frame become.
  Result<void> convert(const AVFrame& frame, int64_t first, std::vector<int16_t>& out);
  // Appends what silent samples of the same form become.
  Result<void> silence(int64_t samples, std::vector<int16_t>& out);
  // Appends what is still held.
  Result<void> finish(std::vector<int16_t>& out);

 private:
  int attempt(std::vector<double> matrix);
  Result<void> push(const uint8_t* const* planes, int samples, std::vector<int16_t>& out);

  ffmpeg::ResamplerPtr swr_;
  int rate_ = 0;
  AVSampleFormat format_ = AV_SAMPLE_FMT_NONE;
  AVChannelLayout layout_{};
  std::vector<uint8_t> zeros_;  // of a plane
};

}  // namespace shorthand
