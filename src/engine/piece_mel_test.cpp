// SPDX-License-Identifier: Apache-2.0
// Windows of a piece against the log-mel of the whole piece at once, whose own judge is the reference front end
// (log_mel_test.cpp).
#include "engine/piece_mel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "support/sound_files.h"

namespace shorthand {
namespace {

constexpr int kMels = 80;

std::vector<int16_t> noise(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int16_t> pcm(n);
  for (int16_t& s : pcm) s = static_cast<int16_t>(static_cast<int>(random() % 20001) - 10000);
  return pcm;
}

std::vector<float> values(std::span<const int16_t> pcm) {
  std::vector<float> v;
  for (int16_t s : pcm) v.push_back(static_cast<float>(s) / 32768.0f);
  return v;
}

TEST(PieceMel, WindowsAreThoseOfTheWholePiece) {
  const std::vector<int16_t> pcm = noise(700000, 3);
  const std::string file = testing::wav(pcm);
  const LogMel log_mel{log_mel::choose(best_isa()), FilterBank::slaney(kMels)};
  struct Span {
    int64_t first, last;
  };
  for (const int64_t keep : {Recording::kKeepSamples, int64_t{1}}) {
    for (const auto [first, last] : {Span{0, 700000}, Span{0, 100000}, Span{123456, 223456}, Span{650000, 700000}}) {
      const std::vector<float> sound =
          values(std::span(pcm).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)));
      const int frames = static_cast<int>((last - first) / kHop);
      const Mel whole = log_mel.piece(sound, 0, frames);
      Recording recording(SoundReader::open(*ByteSource::from_memory(std::as_bytes(std::span(file)), "memory")).value(),
                          keep);
      ThreadPool pool(2);
      PieceMel piece(recording, log_mel, pool, first, last);
      ASSERT_EQ(piece.frames(), frames);
      StageTimes times;
      for (const int seek : {frames - 60, 0, 1, 2, 100}) {
        const int count = std::min(250, frames - seek);
        std::vector<float> got(300 * kMels, -7.0f);
        ASSERT_TRUE(piece.window(seek, count, got, times));
        const auto expected = whole.values.span().subspan(static_cast<size_t>(seek) * kMels);
        const size_t heard = static_cast<size_t>(count) * kMels;
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), heard * sizeof(float)), 0) << first << " " << seek;
        EXPECT_TRUE(
            std::all_of(got.begin() + static_cast<ptrdiff_t>(heard), got.end(), [](float v) { return v == 0; }));
      }
    }
  }
}

}  // namespace
}  // namespace shorthand
