// SPDX-License-Identifier: Apache-2.0
// The sound tracks of a file, as people tell them apart.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace shorthand {

struct Track {
  std::string language;  // as the file tags it: "eng", "de-AT"; empty: not said
  std::string codec;     // FFmpeg's short name
  std::string title;     // printable ASCII, at most 40 bytes
  int channels = 0;      // 0: not known before the first frame
  bool is_default = false;
};

// "2 (deu, ac3, 6 channels, "Commentary")": its number, counted from 1 as players count, and what is known of it.
std::string describe_track(const std::vector<Track>& tracks, size_t i);
// All but `left_out`, or all: "1 (eng, aac, 2 channels), 3 (fra, aac, 2 channels)".
std::string describe_tracks(const std::vector<Track>& tracks, size_t left_out = static_cast<size_t>(-1));

// The tracks that `wanted` means, in order: a number from 1, or a language as ISO 639 writes it ("de", "deu", "ger").
// An empty one means all. Error: there is none; it lists those that are there.
Result<std::vector<size_t>> matching_tracks(const std::vector<Track>& tracks, const std::string& wanted);

}  // namespace shorthand
