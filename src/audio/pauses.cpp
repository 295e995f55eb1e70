// SPDX-License-Identifier: Apache-2.0
#include "audio/pauses.h"

#include <algorithm>
#include <cassert>

#include "audio/recording.h"

namespace shorthand {
namespace {

constexpr int kMsOfFrame = 1000 * kEnergyFrame / kSampleRate;
constexpr int kSamplesOfMs = kSampleRate / 1000;

// The value below which 95 % of the values lie, between neighbours in proportion.
double percentile_95(std::span<const float> values) {
  std::vector<float> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double at = 0.95 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const double low = sorted[below], high = sorted[std::min(below + 1, sorted.size() - 1)];
  return low + (high - low) * (at - static_cast<double>(below));
}

}  // namespace

std::vector<Stretch> cut_at_pauses(std::span<const float> energies, int64_t n_samples, const PauseRule& rule) {
  std::vector<Stretch> stretches;
  if (energies.empty()) return stretches;
  const double bound = rule.loudness * percentile_95(energies);
  const int64_t pad = int64_t{rule.pad_ms} * kSamplesOfMs;
  int64_t last_loud = -1;
  for (size_t i = 0; i < energies.size(); ++i) {
    if (!(energies[i] > bound)) continue;
    const auto frame = static_cast<int64_t>(i);
    const int64_t end = std::min((frame + 1) * kEnergyFrame + pad, n_samples);
    if (last_loud >= 0 && (frame - last_loud) * kMsOfFrame <= rule.pause_ms) {
      stretches.back().last = end;
    } else {
      stretches.push_back({std::max<int64_t>(frame * kEnergyFrame - pad, 0), end});
    }
    last_loud = frame;
  }
  for (size_t i = 1; i < stretches.size();
       ++i) {  // pads longer than half a pause would overlap: they meet in the middle
    Stretch &before = stretches[i - 1], &after = stretches[i];
    if (after.first < before.last) before.last = after.first = (after.first + before.last) / 2;
  }
  return stretches;
}

std::vector<Stretch> split_long(Stretch stretch, std::span<const float> energies, int64_t limit) {
  assert(limit > 0);
  std::vector<Stretch> pieces;
  while (stretch.samples() > limit) {
    const int64_t earliest = stretch.first + limit * 2 / 3, latest = stretch.first + limit;
    int64_t cut = latest;
    float quietest = 0;
    for (int64_t f = (earliest + kEnergyFrame - 1) / kEnergyFrame; (f + 1) * kEnergyFrame <= latest; ++f) {
      if (f >= static_cast<int64_t>(energies.size())) break;
      const float e = energies[static_cast<size_t>(f)];
      if (cut != latest && e >= quietest) continue;
      quietest = e;
      cut = f * kEnergyFrame + kEnergyFrame / 2;
    }
    pieces.push_back({stretch.first, cut});
    stretch.first = cut;
  }
  if (stretch.samples() > 0) pieces.push_back(stretch);
  return pieces;
}

}  // namespace shorthand
