// SPDX-License-Identifier: Apache-2.0
// Where to cut a recording: at its pauses, told from the energies of 20 ms frames (Scan::energies).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace shorthand {

// Samples [first, last) of a recording.
struct Stretch {
  int64_t first = 0, last = 0;
  int64_t samples() const { return last - first; }
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

struct PauseRule {
  double loudness = 0.05;  // a frame is loud above this part of the 95th percentile of all frames: 26 dB below the loud
  int pause_ms = 300;      // loud frames further apart than this are parted by a pause
  int pad_ms = 150;        // kept before the first and after the last loud frame of a stretch
};

// The stretches of sound between pauses, in order and without overlap. Silence, and less than 20 ms of anything, has
// none. The percentile is interpolated linearly between the two nearest frames.
std::vector<Stretch> cut_at_pauses(std::span<const float> energies, int64_t n_samples, const PauseRule& rule = {});

// The stretch in pieces of at most `limit` samples: each cut lies in the middle of the quietest frame that begins after
// two thirds of the limit, the first of several. Precondition: limit > 0.
std::vector<Stretch> split_long(Stretch stretch, std::span<const float> energies, int64_t limit);

}  // namespace shorthand
