// SPDX-License-Identifier: Apache-2.0
#include "audio/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "audio/container.h"
#include "audio/ffmpeg.h"
#include "audio/log_mel.h"

namespace shorthand {
namespace {

// Header and sound may disagree by the encoder's padding before a recording counts as cut off.
constexpr double kPaddingSeconds = 0.25;

// What the resampler was set up for.
struct Form {
  int rate = 0;
  AVSampleFormat format = AV_SAMPLE_FMT_NONE;
  AVChannelLayout layout{};

  Form() = default;
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;
  ~Form() { av_channel_layout_uninit(&layout); }

  bool is_of(const AVFrame& frame) const {
    return rate == frame.sample_rate && format == frame.format &&
           av_channel_layout_compare(&layout, &frame.ch_layout) == 0;
  }
  void take(const AVFrame& frame) {
    rate = frame.sample_rate;
    format = static_cast<AVSampleFormat>(frame.format);
    av_channel_layout_copy(&layout, &frame.ch_layout);
  }
};

}  // namespace

struct SoundReader::Impl {
  ByteSource source;
  DecodeOptions options;
  SoundInfo info;

  std::unique_ptr<Container> container;
  ffmpeg::DecoderPtr decoder;
  ffmpeg::ResamplerPtr resampler;
  Form form;
  ffmpeg::PacketPtr packet{av_packet_alloc()};
  ffmpeg::FramePtr frame{av_frame_alloc()};

  std::vector<int16_t> pending;  // decoded, not yet returned
  size_t pending_at = 0;
  int64_t position = 0, produced = 0;  // samples returned; samples decoded
  uint64_t decoded_bytes = 0;
  double last_end = 0;  // where the last frame that decoded ends on the stream's own clock, in seconds
  int skipped = 0;
  bool ended = false;
  std::optional<Error> damage;  // what read() says when `pending` has run out

  explicit Impl(ByteSource s, const DecodeOptions& o) : source(std::move(s)), options(o) {
    if (!packet || !frame) throw std::bad_alloc();
  }

  Result<void> start();
  Result<void> open_decoder();
  Result<void> check_form(int rate, int channels) const;
  void decode_more();
  void receive_frames();
  void take_frame();
  Result<void> set_up_resampler();
  void resample(const uint8_t* const* samples, int count);
  void finish(int code);
  void fail(Error error);
  double seconds() const { return static_cast<double>(produced) / kSampleRate; }
};

Result<void> SoundReader::Impl::start() {
  decoder.reset();
  resampler.reset();
  form.rate = 0;
  container.reset();
  pending.clear();
  pending_at = 0;
  position = produced = 0;
  decoded_bytes = 0;
  last_end = 0;
  skipped = 0;
  ended = false;
  damage.reset();
  container = SHORTHAND_TRY(Container::open(source));
  SHORTHAND_TRY(open_decoder());
  while (!ended && pending.empty()) decode_more();
  if (pending.empty()) return damage ? *damage : bad_input(fmt::format("{}: no sound", source.name()));
  return {};
}

Result<void> SoundReader::Impl::open_decoder() {
  const AVCodecParameters& sound = *container->stream()->codecpar;
  info.container = container->format()->iformat->name;
  info.codec = avcodec_get_name(sound.codec_id);
  info.sample_rate = sound.sample_rate;
  info.channels = sound.ch_layout.nb_channels;
  bool exact = false;
  info.declared_seconds = container->declared_seconds(&exact);
  const AVCodec* codec = avcodec_find_decoder(sound.codec_id);
  if (!codec) {
    return unsupported(fmt::format("{}: no decoder for its sound ({}); convert it first", source.name(), info.codec));
  }
  // Parameters that are not known before the first frame are zero here and are checked on every frame.
  if (sound.sample_rate != 0 && info.channels != 0) SHORTHAND_TRY(check_form(sound.sample_rate, info.channels));
  decoder.reset(avcodec_alloc_context3(codec));
  if (!decoder) throw std::bad_alloc();
  int code = avcodec_parameters_to_context(decoder.get(), &sound);
  if (code >= 0) {
    decoder->pkt_timebase = container->stream()->time_base;  // for the times of the frames
    decoder->thread_count = 1;
    if (decoder->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC && info.channels > 0) {
      av_channel_layout_default(&decoder->ch_layout, info.channels);
    }
    code = avcodec_open2(decoder.get(), codec, nullptr);
  }
  if (code < 0) {
    return bad_input(
        fmt::format("{}: its sound ({}) cannot be decoded: {}", source.name(), info.codec, ffmpeg::reason(code)));
  }
  return {};
}

Result<void> SoundReader::Impl::check_form(int rate, int channels) const {
  if (rate < kLowestRate || rate > kHighestRate) {
    return bad_input(fmt::format("{}: claims {} samples a second; {} to {} are read", source.name(), rate, kLowestRate,
                                 kHighestRate));
  }
  if (channels < 1 || channels > kMostChannels) {
    return bad_input(fmt::format("{}: claims {} channels; 1 to {} are read", source.name(), channels, kMostChannels));
  }
  if (options.channel >= channels) {
    return usage_error(
        fmt::format("{}: has no channel {}; it has {}, counted from 0", source.name(), options.channel, channels));
  }
  return {};
}

// Ends the stream: what is pending is still returned, then the error.
void SoundReader::Impl::fail(Error error) {
  if (!damage) damage = std::move(error);
  ended = true;
}

void SoundReader::Impl::decode_more() {
  ffmpeg::forget();
  const int code = av_read_frame(container->format(), packet.get());
  if (code == AVERROR(EAGAIN)) return;
  if (code < 0) return finish(code);
  if (packet->stream_index == container->stream()->index) {
    const int sent = avcodec_send_packet(decoder.get(), packet.get());
    if (sent < 0 && sent != AVERROR_EOF) ++skipped;
    receive_frames();
  }
  av_packet_unref(packet.get());
}

void SoundReader::Impl::receive_frames() {
  while (!ended) {
    const int code = avcodec_receive_frame(decoder.get(), frame.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
    if (code < 0) {
      ++skipped;
      return;
    }
    take_frame();
    av_frame_unref(frame.get());
  }
}

void SoundReader::Impl::take_frame() {
  AVFrame& f = *frame;
  if (f.nb_samples <= 0) return;
  const int channels = f.ch_layout.nb_channels;
  if (auto checked = check_form(f.sample_rate, channels); !checked) return fail(checked.error());
  decoded_bytes += static_cast<uint64_t>(f.nb_samples) * static_cast<uint64_t>(channels) *
                   static_cast<uint64_t>(av_get_bytes_per_sample(static_cast<AVSampleFormat>(f.format)));
  if (options.max_bytes && decoded_bytes > options.max_bytes) {
    return fail(bad_input(fmt::format("{}: more than {} bytes of decoded sound, after {:.1f} s", source.name(),
                                      options.max_bytes, seconds())));
  }
  if (f.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
    av_channel_layout_uninit(&f.ch_layout);
    av_channel_layout_default(&f.ch_layout, channels);
  }
  if (f.best_effort_timestamp != AV_NOPTS_VALUE) {
    const AVStream* s = container->stream();
    const int64_t start = s->start_time == AV_NOPTS_VALUE ? 0 : s->start_time;
    last_end = (static_cast<double>(f.best_effort_timestamp) - static_cast<double>(start)) * av_q2d(s->time_base) +
               static_cast<double>(f.nb_samples) / f.sample_rate;
  }
  if (!form.is_of(f)) {
    // What the old resampler still holds, under a millisecond of sound, is dropped: so does the ffmpeg command.
    if (auto set_up = set_up_resampler(); !set_up) return fail(set_up.error());
  }
  resample(f.extended_data, f.nb_samples);
}

Result<void> SoundReader::Impl::set_up_resampler() {
  form.take(*frame);
  const int channels = form.layout.nb_channels;
  const auto attempt = [&](std::span<const double> matrix) {
    SwrContext* swr = nullptr;
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    int code = swr_alloc_set_opts2(&swr, &mono, AV_SAMPLE_FMT_S16, kSampleRate, &form.layout, form.format, form.rate, 0,
                                   nullptr);
    resampler.reset(swr);
    if (code >= 0 && !matrix.empty()) code = swr_set_matrix(swr, matrix.data(), channels);
    return code < 0 ? code : swr_init(swr);
  };
  std::vector<double> matrix;
  if (options.channel >= 0 && channels > 1) {
    matrix.resize(static_cast<size_t>(channels));
    matrix[static_cast<size_t>(options.channel)] = 1;
  }
  int code = attempt(matrix);
  if (code < 0 && matrix.empty()) {  // a layout that FFmpeg has no rule for: the mean of all channels
    matrix.assign(static_cast<size_t>(channels), 1.0 / channels);
    code = attempt(matrix);
  }
  if (code < 0) {
    return unsupported(fmt::format("{}: {} channels at {} Hz cannot be mixed and resampled: {}", source.name(),
                                   channels, form.rate, ffmpeg::reason(code)));
  }
  return {};
}

// Without samples: what the resampler still holds.
void SoundReader::Impl::resample(const uint8_t* const* samples, int count) {
  // Everything before has been returned or lies in front of pending_at: keep the vector from growing with the file.
  pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(pending_at));
  pending_at = 0;
  const size_t before = pending.size();
  for (;;) {
    const int room = std::max(swr_get_out_samples(resampler.get(), count), 4096);
    const size_t start = pending.size();
    pending.resize(start + static_cast<size_t>(room));
    uint8_t* out = reinterpret_cast<uint8_t*>(pending.data() + start);
    // The library takes the planes as pointers to bytes that it does not change.
    const int n = swr_convert(resampler.get(), &out, room, const_cast<const uint8_t**>(samples), count);
    pending.resize(start + static_cast<size_t>(std::max(n, 0)));
    if (n < 0) {
      return fail(bad_input(
          fmt::format("{}: cannot be resampled after {:.1f} s: {}", source.name(), seconds(), ffmpeg::reason(n))));
    }
    if (samples || n == 0) break;
  }
  produced += static_cast<int64_t>(pending.size() - before);
  const double limit = options.max_seconds * kSampleRate;
  if (options.max_seconds > 0 && static_cast<double>(produced) > limit) {
    const auto excess = static_cast<size_t>(produced - static_cast<int64_t>(limit));
    pending.resize(pending.size() - std::min(excess, pending.size()));
    produced = static_cast<int64_t>(limit);
    fail(bad_input(fmt::format("{}: longer than the limit of {:g} s", source.name(), options.max_seconds)));
  }
}

// The container has no more packets, for the reason `code`.
void SoundReader::Impl::finish(int code) {
  const std::string words = ffmpeg::reason(code);
  avcodec_send_packet(decoder.get(), nullptr);
  receive_frames();
  if (ended) return;
  if (resampler) resample(nullptr, 0);
  ended = true;
  if (container->read_error()) return fail(*container->read_error());
  if (produced == 0) {
    if (skipped > 0 || code != AVERROR_EOF) {
      return fail(bad_input(fmt::format("{}: its sound ({}) cannot be decoded: {}", source.name(), info.codec, words)));
    }
    return fail(bad_input(fmt::format("{}: no sound: the audio track is empty (0 samples)", source.name())));
  }
  if (code != AVERROR_EOF) {
    return fail(bad_input(fmt::format("{}: broken after {:.1f} s of sound: {}", source.name(), seconds(), words)));
  }
  bool exact = false;
  const double declared = container->declared_seconds(&exact);
  if (exact && std::max(last_end, seconds()) < declared - kPaddingSeconds) {
    fail(bad_input(fmt::format("{}: cut off: its header promises {:.1f} s of sound, {:.1f} s are there", source.name(),
                               declared, seconds())));
  }
}

SoundReader::SoundReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SoundReader::SoundReader(SoundReader&&) noexcept = default;
SoundReader& SoundReader::operator=(SoundReader&&) noexcept = default;
SoundReader::~SoundReader() = default;

Result<SoundReader> SoundReader::open(ByteSource source, const DecodeOptions& options) {
  auto impl = std::make_unique<Impl>(std::move(source), options);
  SHORTHAND_TRY(impl->start());
  return SoundReader(std::move(impl));
}

const std::string& SoundReader::name() const { return impl_->source.name(); }
const SoundInfo& SoundReader::info() const { return impl_->info; }
int64_t SoundReader::position() const { return impl_->position; }
int SoundReader::skipped_packets() const { return impl_->skipped; }
Result<void> SoundReader::rewind() { return impl_->start(); }

Result<size_t> SoundReader::read(std::span<int16_t> out) {
  Impl& s = *impl_;
  size_t done = 0;
  while (done < out.size()) {
    if (s.pending_at == s.pending.size()) {
      if (s.ended) break;
      s.decode_more();
      continue;
    }
    const size_t n = std::min(out.size() - done, s.pending.size() - s.pending_at);
    std::copy_n(s.pending.begin() + static_cast<ptrdiff_t>(s.pending_at), n,
                out.begin() + static_cast<ptrdiff_t>(done));
    s.pending_at += n;
    done += n;
  }
  s.position += static_cast<int64_t>(done);
  if (done == 0 && !out.empty() && s.damage) return *s.damage;
  return done;
}

}  // namespace shorthand
