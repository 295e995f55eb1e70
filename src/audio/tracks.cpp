// SPDX-License-Identifier: Apache-2.0
#include "audio/tracks.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "audio/language_tag.h"

namespace shorthand {

std::string describe_track(const std::vector<Track>& tracks, size_t i) {
  const Track& t = tracks[i];
  std::string text = fmt::format("{} (", i + 1);
  if (!t.language.empty()) text += t.language + ", ";
  text += t.codec;
  if (t.channels > 0) text += fmt::format(", {} channel{}", t.channels, t.channels > 1 ? "s" : "");
  if (!t.title.empty()) text += fmt::format(", \"{}\"", t.title);
  return text + ")";
}

std::string describe_tracks(const std::vector<Track>& tracks, size_t left_out) {
  constexpr size_t kShown = 12;
  std::string text;
  for (size_t i = 0; i < tracks.size() && i < kShown; ++i) {
    if (i == left_out) continue;
    text += (text.empty() ? "" : ", ") + describe_track(tracks, i);
  }
  return tracks.size() > kShown ? text + ", ..." : text;
}

Result<std::vector<size_t>> matching_tracks(const std::vector<Track>& tracks, const std::string& wanted) {
  std::vector<size_t> all(tracks.size());
  std::iota(all.begin(), all.end(), size_t{0});
  if (wanted.empty()) return all;
  const std::string has = tracks.size() == 1 ? "its only one is" : "it has";
  if (std::ranges::all_of(wanted, [](char c) { return c >= '0' && c <= '9'; })) {
    const size_t n = wanted.size() > 6 ? 0 : std::stoul(wanted);
    if (n >= 1 && n <= tracks.size()) return std::vector<size_t>{n - 1};
    return usage_error(fmt::format("no sound track {}, counted from 1; {} {}", wanted, has, describe_tracks(tracks)));
  }
  std::erase_if(all, [&](size_t i) { return short_language_tag(tracks[i].language) != short_language_tag(wanted); });
  if (!all.empty()) return all;
  return usage_error(fmt::format("no sound track is tagged as '{}'; {} {}", wanted, has, describe_tracks(tracks)));
}

}  // namespace shorthand
