// SPDX-License-Identifier: Apache-2.0
// Container: an opened sound or video file and the one audio stream of it that is read. For decode.cpp only.
//
// What is opened is decided by the bytes, from a fixed list of containers, and by the name alone only for a few kinds
// of samples without a header; nothing but those bytes is ever opened, whatever they name; and no decoder but those of
// sound is ever started.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audio/byte_source.h"
#include "audio/ffmpeg.h"
#include "audio/timeline.h"
#include "audio/tracks.h"

namespace shorthand {

class Container {
 public:
  // `source` must outlive the container.
  static Result<std::unique_ptr<Container>> open(const ByteSource& source);
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // The audio tracks, in the file's order; at least one.
  const std::vector<Track>& tracks() const { return tracks_; }
  // Which to try, best first: those that `wanted` means (DecodeOptions::track), else by the ffmpeg command's rule.
  // Error: no such track.
  Result<std::vector<size_t>> candidates(const std::string& wanted) const;
  // The track to read; the first thing after open().
  void select(size_t track);

  AVFormatContext* format() const { return format_.get(); }
  AVStream* stream() const { return format_->streams[streams_[selected_]]; }

  // The selected track's next packet. 0, or FFmpeg's code.
  int next_packet(AVPacket* packet);

  // How far the stamps can be relied on, and where the recording starts.
  Timeline::Setup timeline() const;

  // "has no header; read as gsm, 8000 samples a second, because of its name"; empty for what has one.
  std::string assumption() const;

  // What the header says of the length of the stream, in seconds; 0: nothing. `exact` where the bytes that follow must
  // bear it out: estimates from a bit rate, and the length of a film for its sound, need not be.
  double declared_seconds(bool* exact) const;

  // Whether the container's outermost parts, by their heads, end behind the source.
  bool is_cut_off() const;

  // Why the source could not be read, if that is what ended the stream.
  const std::optional<Error>& read_error() const { return read_error_; }

 private:
  explicit Container(const ByteSource& source) : source_(source) {}
  Result<void> probe();
  Result<int> recognise(const std::string& name);
  Result<void> find_tracks();
  uint64_t promised_bytes() const;
  uint64_t end_of_boxes() const;
  uint64_t end_of_segment() const;
  static int read_bytes(void* container, uint8_t* out, int size);
  static int64_t seek(void* container, int64_t offset, int whence);

  const ByteSource& source_;
  uint64_t offset_ = 0;
  std::optional<Error> read_error_;
  ffmpeg::IoPtr io_;  // outlives format_
  const AVInputFormat* found_ = nullptr;
  ffmpeg::FormatPtr format_;
  bool headerless_ = false;         // told by its name
  const char* raw_rate_ = nullptr;  // of such samples, where FFmpeg has to be told
  std::vector<Track> tracks_;
  std::vector<unsigned> streams_;  // of tracks_
  size_t selected_ = 0;
};

}  // namespace shorthand
