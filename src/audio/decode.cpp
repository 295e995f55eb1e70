// SPDX-License-Identifier: Apache-2.0
#include "audio/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "audio/container.h"
#include "audio/ffmpeg.h"
#include "audio/log_mel.h"
#include "audio/resampler.h"

namespace shorthand {
namespace {

// Header and sound may disagree by the encoder's padding before a recording counts as cut off.
constexpr double kPaddingSeconds = 0.25;

// Tracks that are tried before the first one's error is the answer.
constexpr size_t kMostAttempts = 8;

// A decoded frame that waits: for silence before it to be handed out, or for its successor.
struct Waiting {
  ffmpeg::FramePtr frame;
  StampedFrame stamped;
  Timeline::Place place;
};

}  // namespace

struct SoundReader::Impl {
  ByteSource source;
  DecodeOptions options;
  SoundInfo info;

  std::unique_ptr<Container> container;
  ffmpeg::DecoderPtr decoder;
  std::unique_ptr<Resampler> resampler;
  ffmpeg::PacketPtr packet{av_packet_alloc()};
  ffmpeg::FramePtr frame{av_frame_alloc()};

  Timeline timeline;
  std::optional<Waiting> doubted;  // where it belongs, its successor will tell
  std::deque<Waiting> placed;
  int64_t silence = 0;  // samples of the next frame's rate still to come before it
  bool mid_silence = false;

  std::vector<int16_t> pending;  // decoded, not yet returned
  size_t pending_at = 0;
  int64_t position = 0, produced = 0;  // samples returned; samples decoded
  uint64_t decoded_bytes = 0;
  double first_start = 0;  // of the sound, in seconds of the recording
  double last_end = 0;     // where the last frame that decoded ends on the stream's own clock, in seconds
  int skipped = 0;
  std::optional<int> no_more;    // FFmpeg's code, once the container has no more packets
  std::string last_words;        // what it said then
  std::optional<Error> stopped;  // decoding ends here; what was decoded before is still handed out
  bool ended = false;
  std::optional<Error> damage;  // what read() says when `pending` has run out
  std::optional<size_t> track;  // the one that is read, once it is known

  explicit Impl(ByteSource s, const DecodeOptions& o) : source(std::move(s)), options(o) {
    if (!packet || !frame) throw std::bad_alloc();
  }

  Result<void> start();
  Result<void> open_container();
  Result<void> begin(size_t i);
  Result<void> open_decoder();
  Result<void> check_form(int rate, int channels) const;
  void step();
  void read_packet();
  void receive_frames();
  void take_frame();
  void settle_doubt(const StampedFrame* next);
  void hand_out(const AVFrame& f, int64_t first);
  void hand_out_silence();
  template <class Produce>
  void produce(Produce&& append);
  void conclude();
  Error named(const Error& e) const { return {e.kind, fmt::format("{}: {}", source.name(), e.message)}; }
  void stop(Error error);
  void fail(Error error);
  double seconds() const { return static_cast<double>(produced) / kSampleRate; }
};

// Opens the file, and of its tracks the first that can be decoded.
Result<void> SoundReader::Impl::start() {
  SHORTHAND_TRY(open_container());
  std::vector<size_t> candidates;
  if (track) {
    candidates.push_back(*track);
  } else {
    candidates = SHORTHAND_TRY(container->candidates(options.track));
  }
  std::optional<Error> first;
  for (size_t i = 0; i < std::min(candidates.size(), kMostAttempts); ++i) {
    if (i > 0) SHORTHAND_TRY(open_container());
    auto begun = begin(candidates[i]);
    if (begun) {
      track = candidates[i];
      return {};
    }
    if (!first) first = begun.error();
    if (container->read_error() || begun.error().kind == Error::Kind::usage) break;
  }
  return *first;
}

Result<void> SoundReader::Impl::open_container() {
  decoder.reset();
  resampler = std::make_unique<Resampler>();
  container.reset();
  doubted.reset();
  placed.clear();
  silence = 0;
  mid_silence = false;
  pending.clear();
  pending_at = 0;
  position = produced = 0;
  decoded_bytes = 0;
  first_start = last_end = 0;
  skipped = 0;
  no_more.reset();
  stopped.reset();
  ended = false;
  damage.reset();
  container = SHORTHAND_TRY(Container::open(source));
  return {};
}

// The first samples of a track.
Result<void> SoundReader::Impl::begin(size_t i) {
  container->select(i);
  info.tracks = container->tracks();
  info.track = i;
  info.assumption = container->assumption();
  timeline = Timeline(container->timeline());
  SHORTHAND_TRY(open_decoder());
  while (!ended && pending.empty()) step();
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

// Ends the stream behind what has been decoded.
void SoundReader::Impl::stop(Error error) {
  if (!stopped) stopped = std::move(error);
  settle_doubt(nullptr);
}

// A little further: whatever is next.
void SoundReader::Impl::step() {
  if (silence > 0) return hand_out_silence();
  if (!placed.empty()) {
    Waiting& next = placed.front();
    if (next.place.silence > 0) {
      if (!resampler->takes(*next.frame)) {
        if (auto set_up = resampler->set_up(*next.frame, options.channel); !set_up) return fail(named(set_up.error()));
      }
      silence = std::exchange(next.place.silence, 0);
      mid_silence = false;
      return;
    }
    hand_out(*next.frame, next.place.cut);
    placed.pop_front();
    return;
  }
  if (stopped || no_more) return conclude();
  read_packet();
}

void SoundReader::Impl::read_packet() {
  ffmpeg::forget();
  const int code = container->next_packet(packet.get());
  if (code == AVERROR(EAGAIN)) return;
  if (code < 0) {
    no_more = code;
    last_words = ffmpeg::reason(code);
    avcodec_send_packet(decoder.get(), nullptr);
  } else {
    const int sent = avcodec_send_packet(decoder.get(), packet.get());
    if (sent < 0 && sent != AVERROR_EOF) ++skipped;
    av_packet_unref(packet.get());
  }
  receive_frames();
  if (code < 0) settle_doubt(nullptr);
}

void SoundReader::Impl::receive_frames() {
  while (!ended && !stopped) {
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
  if (auto checked = check_form(f.sample_rate, channels); !checked) return stop(checked.error());
  decoded_bytes += static_cast<uint64_t>(f.nb_samples) * static_cast<uint64_t>(channels) *
                   static_cast<uint64_t>(av_get_bytes_per_sample(static_cast<AVSampleFormat>(f.format)));
  if (options.max_bytes && decoded_bytes > options.max_bytes) {
    return stop(bad_input(fmt::format("{}: more than {} bytes of decoded sound, after {:.1f} s", source.name(),
                                      options.max_bytes, seconds())));
  }
  if (decoder->codec_id == AV_CODEC_ID_TTA && channels > 2) {  // TTA says nothing of the layout: FFmpeg guesses
    av_channel_layout_uninit(&f.ch_layout);
    f.ch_layout.order = AV_CHANNEL_ORDER_UNSPEC;
    f.ch_layout.nb_channels = channels;
  }

  StampedFrame stamped{std::nullopt, f.nb_samples, f.sample_rate};
  if (f.best_effort_timestamp != AV_NOPTS_VALUE) {
    const AVStream* s = container->stream();
    const double tick = av_q2d(s->time_base);
    const int64_t start = s->start_time == AV_NOPTS_VALUE ? 0 : s->start_time;
    last_end = (static_cast<double>(f.best_effort_timestamp) - static_cast<double>(start)) * tick + stamped.seconds();
    stamped.at_s = static_cast<double>(f.best_effort_timestamp) * tick;
  }
  settle_doubt(&stamped);
  Waiting waiting{nullptr, stamped, {}};
  const bool follows = timeline.follows(stamped);
  if (follows) waiting.place = timeline.place(stamped, nullptr);
  if (follows && placed.empty() && waiting.place.silence == 0) return hand_out(f, waiting.place.cut);
  waiting.frame.reset(av_frame_alloc());
  if (!waiting.frame) throw std::bad_alloc();
  av_frame_move_ref(waiting.frame.get(), &f);
  if (follows) {
    placed.push_back(std::move(waiting));
  } else {
    doubted = std::move(waiting);
  }
}

// Places the frame that did not stand where it was expected. `next`: its successor, none at the end.
void SoundReader::Impl::settle_doubt(const StampedFrame* next) {
  if (!doubted) return;
  doubted->place = timeline.place(doubted->stamped, next);
  if (produced == 0 && placed.empty()) {
    first_start = static_cast<double>(doubted->place.silence) / doubted->stamped.rate;
  }
  placed.push_back(std::move(*doubted));
  doubted.reset();
}

// Takes what `append` adds to `pending` into account.
template <class Produce>
void SoundReader::Impl::produce(Produce&& append) {
  // Everything before has been returned or lies in front of pending_at: keep the vector from growing with the file.
  pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(pending_at));
  pending_at = 0;
  const size_t before = pending.size();
  if (Result<void> appended = append(); !appended) {
    return fail(named(appended.error()));
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

void SoundReader::Impl::hand_out(const AVFrame& f, int64_t first) {
  produce([&]() -> Result<void> {
    if (!resampler->takes(f)) SHORTHAND_TRY(resampler->set_up(f, options.channel));
    return resampler->convert(f, first, pending);
  });
}

// A part of the silence. Its first and its last second go through the resampler, whose filter has settled on silence
// after much less; a whole second between them is 16,000 zeros, whatever the rate, and changes nothing in its phase.
void SoundReader::Impl::hand_out_silence() {
  const int64_t rate = resampler->rate();
  if (mid_silence && silence >= 2 * rate) {
    silence -= rate;
    return produce([&]() -> Result<void> {
      pending.resize(pending.size() + kSampleRate);
      return {};
    });
  }
  const int64_t some = std::min(silence, rate);
  silence -= some;
  mid_silence = true;
  produce([&] { return resampler->silence(some, pending); });
}

// All that was decoded has been handed out: the end, and whether it is a good one.
void SoundReader::Impl::conclude() {
  if (stopped) return fail(*stopped);
  produce([&] { return resampler->finish(pending); });
  if (ended) return;
  ended = true;
  if (container->read_error()) return fail(*container->read_error());
  if (produced == 0) {
    if (skipped > 0 || *no_more != AVERROR_EOF) {
      return fail(
          bad_input(fmt::format("{}: its sound ({}) cannot be decoded: {}", source.name(), info.codec, last_words)));
    }
    return fail(bad_input(fmt::format("{}: no sound: the audio track is empty (0 samples)", source.name())));
  }
  if (*no_more != AVERROR_EOF) {
    return fail(bad_input(fmt::format("{}: broken after {:.1f} s of sound: {}", source.name(), seconds(), last_words)));
  }
  bool exact = false;
  const double declared = container->declared_seconds(&exact);
  if (exact && std::max(last_end, seconds() - first_start) < declared - kPaddingSeconds) {
    fail(bad_input(fmt::format("{}: cut off: its header promises {:.1f} s of sound, {:.1f} s are there", source.name(),
                               declared, seconds() - first_start)));
  } else if (container->is_cut_off()) {
    fail(bad_input(fmt::format("{}: cut off after {:.1f} s of sound: its last part is longer than the file",
                               source.name(), seconds())));
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
const std::optional<Timeline::Jump>& SoundReader::clock_jump() const { return impl_->timeline.jump(); }
Result<void> SoundReader::rewind() { return impl_->start(); }

Result<size_t> SoundReader::read(std::span<int16_t> out) {
  Impl& s = *impl_;
  size_t done = 0;
  while (done < out.size()) {
    if (s.pending_at == s.pending.size()) {
      if (s.ended) break;
      s.step();
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
