// SPDX-License-Identifier: Apache-2.0
// Pcm -> Mel: Whisper's log-mel spectrogram, as the reference computes it over a recording.
//
// The reference (openai/whisper, audio.py) appends 30 s of zeros to the whole recording, takes a frame centred on every
// 160th sample with the signal mirrored over its first and last 200 samples, drops the last frame, and then brings
// log10(power) to max(x, loudest - 8) / 4 + 1, `loudest` being the maximum over all those frames. LogMel does the same
// for a recording of any length without holding it: raw frames wherever they are wanted, and the loudest from outside.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/log_mel/log_mel.h"

namespace shorthand {

inline constexpr int kSampleRate = 16000;          // Hz
inline constexpr int kHop = log_mel::kHop;         // samples from frame to frame: 100 frames a second
inline constexpr int kWindowSamples = 480000;      // 30 s: what the encoder sees at once, and the zeros appended
inline constexpr int kWindowFrames = 3000;         // the same in frames
inline constexpr float kSilence = -10.0f;          // log10 of the least power: what a frame of zeros holds
inline constexpr int kMirror = log_mel::kFft / 2;  // samples before the centre of a frame

// Frames of a recording of n samples: the silence at its end counts, the last frame is dropped.
constexpr int64_t padded_frames(int64_t n_samples) { return (n_samples + kWindowSamples) / kHop; }
// Frames that some sample of the recording touches; those after are kSilence throughout.
constexpr int64_t sounding_frames(int64_t n_samples) { return (n_samples + kMirror + kHop - 1) / kHop; }

// Mel filters in the sparse form of the kernel. Immutable, moved but not copied.
class FilterBank {
 public:
  // weights [n_mels, 201], as a model file stores them. Errors: a shape that cannot be, weights that are no numbers.
  static Result<FilterBank> from_weights(std::span<const float> weights, int n_mels);

  // Slaney's filters, 0 to 8000 Hz, triangles of equal area: linear below 1 kHz, logarithmic above. The formula is that
  // of Slaney's Auditory Toolbox as librosa.filters.mel(sr=16000, n_fft=400) states it, and so is the rounding: heights
  // to float32 before they are scaled. So the published models' filters come out bit for bit. Precondition: 0 < n_mels
  // <= log_mel::kMaxMels.
  static FilterBank slaney(int n_mels);

  FilterBank(FilterBank&&) = default;
  FilterBank& operator=(FilterBank&&) = default;

  int n_mels() const { return static_cast<int>(bands_.size()); }
  std::span<const log_mel::Band> bands() const { return bands_; }
  std::span<const float> weights() const { return weights_; }  // [n_mels, 201]

 private:
  FilterBank(std::vector<float> weights, int n_mels);
  std::vector<float> weights_;
  std::vector<log_mel::Band> bands_;  // point into weights_
};

// values [frames, n_mels]: time-major, as the encoder's first layer reads it.
struct Mel {
  int n_mels = 0, frames = 0;
  AlignedBuffer<float> values;

  Mel() = default;
  Mel(int mels, int n_frames)
      : n_mels(mels), frames(n_frames), values(static_cast<size_t>(mels) * static_cast<size_t>(n_frames)) {}
  std::span<float> row(int frame) {
    return values.span().subspan(static_cast<size_t>(frame) * static_cast<size_t>(n_mels), static_cast<size_t>(n_mels));
  }
};

// Immutable; any number of threads may use one.
class LogMel {
 public:
  LogMel(const log_mel::Variant& variant, FilterBank filters) : variant_(&variant), filters_(std::move(filters)) {}

  int n_mels() const { return filters_.n_mels(); }
  const FilterBank& filters() const { return filters_; }
  Isa isa() const { return variant_->isa; }

  // Frame t of `frames` from samples[160 t, 160 t + 400): log10 values, out [frames, n_mels]. With a pool, frames are
  // split over its threads; the bits are the same.
  // Preconditions: samples.size() >= 160 (frames - 1) + 400, out.size() >= frames * n_mels.
  void raw(std::span<const float> samples, int frames, std::span<float> out, ThreadPool* pool = nullptr) const;

  // Frames [first, first + count) of a piece of sound that stands for itself, scaled by its own loudest frame: what the
  // reference's log_mel_spectrogram(pcm, padding=480000) returns there. Frames after the sound are silence; whether a
  // window is filled up with those or with 0.0 is the caller's matter.
  // Preconditions: first >= 0, count >= 0.
  Mel piece(std::span<const float> pcm, int first, int count, ThreadPool* pool = nullptr) const;

 private:
  const log_mel::Variant* variant_;
  FilterBank filters_;
};

// max(x, loudest - 8) / 4 + 1, in place. `loudest` counts the appended silence: it is never below kSilence.
void normalise(std::span<float> values, float loudest);

// What the frames [first, first + count) of a recording are computed from: samples [160 first - 200, ...) of the
// recording, mirrored over its start and zero after its end. read(from, span) copies samples from `from` on and returns
// how many there were; it is never asked for a negative position.
inline size_t centred_samples(int frames) {
  return frames > 0 ? static_cast<size_t>(frames - 1) * kHop + log_mel::kFft : 0;
}
using ReadSamples = FunctionRef<Result<size_t>(int64_t from, std::span<float> out)>;
// Precondition: out.size() == centred_samples(count).
Result<void> centre_samples(ReadSamples read, int64_t first_frame, std::span<float> out);

}  // namespace shorthand
