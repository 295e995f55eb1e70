// SPDX-License-Identifier: Apache-2.0
// Container: an opened sound or video file and the one audio stream of it that is read. For decode.cpp only.
//
// What is opened is decided by the bytes, never by the name, from a fixed list of containers; nothing but those bytes
// is ever opened, whatever they name; and no decoder but those of sound is ever started.
#pragma once

#include <optional>
#include <string>

#include "audio/byte_source.h"
#include "audio/ffmpeg.h"

namespace shorthand {

class Container {
 public:
  // `source` must outlive the container.
  static Result<std::unique_ptr<Container>> open(const ByteSource& source);
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  AVFormatContext* format() const { return format_.get(); }
  AVStream* stream() const { return format_->streams[stream_]; }

  // What the header says of the length of the stream, in seconds; 0: nothing. `exact` where the bytes that follow must
  // bear it out: estimates from a bit rate, and the length of a film for its sound, need not be.
  double declared_seconds(bool* exact) const;

  // Why the source could not be read, if that is what ended the stream.
  const std::optional<Error>& read_error() const { return read_error_; }

 private:
  explicit Container(const ByteSource& source) : source_(source) {}
  Result<void> probe();
  Result<void> choose_stream();
  uint64_t promised_bytes() const;
  static int read_bytes(void* container, uint8_t* out, int size);
  static int64_t seek(void* container, int64_t offset, int whence);

  const ByteSource& source_;
  uint64_t offset_ = 0;
  std::optional<Error> read_error_;
  ffmpeg::IoPtr io_;  // outlives format_
  const AVInputFormat* found_ = nullptr;
  ffmpeg::FormatPtr format_;
  int stream_ = -1;
};

}  // namespace shorthand
