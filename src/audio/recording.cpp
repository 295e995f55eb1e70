// SPDX-License-Identifier: Apache-2.0
#include "audio/recording.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/clock.h"

namespace shorthand {
namespace {

// Samples looked at in one step of a scan: whole frames of both kinds.
constexpr int kStepFrames = 1024;
constexpr int kStep = kStepFrames * kHop;
static_assert(kStep % kEnergyFrame == 0);

// The squares of 16-bit samples and their sum are exact in a double: nothing depends on the order.
float energy(std::span<const float> samples) {
  double sum = 0;
  for (float v : samples) sum += static_cast<double>(v) * static_cast<double>(v);
  return static_cast<float>(std::sqrt(sum / static_cast<double>(samples.size())));
}

}  // namespace

Recording::Recording(SoundReader reader, int64_t keep_samples)
    : reader_(std::move(reader)),
      keep_chunks_(static_cast<size_t>(std::max<int64_t>((keep_samples + kChunk - 1) / kChunk, 2))) {}

// Decodes up to a chunk more, and drops the oldest chunk if that is one too many.
void Recording::decode_next() {
  if (chunks_.empty() || chunks_.back().size() == static_cast<size_t>(kChunk)) {
    if (chunks_.size() == keep_chunks_) {
      chunks_.push_back(std::move(chunks_.front()));
      chunks_.pop_front();
      start_ += kChunk;
    } else {
      chunks_.emplace_back();
    }
    chunks_.back().clear();
    chunks_.back().reserve(static_cast<size_t>(kChunk));
  }
  std::vector<int16_t>& last = chunks_.back();
  const size_t before = last.size();
  last.resize(static_cast<size_t>(kChunk));
  auto n = reader_.read(std::span(last).subspan(before));
  last.resize(before + (n ? *n : 0));
  decoded_ += static_cast<int64_t>(last.size() - before);
  if (!n) damage_ = std::move(n).error();
  ended_ = last.size() == before;
}

Result<size_t> Recording::read(int64_t first, std::span<float> out) {
  assert(first >= 0);
  if (first < start_) {
    SHORTHAND_TRY(reader_.rewind());
    chunks_.clear();
    start_ = decoded_ = 0;
    ended_ = false;
    damage_.reset();
  }
  size_t done = 0;
  while (done < out.size()) {
    const int64_t at = first + static_cast<int64_t>(done);
    if (at >= decoded_) {
      if (ended_) break;
      decode_next();
      continue;
    }
    const std::vector<int16_t>& chunk = chunks_[static_cast<size_t>((at - start_) / kChunk)];
    const auto offset = static_cast<size_t>((at - start_) % kChunk);
    const size_t n = std::min(out.size() - done, chunk.size() - offset);
    for (size_t i = 0; i < n; ++i) out[done + i] = sample_value(chunk[offset + i]);
    done += n;
  }
  return done;
}

Result<Scan> Recording::scan(const LogMel* log_mel, ThreadPool* pool) {
  Scan scan;
  AlignedBuffer<float> step(kStep);
  // The last step may hold up to two frames more than its samples: those that only their first half touches.
  const int most_frames = kStepFrames + 2;
  AlignedBuffer<float> mel(log_mel ? static_cast<size_t>(most_frames * log_mel->n_mels()) : 0);
  for (bool more = true; more; scan.samples += kStep) {
    const size_t n = SHORTHAND_TRY(read(scan.samples, step.span()));
    for (size_t i = 0; i + kEnergyFrame <= n; i += kEnergyFrame) {
      scan.energies.push_back(energy(step.span().subspan(i, kEnergyFrame)));
    }
    more = n == step.size();
    if (log_mel) {
      const int64_t first = scan.samples / kHop;
      const int frames =
          more ? kStepFrames : static_cast<int>(sounding_frames(scan.samples + static_cast<int64_t>(n)) - first);
      const auto out = mel.span().first(static_cast<size_t>(frames * log_mel->n_mels()));
      scan.log_mel_ms += SHORTHAND_TRY(raw_frames(*log_mel, first, out, pool));
      for (float v : out) scan.loudest = std::max(scan.loudest, v);
    }
    if (!more) scan.samples += static_cast<int64_t>(n) - kStep;
  }
  scan.damage = damage_;
  scan.skipped_packets = reader_.skipped_packets();
  scan.clock_jump = reader_.clock_jump();
  return scan;
}

// Returns the milliseconds spent on log-mel alone.
Result<double> Recording::raw_frames(const LogMel& log_mel, int64_t first_frame, std::span<float> out,
                                     ThreadPool* pool) {
  const int frames = static_cast<int>(out.size() / static_cast<size_t>(log_mel.n_mels()));
  const size_t needed = centred_samples(frames);
  if (centred_.size() < needed) centred_ = AlignedBuffer<float>(needed);
  const auto samples = centred_.span().first(needed);
  SHORTHAND_TRY(
      centre_samples([this](int64_t from, std::span<float> to) { return read(from, to); }, first_frame, samples));
  const Stopwatch computing;
  log_mel.raw(samples, frames, out, pool);
  return computing.elapsed_ms();
}

Result<Recording> open_recording(const std::filesystem::path& path, const DecodeOptions& options) {
  ByteSource source = SHORTHAND_TRY(ByteSource::open(path));
  return Recording(SHORTHAND_TRY(SoundReader::open(std::move(source), options)));
}

}  // namespace shorthand
