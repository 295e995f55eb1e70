// SPDX-License-Identifier: Apache-2.0
#include "audio/log_mel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace shorthand {
namespace {

constexpr int kBins = log_mel::kBins;
constexpr int kPartFrames = 64;  // frames a thread takes at a time

// exp(x) for 0 <= x < 4, to double precision on any machine: libm may choose its code by processor.
double exponential(double x) {
  x /= 64;
  double term = 1, sum = 1;
  for (int i = 1; i < 12; ++i) sum += term *= x / i;
  for (int i = 0; i < 6; ++i) sum *= sum;
  return sum;
}

// The Hz of a mel of Slaney's scale: 200/3 Hz a mel up to 1000 Hz, then 27 mels for every factor of 6.4.
double hertz(double mel) {
  constexpr double kLogStep = 1.8562979903656263 / 27;  // ln 6.4
  return mel < 15 ? mel * 200 / 3 : 1000 * exponential((mel - 15) * kLogStep);
}
constexpr double kMelOf8000Hz = 15 + 27 * 2.0794415416798357 / 1.8562979903656263;  // ln 8, ln 6.4

}  // namespace

FilterBank::FilterBank(std::vector<float> weights, int n_mels) : weights_(std::move(weights)) {
  for (int m = 0; m < n_mels; ++m) {
    const float* row = weights_.data() + static_cast<size_t>(m) * kBins;
    int first = 0, last = kBins;
    while (first < kBins && row[first] == 0) ++first;
    while (last > first && row[last - 1] == 0) --last;
    bands_.push_back({last > first ? first : 0, last - first, row + (last > first ? first : 0)});
  }
}

Result<FilterBank> FilterBank::from_weights(std::span<const float> weights, int n_mels) {
  if (n_mels < 1 || n_mels > log_mel::kMaxMels || weights.size() != static_cast<size_t>(n_mels) * kBins) {
    return bad_input(fmt::format("mel filters: {} weights for {} mels; expected 1 to {} mels of {} weights each",
                                 weights.size(), n_mels, log_mel::kMaxMels, kBins));
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i])) {
      return bad_input(fmt::format("mel filters: weight {} of mel {} is not a number", i % kBins, i / kBins));
    }
  }
  return FilterBank({weights.begin(), weights.end()}, n_mels);
}

FilterBank FilterBank::slaney(int n_mels) {
  assert(n_mels > 0 && n_mels <= log_mel::kMaxMels);
  std::vector<float> weights(static_cast<size_t>(n_mels) * kBins);
  const double step = kMelOf8000Hz / (n_mels + 1);
  for (int m = 0; m < n_mels; ++m) {
    const double low = hertz(m * step), middle = hertz((m + 1) * step);
    const double high = m + 1 == n_mels ? 8000 : hertz((m + 2) * step);
    for (int k = 0; k < kBins; ++k) {
      const double f = k * static_cast<double>(kSampleRate) / log_mel::kFft;
      const double height = std::min((f - low) / (middle - low), (high - f) / (high - middle));
      weights[static_cast<size_t>(m) * kBins + static_cast<size_t>(k)] =
          static_cast<float>(static_cast<float>(std::max(height, 0.0)) * (2 / (high - low)));
    }
  }
  return FilterBank(std::move(weights), n_mels);
}

void LogMel::raw(std::span<const float> samples, int frames, std::span<float> out, ThreadPool* pool) const {
  if (frames <= 0) return;
  const size_t mels = static_cast<size_t>(n_mels());
  assert(samples.size() >= centred_samples(frames) && out.size() >= static_cast<size_t>(frames) * mels);
  const auto compute = [&](int first, int count) {
    variant_->frames(samples.data() + static_cast<size_t>(first) * kHop, count, filters_.bands(),
                     out.data() + static_cast<size_t>(first) * mels);
  };
  if (!pool) return compute(0, frames);
  const int parts = (frames + kPartFrames - 1) / kPartFrames;
  pool->run(parts,
            [&](int part, int) { compute(part * kPartFrames, std::min(kPartFrames, frames - part * kPartFrames)); });
}

Mel LogMel::piece(std::span<const float> pcm, int first, int count, ThreadPool* pool) const {
  const auto read = [&](int64_t from, std::span<float> out) -> Result<size_t> {
    const size_t start = std::min(static_cast<size_t>(from), pcm.size()), n = std::min(out.size(), pcm.size() - start);
    std::copy_n(pcm.begin() + static_cast<ptrdiff_t>(start), n, out.begin());
    return n;
  };
  // In slices, so that a long piece costs no more memory than a window; the frames wanted are kept on the way.
  const size_t mels = static_cast<size_t>(n_mels());
  Mel mel(n_mels(), count);
  std::fill(mel.values.span().begin(), mel.values.span().end(), kSilence);
  const int64_t sounding = sounding_frames(static_cast<int64_t>(pcm.size()));
  const int slice = static_cast<int>(std::min<int64_t>(sounding, kWindowFrames));
  AlignedBuffer<float> samples(centred_samples(slice)), values(static_cast<size_t>(slice) * mels);
  float loudest = kSilence;
  for (int64_t at = 0; at < sounding; at += slice) {
    const int frames = static_cast<int>(std::min<int64_t>(slice, sounding - at));
    const auto centred = samples.span().first(centred_samples(frames));
    centre_samples(read, at, centred).value();  // reading from memory cannot fail
    raw(centred, frames, values.span(), pool);
    const auto computed = values.span().first(static_cast<size_t>(frames) * mels);
    loudest = std::max(loudest, *std::max_element(computed.begin(), computed.end()));
    const int64_t from = std::max<int64_t>(at, first), to = std::min<int64_t>(at + frames, int64_t{first} + count);
    if (from >= to) continue;
    std::copy_n(computed.data() + static_cast<size_t>(from - at) * mels, static_cast<size_t>(to - from) * mels,
                mel.values.data() + static_cast<size_t>(from - first) * mels);
  }
  normalise(mel.values.span(), loudest);
  return mel;
}

void normalise(std::span<float> values, float loudest) {
  const float least = loudest - 8.0f;
  for (float& v : values) v = (std::max(v, least) + 4.0f) * 0.25f;
}

Result<void> centre_samples(ReadSamples read, int64_t first_frame, std::span<float> out) {
  const int64_t start = first_frame * kHop - kMirror;
  const size_t before = start < 0 ? std::min(static_cast<size_t>(-start), out.size()) : 0;
  const auto inside = out.subspan(before);
  const size_t n = SHORTHAND_TRY(read(std::max<int64_t>(start, 0), inside));
  std::fill(inside.begin() + static_cast<ptrdiff_t>(n), inside.end(), 0.0f);
  // Sample -i is sample i. The zeros that follow a short recording are part of what is mirrored.
  if (before == 0) return {};
  float head[kMirror + 1] = {};
  SHORTHAND_TRY(read(0, std::span(head)));
  for (size_t i = 0; i < before; ++i) out[i] = head[-start - static_cast<int64_t>(i)];
  return {};
}

}  // namespace shorthand
