// SPDX-License-Identifier: Apache-2.0
#include "audio/resampler.h"

extern "C" {
#include <libavutil/samplefmt.h>
}

#include <fmt/format.h>

#include <algorithm>

#include "audio/log_mel.h"

namespace shorthand {
namespace {

constexpr int kStep = 4096;  // samples of silence at a time

}  // namespace

bool Resampler::takes(const AVFrame& frame) const {
  return swr_ && rate_ == frame.sample_rate && format_ == frame.format &&
         av_channel_layout_compare(&layout_, &frame.ch_layout) == 0;
}

// One weight a channel; none: FFmpeg's own rule for the layout.
int Resampler::attempt(std::vector<double> matrix) {
  SwrContext* swr = nullptr;
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO, from{};
  int code = av_channel_layout_copy(&from, &layout_);
  if (code >= 0 && from.order == AV_CHANNEL_ORDER_UNSPEC) av_channel_layout_default(&from, from.nb_channels);
  if (code >= 0) {
    code = swr_alloc_set_opts2(&swr, &mono, AV_SAMPLE_FMT_S16, kSampleRate, &from, format_, rate_, 0, nullptr);
  }
  av_channel_layout_uninit(&from);
  swr_.reset(swr);
  if (code >= 0 && !matrix.empty()) code = swr_set_matrix(swr, matrix.data(), static_cast<int>(matrix.size()));
  return code < 0 ? code : swr_init(swr);
}

Result<void> Resampler::set_up(const AVFrame& frame, int channel) {
  rate_ = frame.sample_rate;
  format_ = static_cast<AVSampleFormat>(frame.format);
  av_channel_layout_copy(&layout_, &frame.ch_layout);
  const auto channels = static_cast<size_t>(layout_.nb_channels);
  std::vector<double> one(channels);
  const bool ambisonic = layout_.order == AV_CHANNEL_ORDER_AMBISONIC;
  one[channel >= 0 ? static_cast<size_t>(channel) : 0] = 1;
  const std::vector<double> mean(channels, 1.0 / static_cast<double>(channels));
  // Of two channels FFmpeg takes the mean in any case.
  const bool unknown = layout_.order == AV_CHANNEL_ORDER_UNSPEC && channels > 2;
  const bool pick = channels > 1 && (channel >= 0 || ambisonic);
  int code = attempt(pick ? one : unknown ? mean : std::vector<double>());
  if (code < 0 && !pick && !unknown) code = attempt(mean);  // a layout that FFmpeg has no rule for
  if (code < 0) {
    swr_.reset();
    return unsupported(
        fmt::format("{} channels at {} Hz cannot be mixed and resampled: {}", channels, rate_, ffmpeg::reason(code)));
  }
  const bool planar = av_sample_fmt_is_planar(format_) != 0;
  const bool centred = format_ == AV_SAMPLE_FMT_U8 || format_ == AV_SAMPLE_FMT_U8P;
  zeros_.assign(kStep * static_cast<size_t>(av_get_bytes_per_sample(format_)) * (planar ? 1 : channels),
                centred ? 0x80 : 0);
  return {};
}

Result<void> Resampler::push(const uint8_t* const* planes, int samples, std::vector<int16_t>& out) {
  for (;;) {
    const int room = std::max(swr_get_out_samples(swr_.get(), samples), 4096);
    const size_t start = out.size();
    out.resize(start + static_cast<size_t>(room));
    uint8_t* to = reinterpret_cast<uint8_t*>(out.data() + start);
    // The library takes the planes as pointers to bytes that it does not change.
    const int n = swr_convert(swr_.get(), &to, room, const_cast<const uint8_t**>(planes), samples);
    out.resize(start + static_cast<size_t>(std::max(n, 0)));
    if (n < 0) return bad_input(fmt::format("cannot be resampled: {}", ffmpeg::reason(n)));
    if (planes || n == 0) return {};
  }
}

Result<void> Resampler::convert(const AVFrame& frame, int64_t first, std::vector<int16_t>& out) {
  if (first >= frame.nb_samples) return {};
  const bool planar = av_sample_fmt_is_planar(format_) != 0;
  const size_t n_planes = planar ? static_cast<size_t>(layout_.nb_channels) : 1;
  const size_t skipped = static_cast<size_t>(first) * static_cast<size_t>(av_get_bytes_per_sample(format_)) *
                         (planar ? 1 : static_cast<size_t>(layout_.nb_channels));
  std::vector<const uint8_t*> planes(n_planes);
  for (size_t i = 0; i < n_planes; ++i) planes[i] = frame.extended_data[i] + skipped;
  return push(planes.data(), frame.nb_samples - static_cast<int>(first), out);
}

Result<void> Resampler::silence(int64_t samples, std::vector<int16_t>& out) {
  const std::vector<const uint8_t*> planes(static_cast<size_t>(layout_.nb_channels), zeros_.data());
  for (; samples > 0; samples -= kStep) {
    SHORTHAND_TRY(push(planes.data(), static_cast<int>(std::min<int64_t>(samples, kStep)), out));
  }
  return {};
}

Result<void> Resampler::finish(std::vector<int16_t>& out) {
  if (!swr_) return {};
  return push(nullptr, 0, out);
}

}  // namespace shorthand
