// SPDX-License-Identifier: Apache-2.0
#include "audio/timeline.h"

#include <gtest/gtest.h>

#include <vector>

namespace shorthand {
namespace {

constexpr int kRate = 48000;
constexpr int64_t kFrame = 960;  // 20 ms

// Runs stamps of frames of 20 ms through a timeline, as the decoder does; the silence and cut of every frame in ms.
struct Placed {
  std::vector<int64_t> silence_ms, cut_ms;
  int64_t silence() const { return sum(silence_ms); }
  int64_t cut() const { return sum(cut_ms); }
  static int64_t sum(const std::vector<int64_t>& v) {
    int64_t all = 0;
    for (int64_t x : v) all += x;
    return all;
  }
};

Placed run(Timeline& timeline, const std::vector<std::optional<double>>& stamps, int rate = kRate) {
  Placed placed;
  const auto put = [&](const StampedFrame& f, const StampedFrame* next) {
    const Timeline::Place p = timeline.place(f, next);
    placed.silence_ms.push_back(p.silence * 1000 / f.rate);
    placed.cut_ms.push_back(p.cut * 1000 / f.rate);
  };
  std::optional<StampedFrame> doubted;
  for (const auto& at : stamps) {
    const StampedFrame f{at, kFrame, rate};
    if (doubted) put(*doubted, &f);
    doubted.reset();
    if (timeline.follows(f)) {
      put(f, nullptr);
    } else {
      doubted = f;
    }
  }
  if (doubted) put(*doubted, nullptr);
  return placed;
}

// `n` frames that follow one another from `first_s` on.
std::vector<std::optional<double>> steady(double first_s, int n) {
  std::vector<std::optional<double>> stamps;
  for (int i = 0; i < n; ++i) stamps.emplace_back(first_s + 0.02 * i);
  return stamps;
}

std::vector<std::optional<double>> operator+(std::vector<std::optional<double>> a,
                                             const std::vector<std::optional<double>>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Timeline, SteadyStampsChangeNothingWhereverTheyBegin) {
  for (double start : {0.0, -0.007, 1.4, 36000.0}) {
    Timeline t;
    const Placed p = run(t, steady(start, 500));
    EXPECT_EQ(p.silence() + p.cut(), 0) << start;
    EXPECT_FALSE(t.jump());
  }
}

TEST(Timeline, RoundedStampsDoNotAddUp) {
  Timeline t;
  std::vector<std::optional<double>> stamps;
  for (int i = 0; i < 100000; ++i) stamps.emplace_back(static_cast<int>(0.02 * i * 1000 + i % 2) / 1000.0);
  const Placed p = run(t, stamps);
  EXPECT_EQ(p.silence() + p.cut(), 0);
}

TEST(Timeline, SoundThatBeginsLaterThanThePictureComesAfterSilence) {
  Timeline t({.start_s = 1.4});
  EXPECT_EQ(run(t, steady(3.4, 10)).silence_ms, (std::vector<int64_t>{2000, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  Timeline just({.start_s = 0});
  EXPECT_EQ(run(just, steady(0.09, 10)).silence(), 0) << "an encoder's delay is no lateness";
  Timeline early({.start_s = 5});
  EXPECT_EQ(run(early, steady(1, 10)).silence(), 0) << "the sound itself is the start";
}

TEST(Timeline, AHoleIsSilentAndAnOverlapIsHeardOnce) {
  Timeline hole;
  const Placed p = run(hole, steady(0, 3) + steady(3.06, 3));
  EXPECT_EQ(p.silence_ms, (std::vector<int64_t>{0, 0, 0, 3000, 0, 0}));
  Timeline overlap;
  const Placed o = run(overlap, steady(0, 50) + steady(0.87, 10));
  EXPECT_EQ(o.cut(), 130);
  EXPECT_EQ(o.cut_ms[50], 20);
  EXPECT_EQ(o.cut_ms[55], 20);
  EXPECT_EQ(o.cut_ms[56], 10);
  EXPECT_EQ(o.cut_ms[57], 0);
}

TEST(Timeline, SmallLossesAreMadeUpForOnceTheyAddUp) {
  Timeline t;
  std::vector<std::optional<double>> stamps;
  double at = 0;
  for (int i = 0; i < 100; ++i, at += 0.02) {
    if (i % 10 == 0) at += 0.03;
    stamps.emplace_back(at);
  }
  const int64_t silence = run(t, stamps).silence();
  EXPECT_GE(silence, 300 - 30 - 100);  // the first 30 ms are where the sound starts
  EXPECT_LE(silence, 300);
}

TEST(Timeline, AStampThatItsNeighbourBeliesIsLeftAlone) {
  Timeline t;
  auto stamps = steady(0, 20);
  stamps[7] = 5.0;
  stamps[12] = -3.0;
  const Placed p = run(t, stamps);
  EXPECT_EQ(p.silence() + p.cut(), 0);
}

TEST(Timeline, AClockSetBackGoesOnWithoutASeam) {
  Timeline t;
  const Placed p = run(t, steady(0, 300) + steady(0, 300) + steady(2, 10));
  EXPECT_EQ(p.cut(), 0) << "joined recordings: every sample is heard";
  EXPECT_EQ(p.silence(), 0) << "4 s back at the end";
  EXPECT_FALSE(t.jump());
}

TEST(Timeline, AClockMayTellTheStartAlone) {
  Timeline t({.clock = Timeline::Clock::starts, .start_s = 0});
  EXPECT_EQ(run(t, steady(2, 10) + steady(7, 10)).silence(), 2000);
  Timeline none({.clock = Timeline::Clock::none, .start_s = 0});
  EXPECT_EQ(run(none, steady(2, 10) + steady(7, 10)).silence(), 0);
}

TEST(Timeline, AGuessedStartIsSetRightByTheFirstStampThatIsKnown) {
  Timeline alone({.start_guessed = true});
  const Placed p = run(alone, steady(0, 50) + steady(101, 50) + steady(105, 50));
  EXPECT_EQ(p.silence(), 3000) << "the hole after it counts";
  Timeline late({.start_guessed = true, .start_s = 0});
  EXPECT_EQ(run(late, steady(0, 50) + steady(3, 50)).silence(), 2000);
}

TEST(Timeline, AJumpOfHoursIsToldAndMakesNoSilence) {
  Timeline t;
  const Placed p = run(t, steady(0, 100) + steady(30000, 10) + steady(30001.2, 10));
  EXPECT_EQ(p.silence(), 1000) << "the hole after it counts";
  ASSERT_TRUE(t.jump());
  EXPECT_NEAR(t.jump()->at_s, 2, 1e-9);
  EXPECT_NEAR(t.jump()->seconds, 29998, 1e-9);
  Timeline late({.start_s = -10000});
  EXPECT_EQ(run(late, steady(0, 10)).silence(), 0);
  EXPECT_TRUE(late.jump());
}

TEST(Timeline, SilenceInAllIsBounded) {
  Timeline t({.most_silence_s = 5000});
  std::vector<std::optional<double>> stamps;
  for (int i = 0; i < 10; ++i) stamps = stamps + steady(3000.0 * i, 2);
  EXPECT_LE(run(t, stamps).silence(), 5000 * 1000);
  EXPECT_TRUE(t.jump());
}

TEST(Timeline, FramesWithoutStampsFollow) {
  Timeline t({.start_s = 0});
  auto stamps = steady(0, 30);
  for (int i = 3; i < 30; i += 2) stamps[static_cast<size_t>(i)].reset();
  EXPECT_EQ(run(t, stamps).silence(), 0);
  Timeline none({.start_s = 0});
  EXPECT_EQ(run(none, {std::nullopt, std::nullopt, 7.0, 7.02}).silence(), 0);
}

// Ogg counts the samples of the first link: those of a second one at another rate make the same numbers mean less.
TEST(Timeline, AClockOfSamplesEndsWithTheirRate) {
  Timeline t({.ticks_per_s = kRate});
  EXPECT_EQ(run(t, steady(0, 100)).silence(), 0);
  EXPECT_EQ(run(t, steady(900, 100), 44100).silence(), 0);
  EXPECT_FALSE(t.jump());
  Timeline real({.ticks_per_s = 90000});
  EXPECT_EQ(run(real, steady(0, 100)).silence(), 0);
  EXPECT_GT(run(real, {3.0, 3.0 + 960 / 44100.0}, 44100).silence(), 900);
}

}  // namespace
}  // namespace shorthand
