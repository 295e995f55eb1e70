// SPDX-License-Identifier: Apache-2.0
// Bytes of a sound or video file -> Pcm: mono, 16 kHz, decoded by FFmpeg's libraries.
//
// The samples are those of
//     ffmpeg -cpuflags mmx+mmxext+sse+sse2+sse3+ssse3+sse4.1+sse4.2 -i FILE -f s16le -ac 1 -ar 16000 -
// which is the front end of Whisper's reference with the processor's wider instructions left aside: the track with the
// most channels, all of them mixed, resampled, rounded to 16 bits; a sample's value is its number / 32768. Without
// -cpuflags, and from one machine to the next, that command's own samples differ by one unit here and there.
//
// Only containers of a fixed list are opened, only decoders of sound, and no other file or address: docs/audio.md.
//
// FFmpeg has settings that hold for the whole process. The first SoundReader sets three: the processor's instructions
// as above, at most 512 MiB for one allocation, and a log that prints nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "audio/byte_source.h"
#include "base/result.h"

namespace shorthand {

struct DecodeOptions {
  int channel = -1;        // one channel, counted from 0; -1: the mix of all
  double max_seconds = 0;  // of sound; 0: any length. What is longer is an error, found while decoding
  uint64_t max_bytes = 0;  // of decoded samples as the file has them, before mixing and resampling; 0: any number
};

struct SoundInfo {
  std::string container, codec;  // FFmpeg's short names: "mov,mp4,m4a,3gp,3g2,mj2", "aac"
  int sample_rate = 0;           // Hz in the file
  int channels = 0;              // in the file
  double declared_seconds = 0;   // what the file says of its length, or FFmpeg estimates; 0: nothing. Never relied upon
};

// Rates and channel counts outside these are refused: nothing that records speech makes them, and a forged header would
// turn a small file into a very long one.
inline constexpr int kLowestRate = 4000, kHighestRate = 384000, kMostChannels = 64;

// Reads forward from the start; one thread at a time. Memory is bounded by the codec's frame and the demuxer's index.
class SoundReader {
 public:
  // Decodes the first samples, so that a file without sound fails here.
  // Errors: not a known format, a playlist or picture, no audio track, no such channel, no samples, a refused rate.
  static Result<SoundReader> open(ByteSource source, const DecodeOptions& options = {});

  SoundReader(SoundReader&&) noexcept;
  SoundReader& operator=(SoundReader&&) noexcept;
  ~SoundReader();

  const std::string& name() const;
  const SoundInfo& info() const;

  // The next samples: as many as fit, fewer only at the end or before damage, 0 at the end. Once everything before the
  // damage has been returned, the error says after how many seconds it came: a cut-off or broken container, a limit
  // reached, a failing disk. Packets that do not decode are left out, as ffmpeg leaves them out, and counted.
  Result<size_t> read(std::span<int16_t> out);
  int64_t position() const;  // samples returned so far
  int skipped_packets() const;

  // Back to the first sample. The file is opened afresh, so that the samples are the same ones.
  Result<void> rewind();

 private:
  struct Impl;
  explicit SoundReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A 16-bit sample as Whisper wants it.
inline float sample_value(int16_t s) { return static_cast<float>(s) * (1.0f / 32768.0f); }

}  // namespace shorthand
