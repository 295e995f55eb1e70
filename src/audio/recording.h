// SPDX-License-Identifier: Apache-2.0
// Recording: any part of a recording of any length, in bounded memory.
//
// The samples decoded last are kept as 16-bit numbers, up to `keep_samples` of them: a recording shorter than that is
// decoded once. Of a longer one only the end of what was read is kept, and whoever asks for an earlier part waits while
// the file is decoded again from its start; reading forward with steps back of less than that costs nothing.
#pragma once

#include <deque>
#include <filesystem>
#include <optional>
#include <vector>

#include "audio/decode.h"
#include "audio/log_mel.h"

namespace shorthand {

inline constexpr int kEnergyFrame = 320;  // samples: 20 ms

// What one pass over a whole recording tells.
struct Scan {
  int64_t samples = 0;
  std::vector<float> energies;  // root of the mean square of every whole 20 ms: 200 bytes a second of sound
  float loudest = kSilence;     // the maximum of the raw log-mel over the padded recording; kSilence without a LogMel
  std::optional<Error> damage;  // why the sound ends before it should; what came before is good
  int skipped_packets = 0;      // packets that did not decode and were left out
  std::optional<Timeline::Jump> clock_jump;  // of the file's clock: what follows is early by so much
  double log_mel_ms = 0;                     // of the pass, spent on log-mel
  double seconds() const { return static_cast<double>(samples) / kSampleRate; }
};

// One thread at a time.
class Recording {
 public:
  static constexpr int64_t kChunk = 1 << 16;             // samples that are kept or dropped together
  static constexpr int64_t kKeepSamples = kChunk * 512;  // 64 MiB, 35 minutes

  // keep_samples is rounded up to whole chunks, two at the least.
  explicit Recording(SoundReader reader, int64_t keep_samples = kKeepSamples);

  const std::string& name() const { return reader_.name(); }
  const SoundInfo& info() const { return reader_.info(); }

  // Copies samples from `first` on and returns how many there were: fewer than out.size() only where the recording
  // ends, for whatever reason. Error: the file could be decoded before and now cannot. Precondition: first >= 0.
  Result<size_t> read(int64_t first, std::span<float> out);

  // Decodes everything. With a LogMel the loudest frame is found as well.
  Result<Scan> scan(const LogMel* log_mel = nullptr, ThreadPool* pool = nullptr);

  // Why the sound ends before it should, once reading has come to that point.
  const std::optional<Error>& damage() const { return damage_; }

  // Bytes of samples held now, for tests and reports.
  size_t buffered_bytes() const { return chunks_.size() * static_cast<size_t>(kChunk) * sizeof(int16_t); }

 private:
  void decode_next();
  Result<double> raw_frames(const LogMel& log_mel, int64_t first_frame, std::span<float> out, ThreadPool* pool);

  SoundReader reader_;
  size_t keep_chunks_;
  std::deque<std::vector<int16_t>> chunks_;  // consecutive; all but the last are full
  int64_t start_ = 0;                        // of chunks_[0]
  int64_t decoded_ = 0;                      // samples decoded since the start: chunks_ end here
  bool ended_ = false;
  std::optional<Error> damage_;
  AlignedBuffer<float> centred_;  // scratch of scan()
};

// The recording in a file, or on standard input for "-". Errors: those of ByteSource::open and SoundReader::open.
Result<Recording> open_recording(const std::filesystem::path& path, const DecodeOptions& options = {});

}  // namespace shorthand
