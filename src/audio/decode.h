// SPDX-License-Identifier: Apache-2.0
// Bytes of a sound or video file -> Pcm: mono, 16 kHz, decoded by FFmpeg's libraries.
//
// The samples are those of
//     ffmpeg -cpuflags mmx+mmxext+sse+sse2+sse3+ssse3+sse4.1+sse4.2 -i FILE -f s16le -ac 1 -ar 16000 -
// which is the front end of Whisper's reference with the processor's wider instructions left aside: one track, all its
// channels mixed, resampled, rounded to 16 bits; a sample's value is its number / 32768. Without -cpuflags, and from
// one machine to the next, that command's own samples differ by one unit here and there.
//
// Beyond that command, sample n stands n / 16,000 s after the start of the recording: sound that begins later than the
// picture comes after silence, holes are silent, overlaps are heard once (timeline.h). And channels without a declared
// layout are all worth the same (resampler.h).
//
// Only containers of a fixed list are opened, only decoders of sound, and no other file or address: docs/audio.md.
//
// FFmpeg has settings that hold for the whole process. The first SoundReader sets three: the processor's instructions
// as above, at most 512 MiB for one allocation, and a log that prints nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audio/byte_source.h"
#include "audio/timeline.h"
#include "audio/tracks.h"
#include "base/result.h"

namespace shorthand {

struct DecodeOptions {
  std::string track = {};  // its number, from 1, or its language (tracks.h); empty: the best that can be decoded
  int channel = -1;        // one channel, counted from 0; -1: the mix of all
  double max_seconds = 0;  // of sound; 0: any length. What is longer is an error, found while decoding
  uint64_t max_bytes = 0;  // of decoded samples as the file has them, before mixing and resampling; 0: any number
};

struct SoundInfo {
  std::string container, codec;  // FFmpeg's short names: "mov,mp4,m4a,3gp,3g2,mj2", "aac"
  int sample_rate = 0;           // Hz in the file
  int channels = 0;              // in the file
  std::vector<Track> tracks;     // of the file
  size_t track = 0;              // the one that is read
  std::string assumption;        // what the name alone told, where there is no header: "has no header; read as ..."
  double declared_seconds = 0;   // what the file says of its length, or FFmpeg estimates; 0: nothing. Never relied upon
};

// Rates and channel counts outside these are refused: nothing that records speech makes them, and a forged header would
// turn a small file into a very long one.
inline constexpr int kLowestRate = 4000, kHighestRate = 384000, kMostChannels = 64;

// Reads forward from the start; one thread at a time. Memory is bounded by the codec's frame and the demuxer's index.
class SoundReader {
 public:
  // Decodes the first samples, so that a file without sound fails here.
  // Of several tracks those marked as the default come first, then those with more channels, then the first; one that
  // cannot be decoded gives way to the next.
  // Errors: not a known format, a playlist or picture, no audio track, no such track or channel, no samples, a refused
  // rate.
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
  // A jump of the file's clock, in what has been read, that was taken for no hole.
  const std::optional<Timeline::Jump>& clock_jump() const;

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
