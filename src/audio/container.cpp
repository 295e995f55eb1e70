// SPDX-License-Identifier: Apache-2.0
#include "audio/container.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"

namespace shorthand {
namespace {

// FFmpeg's names of the containers that are opened: those in which people keep speech, recognised by their content.
constexpr std::array<std::string_view, 39> kContainers = {
    "aac", "ac3", "aiff",  "amr",  "ape",    "asf", "au",         "avi",           "caf",
    "dsf", "dts", "dtshd", "eac3", "flac",   "flv", "iff",        "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2",
    "mp3", "mpc", "mpc8",  "mpeg", "mpegts", "mxf", "nistsphere", "nut",           "ogg",
    "oma", "qcp", "rm",    "shn",  "sox",    "tak", "tta",        "voc",           "w64",
    "wav", "wtv", "wv"};

// Formats whose content is the names of other files and addresses.
constexpr std::array<std::string_view, 8> kPlaylists = {"hls", "concat", "dash", "sdp",
                                                        "imf", "rtsp",   "rtp",  "mpegtsraw"};

// A probe below this has seen little more than a sync word, which random bytes hold as well.
constexpr int kLeastScore = 5;

constexpr int kBlockBytes = 1 << 16;

// Containers with a clock of their own: their stamps tell where sound is missing. Of all others FFmpeg makes the stamps
// by counting, and those of RealMedia go back and forth.
constexpr std::array<std::string_view, 11> kClocked = {
    "asf", "avi", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mpeg", "mpegts", "nut", "ogg", "wtv"};

// Samples without a header, as telephones and voice mail leave them, told by the name's ending alone.
struct Headerless {
  std::string_view ending;
  const char* format;
  const char* rate;  // where FFmpeg's demuxer would take another
};
constexpr std::array<Headerless, 9> kHeaderless = {{{".gsm", "gsm", nullptr},
                                                    {".g722", "g722", nullptr},
                                                    {".sln", "sln", nullptr},
                                                    {".ul", "mulaw", "8000"},
                                                    {".ulaw", "mulaw", "8000"},
                                                    {".mulaw", "mulaw", "8000"},
                                                    {".al", "alaw", "8000"},
                                                    {".alaw", "alaw", "8000"},
                                                    {".pcma", "alaw", "8000"}}};

// Silence is never cheaper than the sound of a slow codec: a second of it in this many bytes of the file.
constexpr uint64_t kBytesOfSilence = 100;

const Headerless* headerless(const std::string& ending) {
  const auto found = std::ranges::find_if(kHeaderless, [&](const Headerless& h) {
    return std::ranges::equal(h.ending, ending,
                              [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  });
  return found == kHeaderless.end() ? nullptr : &*found;
}

// GSM 06.10 has no header, but each of its frames of 33 bytes begins with the same four bits.
bool looks_like_gsm(const ByteSource& source) {
  constexpr uint64_t kFrame = 33;
  const uint64_t frames = std::min<uint64_t>(source.size() / kFrame, 64);
  for (uint64_t i = 0; i < frames; ++i) {
    std::byte first{};
    const auto n = source.read_at(i * kFrame, std::span(&first, 1));
    if (!n || *n == 0 || (first & std::byte{0xf0}) != std::byte{0xd0}) return false;
  }
  return frames > 0;
}

uint64_t big_endian(std::span<const std::byte> bytes) {
  uint64_t n = 0;
  for (const std::byte b : bytes) n = n << 8 | std::to_integer<uint64_t>(b);
  return n;
}

// A title or language as it may be printed: bytes that a terminal would obey must not pass.
std::string printable(const AVDictionary* tags, const char* key) {
  const AVDictionaryEntry* entry = av_dict_get(tags, key, nullptr, 0);
  std::string text;
  for (const char* p = entry ? entry->value : ""; *p && text.size() < 40; ++p)
    text += *p >= ' ' && *p <= '~' ? *p : '?';
  return text;
}

template <size_t n>
bool contains(const std::array<std::string_view, n>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

Error refused(const std::string& name, const AVInputFormat* found) {
  const std::string_view kind = found ? found->name : "";
  if (contains(kPlaylists, kind)) {
    return unsupported(
        fmt::format("{}: a playlist ({}): what it names is not opened; give the sound itself", name, kind));
  }
  if (kind.ends_with("_pipe") || kind == "image2" || kind == "gif" || kind == "apng" || kind == "ico") {
    return bad_input(fmt::format("{}: a picture ({}); give a file with sound", name, kind));
  }
  return bad_input(fmt::format("{}: not a sound or video format that FFmpeg knows; give a sound or video file", name));
}

// Nothing but the bytes of the source is opened: not the parts of a playlist, not the external tracks of a film.
int open_nothing(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

// The names of all decoders of sound, as FFmpeg's codec_whitelist takes them: finding out about a film's pictures by
// decoding some of them would cost time and let hostile bytes into code that has no business here.
const std::string& sound_decoders() {
  static const std::string names = [] {
    std::string list;
    void* position = nullptr;
    while (const AVCodec* codec = av_codec_iterate(&position)) {
      if (codec->type != AVMEDIA_TYPE_AUDIO || !av_codec_is_decoder(codec)) continue;
      if (!list.empty()) list += ',';
      list += codec->name;
    }
    return list;
  }();
  return names;
}

// "one video stream (h264)", "2 streams (h264, mov_text)".
std::string describe_streams(const AVFormatContext& format) {
  std::vector<std::string> codecs;
  for (unsigned i = 0; i < std::min(format.nb_streams, 4u); ++i) {
    codecs.emplace_back(avcodec_get_name(format.streams[i]->codecpar->codec_id));
  }
  if (format.nb_streams == 0) return "nothing";
  if (format.nb_streams > 1) return fmt::format("{} streams ({})", format.nb_streams, fmt::join(codecs, ", "));
  const char* kind = av_get_media_type_string(format.streams[0]->codecpar->codec_type);
  return fmt::format("one {} stream ({})", kind ? kind : "unknown", codecs[0]);
}

}  // namespace

Result<std::unique_ptr<Container>> Container::open(const ByteSource& source) {
  ffmpeg::set_up_process();
  ffmpeg::forget();
  std::unique_ptr<Container> container(new Container(source));
  SHORTHAND_TRY(container->probe());
  SHORTHAND_TRY(container->find_tracks());
  return container;
}

// Finds out what the bytes are; the score of it.
Result<int> Container::recognise(const std::string& name) {
  int score = av_probe_input_buffer2(io_.get(), &found_, name.c_str(), nullptr, 0, 0);
  if (read_error_) return *read_error_;
  // Bytes that look like nothing, or like something only by their name; one more for GSM, whose frames FFmpeg also sees
  // in the silence of A-law.
  const Headerless* raw = headerless(std::filesystem::path(source_.name()).extension().string());
  if (!raw || score > AVPROBE_SCORE_EXTENSION + 1) return score;
  if (raw->format == std::string_view("gsm") && !looks_like_gsm(source_)) return score;
  if (const AVInputFormat* format = av_find_input_format(raw->format)) {
    found_ = format;
    headerless_ = true;
    raw_rate_ = raw->rate;
    score = AVPROBE_SCORE_EXTENSION;
  }
  return score;
}

Result<void> Container::probe() {
  auto* block = static_cast<unsigned char*>(av_malloc(kBlockBytes));
  if (!block) throw std::bad_alloc();
  io_.reset(avio_alloc_context(block, kBlockBytes, 0, this, read_bytes, nullptr, seek));
  if (!io_) {
    av_free(block);
    throw std::bad_alloc();
  }
  // The name's ending breaks ties between formats that look alike, as it does for the ffmpeg command.
  const std::string ending = std::filesystem::path(source_.name()).extension().string();
  const std::string name = "sound" + ending;
  const int score = SHORTHAND_TRY(recognise(name));
  if (score < kLeastScore || !found_ || !(contains(kContainers, found_->name) || headerless_)) {
    return refused(source_.name(), found_);
  }

  AVFormatContext* format = avformat_alloc_context();
  if (!format) throw std::bad_alloc();
  format->pb = io_.get();
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  format->io_open = open_nothing;
  format->codec_whitelist = av_strdup(sound_decoders().c_str());
  format->protocol_whitelist = av_strdup("none");
  AVDictionary* options = nullptr;
  av_dict_set(&options, "scan_all_pmts", "1", AV_DICT_DONT_OVERWRITE);  // as the ffmpeg command sets it
  if (raw_rate_) av_dict_set(&options, "sample_rate", raw_rate_, 0);
  const int opened = avformat_open_input(&format, name.c_str(), found_, &options);  // frees `format` where it fails
  av_dict_free(&options);
  if (opened < 0) {
    if (read_error_) return *read_error_;
    return bad_input(
        fmt::format("{}: broken or cut off: {} ({})", source_.name(), ffmpeg::reason(opened), found_->name));
  }
  format_.reset(format);
  const int searched = avformat_find_stream_info(format, nullptr);
  if (read_error_) return *read_error_;
  if (searched < 0) {
    return bad_input(
        fmt::format("{}: broken or cut off: {} ({})", source_.name(), ffmpeg::reason(searched), found_->name));
  }
  return {};
}

Result<void> Container::find_tracks() {
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* s = format_->streams[i];
    s->discard = AVDISCARD_ALL;
    const AVCodecParameters& sound = *s->codecpar;
    if (sound.codec_type != AVMEDIA_TYPE_AUDIO) continue;
    streams_.push_back(i);
    tracks_.push_back({printable(s->metadata, "language"), avcodec_get_name(sound.codec_id),
                       printable(s->metadata, "title"), sound.ch_layout.nb_channels,
                       (s->disposition & AV_DISPOSITION_DEFAULT) != 0});
    if (tracks_.back().language == "und") tracks_.back().language.clear();
  }
  if (tracks_.empty()) {
    return bad_input(fmt::format("{}: no audio track; it holds {}. Give a file with sound", source_.name(),
                                 describe_streams(*format_)));
  }
  return {};
}

// A track marked as the default, then the most channels, then the first.
Result<std::vector<size_t>> Container::candidates(const std::string& wanted) const {
  auto found = matching_tracks(tracks_, wanted);
  if (!found) return Error{found.error().kind, fmt::format("{}: {}", source_.name(), found.error().message)};
  const auto score = [this](size_t i) {
    const bool lives = (format_->streams[streams_[i]]->event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS) != 0;
    return tracks_[i].channels + (lives ? 100'000'000 : 0) + (tracks_[i].is_default ? 5'000'000 : 0);
  };
  std::ranges::stable_sort(*found, [&](size_t a, size_t b) { return score(a) > score(b); });
  return found;
}

void Container::select(size_t track) {
  selected_ = track;
  stream()->discard = AVDISCARD_DEFAULT;
}

int Container::next_packet(AVPacket* packet) {
  for (;;) {
    const int code = av_read_frame(format_.get(), packet);
    if (code < 0 || packet->stream_index == stream()->index) return code;
    av_packet_unref(packet);
  }
}

Timeline::Setup Container::timeline() const {
  Timeline::Setup setup;
  setup.clock = contains(kClocked, found_->name)          ? Timeline::Clock::runs
                : found_->name == std::string_view("avi") ? Timeline::Clock::starts
                                                          : Timeline::Clock::none;
  // Of FLAC in Ogg FFmpeg knows the length of a page only when it has read it.
  setup.start_guessed = found_->name == std::string_view("ogg") && stream()->codecpar->codec_id == AV_CODEC_ID_FLAC;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    const AVStream* s = format_->streams[i];
    const AVMediaType type = s->codecpar->codec_type;
    const bool picture = (s->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) != 0;
    if (s == stream() || picture || (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO)) continue;
    if (s->start_time == AV_NOPTS_VALUE) continue;
    const double start_s = static_cast<double>(s->start_time) * av_q2d(s->time_base);
    setup.start_s = std::min(setup.start_s.value_or(start_s), start_s);
  }
  const AVRational tick = stream()->time_base;
  setup.ticks_per_s = tick.num == 1 ? tick.den : 0;
  setup.most_silence_s += static_cast<double>(source_.size() / kBytesOfSilence);
  return setup;
}

std::string Container::assumption() const {
  if (!headerless_) return {};
  return fmt::format("has no header; read as {}, {} samples a second, because of its name", found_->name,
                     stream()->codecpar->sample_rate);
}

// What the RIFF header of a WAV or AVI file says of the whole file's length; 0: nothing. Writers to a pipe leave a
// number near 2^31 or 2^32 there.
uint64_t Container::promised_bytes() const {
  constexpr uint32_t kUnknown = 0x7ff00000;
  std::array<std::byte, 8> head{};
  const auto n = source_.read_at(0, head);
  if (!n || *n < head.size()) return 0;
  ByteReader reader(head);
  if (reader.take_text(4) != "RIFF") return 0;
  const auto size = reader.read<uint32_t>();
  return size < kUnknown ? uint64_t{size} + 8 : 0;
}

// Where the last of an MP4's boxes ends, from its head.
uint64_t Container::end_of_boxes() const {
  constexpr int kMostBoxes = 1 << 20;  // a day of fragments of a tenth of a second; else a file of nothing but heads
  uint64_t at = 0;
  for (int i = 0; i < kMostBoxes && at < source_.size(); ++i) {
    std::array<std::byte, 16> head{};
    const auto n = source_.read_at(at, head);
    if (!n || *n < 8) break;
    uint64_t size = big_endian(std::span(head).first(4));
    if (size == 1) size = big_endian(std::span(head).subspan(8));
    if (size < 8 || size > source_.size()) return size < 8 ? at : at + size;  // 0: to the end
    at += size;
  }
  return at;
}

// Where Matroska's segment ends, from its head; 0: written without a length, as a live recording is.
uint64_t Container::end_of_segment() const {
  constexpr uint64_t kHeader = 0x1a45dfa3, kSegment = 0x18538067;
  uint64_t at = 0;
  for (const uint64_t id : {kHeader, kSegment}) {
    std::array<std::byte, 12> head{};
    const auto n = source_.read_at(at, head);
    if (!n || *n < head.size() || big_endian(std::span(head).first(4)) != id) return 0;
    // The length's own length is told by the zeros that it begins with; nothing but ones is no length.
    const auto bytes = static_cast<size_t>(std::countl_zero(static_cast<uint8_t>(head[4]))) + 1;
    if (bytes > 8) return 0;
    const uint64_t most = (uint64_t{1} << (7 * bytes)) - 1;
    const uint64_t size = big_endian(std::span(head).subspan(4, bytes)) & most;
    if (size == most) return 0;
    at += 4 + bytes + size;
  }
  return at;
}

bool Container::is_cut_off() const {
  const std::string_view kind = found_->name;
  const uint64_t end = kind == "matroska,webm"             ? end_of_segment()
                       : kind == "mov,mp4,m4a,3gp,3g2,mj2" ? end_of_boxes()
                       : kind == "avi"                     ? promised_bytes()
                                                           : 0;
  return end > source_.size();
}

double Container::declared_seconds(bool* exact) const {
  const AVStream* s = stream();
  const std::string_view kind = found_->name;
  *exact = false;
  double seconds = 0;
  if (s->duration != AV_NOPTS_VALUE) {
    seconds = static_cast<double>(s->duration) * av_q2d(s->time_base);
    *exact = format_->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE;
    if (kind == "asf") *exact = format_->nb_streams == 1;  // else that of the film
    if (kind == "avi") *exact = false;                     // it counts empty chunks, which nobody plays
  } else if (format_->duration != AV_NOPTS_VALUE) {
    seconds = static_cast<double>(format_->duration) / AV_TIME_BASE;
    *exact = format_->nb_streams == 1 && format_->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
    if (s->start_time != AV_NOPTS_VALUE && s->start_time > 0) {  // Matroska counts from 0, wherever its first packet is
      seconds -= static_cast<double>(s->start_time) * av_q2d(s->time_base);
    }
  }
  // Of plain samples in a WAV file FFmpeg counts those that are there, and nobody would hear that the rest is missing.
  const bool plain = std::string_view(avcodec_get_name(s->codecpar->codec_id)).starts_with("pcm_");
  const uint64_t promised = plain && kind == "wav" ? promised_bytes() : 0;
  if (promised > source_.size() && s->codecpar->bit_rate > 0) {
    seconds = std::max(seconds, static_cast<double>(promised) * 8 / static_cast<double>(s->codecpar->bit_rate));
    *exact = true;
  }
  return std::isfinite(seconds) && seconds > 0 ? seconds : 0;
}

int Container::read_bytes(void* self, uint8_t* out, int size) {
  auto& container = *static_cast<Container*>(self);
  auto n =
      container.source_.read_at(container.offset_, std::as_writable_bytes(std::span(out, static_cast<size_t>(size))));
  if (!n) {
    container.read_error_ = std::move(n).error();
    return AVERROR(EIO);
  }
  container.offset_ += *n;
  return *n == 0 ? AVERROR_EOF : static_cast<int>(*n);
}

int64_t Container::seek(void* self, int64_t offset, int whence) {
  auto& container = *static_cast<Container*>(self);
  const auto size = static_cast<int64_t>(container.source_.size());
  int64_t target = 0;
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return size;
    case SEEK_SET: target = offset; break;
    case SEEK_CUR:
      if (__builtin_add_overflow(static_cast<int64_t>(container.offset_), offset, &target)) return AVERROR(EINVAL);
      break;
    case SEEK_END:
      if (__builtin_add_overflow(size, offset, &target)) return AVERROR(EINVAL);
      break;
    default: return AVERROR(EINVAL);
  }
  if (target < 0) return AVERROR(EINVAL);
  container.offset_ = static_cast<uint64_t>(target);
  return target;
}

}  // namespace shorthand
