// SPDX-License-Identifier: Apache-2.0
// The machine's clock: what happens at t and not at t - 1, from the constants of device.h by hand, and the fast path of
// the streams against the reference that goes a word and a cycle at a time.
#include <gtest/gtest.h>

#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

const Device kNpu1 = *find_device("npu1");

std::vector<Cycle> times(const Side& side) {
  std::vector<Cycle> out;
  for (const Run& r : side.runs) {
    for (int64_t i = 0; i < r.count; ++i) out.push_back(r.start + i);
  }
  return out;
}

TEST(Flow, OneWordACycle) {
  Flow f({{7, 30}});
  f.grant_source(1000, 50);
  f.grant_sink(0, 1000, 3);
  f.advance();
  EXPECT_EQ(f.source().last, 50 + 999);  // word i leaves at 50 + i, not a cycle earlier
  EXPECT_EQ(f.sink(0).last, 57 + 999);   // and is there 7 later
  EXPECT_EQ(f.sink(0).runs.size(), 1u);
}

TEST(Flow, AFullPathHoldsTheSourceUp) {
  Flow f({{7, 30}});
  f.grant_source(100, 0);
  f.advance();
  EXPECT_EQ(f.source().moved, 30);  // the 31st has nowhere to go
  f.grant_sink(0, 100, 500);
  f.advance();
  const std::vector<Cycle> sent = times(f.source()), taken = times(f.sink(0));
  EXPECT_EQ(sent[29], 29);
  EXPECT_EQ(taken[0], 500);
  EXPECT_EQ(sent[30], 501);  // one cycle after the first was taken
  EXPECT_EQ(sent[99], 570);
  EXPECT_EQ(taken[99], 599);
}

TEST(Flow, ABroadcastWaitsForTheSlowest) {
  Flow f({{7, 30}, {11, 34}});
  f.grant_source(100, 0);
  f.grant_sink(0, 100, 0);
  f.advance();
  EXPECT_EQ(f.source().moved, 34);  // what fits on the way to the second
  EXPECT_EQ(f.sink(0).moved, 34);
  f.grant_sink(1, 100, 1000);
  f.advance();
  EXPECT_EQ(times(f.source())[34], 1001);
  EXPECT_EQ(times(f.sink(0))[34], 1008);
}

// Random grants, given in the order of time as the machine gives them: a side asks for more when it has moved what it
// had.
std::vector<std::vector<Cycle>> play(uint32_t seed, bool reference) {
  auto draw = [&, n = uint32_t{0}](uint32_t below) mutable { return philox({n++, 0, 0, 0}, {seed, 1})[0] % below; };
  std::vector<Path> paths(1 + draw(3));
  for (Path& p : paths) p.latency = static_cast<int>(3 + draw(20));
  for (Path& p : paths) p.capacity = p.latency + 1 + static_cast<int>(draw(20));
  Flow f(paths);
  struct Plan {
    int64_t words;
    Cycle pause;
  };
  const int64_t total = 600;
  std::vector<std::vector<Plan>> plans(paths.size() + 1);
  for (auto& plan : plans) {
    for (int64_t left = total; left > 0;) {
      const int64_t n = std::min<int64_t>(left, 1 + draw(150));
      plan.push_back({n, 1 + (draw(3) == 0 ? draw(400) : draw(4))});
      left -= n;
    }
  }
  std::vector<size_t> next(plans.size(), 0);
  std::vector<std::vector<Cycle>> out(plans.size());
  auto side = [&](size_t i) -> const Side& { return i == 0 ? f.source() : f.sink(i - 1); };
  for (Cycle now = 0; now < 100'000; ++now) {
    for (size_t i = 0; i < plans.size(); ++i) {
      // Done when the last word has moved in an earlier cycle.
      if (next[i] == plans[i].size() || !side(i).done() || side(i).last >= now) continue;
      const Plan p = plans[i][next[i]++];
      if (i == 0) {
        f.grant_source(p.words, now + p.pause);
      } else {
        f.grant_sink(i - 1, p.words, now + p.pause);
      }
      if (!reference) f.advance();
    }
    if (reference) f.tick(now);
  }
  for (size_t i = 0; i < plans.size(); ++i) out[i] = times(side(i));
  return out;
}

TEST(Flow, StretchesAreTheSameAsWordByWord) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const auto fast = play(seed, false), slow = play(seed, true);
    ASSERT_EQ(fast.size(), slow.size());
    ASSERT_EQ(slow[0].size(), 600u);
    for (size_t i = 0; i < fast.size(); ++i) ASSERT_EQ(fast[i], slow[i]) << "seed " << seed << " side " << i;
  }
}

}  // namespace
}  // namespace shorthand::npu
