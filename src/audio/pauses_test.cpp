// SPDX-License-Identifier: Apache-2.0
#include "audio/pauses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "audio/recording.h"
#include "support/shared_data.h"
#include "support/sound_files.h"

namespace shorthand {
namespace {

struct Expected {
  int64_t samples = 0;
  std::vector<Stretch> stretches;
};

// tests/data/pauses.txt, written by make_pauses.py beside it: NumPy's answers.
std::map<std::string, Expected> expectations() {
  std::map<std::string, Expected> all;
  std::ifstream in(testing::repository_dir() / "tests/data/pauses.txt");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    Expected e;
    words >> name >> e.samples;
    for (Stretch s; words >> s.first >> s.last;) e.stretches.push_back(s);
    all[name] = e;
  }
  return all;
}

// The sounds that make_pauses.py makes, number for number.
std::vector<int16_t> bursts(uint32_t seed, int seconds) {
  std::vector<int16_t> pcm(static_cast<size_t>(seconds) * 16000);
  const int levels[] = {0, 0, 3, 40, 700, 9000};
  uint32_t state = seed;
  int level = 0;
  for (size_t i = 0; i < pcm.size(); ++i) {
    state = 1664525 * state + 1013904223;
    if (i % 1600 == 0) level = levels[(state >> 24) % 6];
    pcm[i] = static_cast<int16_t>(((static_cast<int>(state >> 16) - 32768) * level) >> 15);
  }
  return pcm;
}

Result<Scan> scan(ByteSource source) {
  Recording recording(SHORTHAND_TRY(SoundReader::open(std::move(source))));
  return recording.scan();
}

TEST(Pauses, AreWhereNumPyFindsThemInBursts) {
  const auto all = expectations();
  for (const auto& [name, seed, seconds] : {std::tuple{"bursts-1-20", 1u, 20}, {"bursts-7-33", 7u, 33}}) {
    const std::string file = testing::wav(bursts(seed, seconds));
    auto source = ByteSource::from_memory(std::as_bytes(std::span(file)), name);
    ASSERT_TRUE(source);
    const auto scanned = scan(*std::move(source));
    ASSERT_TRUE(scanned) << scanned.error().message;
    ASSERT_EQ(scanned->samples, all.at(name).samples);
    EXPECT_THAT(cut_at_pauses(scanned->energies, scanned->samples),
                ::testing::ElementsAreArray(all.at(name).stretches));
  }
}

TEST(Pauses, AreWhereNumPyFindsThemInSpeech) {
  SHORTHAND_NEEDS_SHARED("data/builtin/test");
  int files = 0;
  for (const auto& [name, expected] : expectations()) {
    if (!name.ends_with(".flac")) continue;
    auto source = ByteSource::open(testing::shared_data_dir() / "data/builtin/test" / name);
    ASSERT_TRUE(source) << source.error().message;
    const auto scanned = scan(*std::move(source));
    ASSERT_TRUE(scanned) << scanned.error().message;
    EXPECT_EQ(scanned->samples, expected.samples) << name;
    EXPECT_THAT(cut_at_pauses(scanned->energies, scanned->samples), ::testing::ElementsAreArray(expected.stretches))
        << name;
    ++files;
  }
  EXPECT_EQ(files, 50);
}

TEST(Pauses, SilenceHasNoStretch) {
  EXPECT_TRUE(cut_at_pauses({}, 100).empty());
  EXPECT_TRUE(cut_at_pauses(std::vector<float>(500, 0.0f), 160000).empty());
}

TEST(Pauses, ShorterPausesAndPadsCanBeAskedFor) {
  std::vector<float> energies(100, 0.0f);
  for (size_t i = 20; i < 30; ++i) energies[i] = 1;
  for (size_t i = 40; i < 50; ++i) energies[i] = 1;  // 10 quiet frames between: loud frames 11 frames, 220 ms, apart
  using ::testing::ElementsAre;
  EXPECT_THAT(cut_at_pauses(energies, 32000), ElementsAre(Stretch{20 * 320 - 2400, 50 * 320 + 2400}));
  EXPECT_THAT(cut_at_pauses(energies, 32000, {.pause_ms = 200, .pad_ms = 0}),
              ElementsAre(Stretch{20 * 320, 30 * 320}, Stretch{40 * 320, 50 * 320}));
  EXPECT_THAT(cut_at_pauses(energies, 32000, {.pause_ms = 220, .pad_ms = 0}), ElementsAre(Stretch{20 * 320, 50 * 320}));
  EXPECT_THAT(cut_at_pauses(energies, 32000, {.pause_ms = 200, .pad_ms = 150}),
              ElementsAre(Stretch{20 * 320 - 2400, 35 * 320}, Stretch{35 * 320, 50 * 320 + 2400}));
}

TEST(LongStretches, AreCutAtTheirQuietestFrame) {
  std::vector<float> energies(1000);
  for (size_t i = 0; i < energies.size(); ++i) energies[i] = 1.0f + static_cast<float>((i * 37) % 100) / 100;
  energies[90] = 0.01f;   // quietest of all, but before two thirds of the limit
  energies[140] = 0.02f;  // the quietest frame where the first cut may lie
  energies[141] = 0.02f;
  const int64_t limit = 150 * kEnergyFrame;
  const std::vector<Stretch> pieces = split_long({0, 1000 * kEnergyFrame}, energies, limit);
  ASSERT_GT(pieces.size(), 5u);
  EXPECT_EQ(pieces[0], (Stretch{0, 140 * kEnergyFrame + 160}));
  EXPECT_EQ(pieces.back().last, 1000 * kEnergyFrame);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_LE(pieces[i].samples(), limit);
    if (i + 1 < pieces.size()) {
      EXPECT_GE(pieces[i].samples(), limit * 2 / 3);
      EXPECT_EQ(pieces[i].last, pieces[i + 1].first);
    }
  }
}

TEST(LongStretches, ShortOnesStayWhole) {
  using ::testing::ElementsAre;
  EXPECT_THAT(split_long({100, 500}, std::vector<float>(1, 1.0f), 400), ElementsAre(Stretch{100, 500}));
  EXPECT_TRUE(split_long({100, 100}, {}, 400).empty());
  // No whole frame fits between two thirds of the limit and the limit, or no energies: cut at the limit.
  EXPECT_THAT(split_long({0, 900}, {}, 400), ElementsAre(Stretch{0, 400}, Stretch{400, 800}, Stretch{800, 900}));
}

}  // namespace
}  // namespace shorthand
