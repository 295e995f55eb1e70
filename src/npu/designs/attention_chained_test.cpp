// SPDX-License-Identifier: Apache-2.0
// The chained form of attention on the simulated array against the formula in double precision, from the same int8.
#include "npu/designs/attention_chained.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "npu/check.h"
#include "npu/designs/registry.h"
#include "npu/test_designs.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

size_t at(int64_t n) { return static_cast<size_t>(n); }

struct Inputs {
  std::vector<int8_t> q, k, v;
  std::vector<float> q_scales, k_scales, v_scales;

  explicit Inputs(const ChainedAttention& a) {
    shorthand::testing::Random random(11);
    const size_t n = at(a.positions) * at(a.heads) * 64;
    for (auto* x : {&q, &k, &v}) *x = random.integers<int8_t>(n, -127, 127);
    // Scores of deviation 2: weights between even and one that has it all.
    const float unit = std::sqrt(2.0f) / 73;
    for (int i = 0; i < a.positions * a.heads; ++i) {
      q_scales.push_back(unit * random.uniform(0.5f, 1.5f)), k_scales.push_back(unit * random.uniform(0.5f, 1.5f));
    }
    for (int i = 0; i < a.heads * 64; ++i) v_scales.push_back(random.uniform(0.005f, 0.02f));
  }
  AttentionInputs view() const { return {q, k, v, q_scales, k_scales, v_scales}; }

  std::vector<double> attended(const ChainedAttention& a) const {
    const size_t n = at(a.positions), heads = at(a.heads), d = heads * 64;
    std::vector<double> out(n * d), w(n);
    for (size_t h = 0; h < heads; ++h) {
      for (size_t r = 0; r < n; ++r) {
        double sum = 0;
        for (size_t j = 0; j < n; ++j) {
          int dot = 0;
          for (size_t i = h * 64; i < h * 64 + 64; ++i) dot += q[r * d + i] * k[j * d + i];
          sum += w[j] = std::exp(double{q_scales[r * heads + h]} * double{k_scales[j * heads + h]} * dot / 8);
        }
        for (size_t j = 0; j < n; ++j) {
          for (size_t i = h * 64; i < h * 64 + 64; ++i)
            out[r * d + i] += w[j] / sum * v[j * d + i] * double{v_scales[i]};
        }
      }
    }
    return out;
  }
};

struct Ran {
  std::vector<float> rows;
  Cycle cycles = 0;
};

Ran run_chained(const Device& device, const ChainedAttention& a, const Inputs& in,
                std::vector<ChainedAttention> launches) {
  std::vector<std::vector<std::byte>> host = {pack_chained(device, a, in.view()), {}, {}};
  Ran ran;
  for (const ChainedAttention& launch : launches) {
    const Result<Design> design = chained_attention_design(device, launch);
    EXPECT_TRUE(design.ok());
    const Result<Placement> placement = check(*design, device);
    EXPECT_TRUE(placement.ok()) << placement.error().message;
    for (size_t i = 1; i < host.size(); ++i) host[i].resize(at(design->host[i].bytes), std::byte{0x5A});
    const SimReport report = run(*design, device, {}, host);
    SimOptions timing;
    timing.timing_only = true;
    EXPECT_EQ(run(*design, device, timing, host).cycles, report.cycles);
    ran.cycles += report.cycles;
  }
  ran.rows = unpack_chained(device, a, host[2]);
  return ran;
}

// Positions that fill no block, heads that fill no column; memory that holds anything before.
TEST(AttentionChained, IsAttention) {
  for (const char* name : {"npu1", "npu1_1col", "npu2"}) {
    const Device device = *find_device(name);
    const ChainedAttention a{.positions = 150, .heads = 3};
    const Inputs in(a);
    const std::vector<double> want = in.attended(a);
    const Ran got = run_chained(device, a, in, {a});
    double error = 0, power = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      error += std::pow(double{got.rows[i]} - want[i], 2), power += std::pow(want[i], 2);
    }
    std::printf("%s: relative L2 %.4f\n", name, std::sqrt(error / power));
    EXPECT_LT(std::sqrt(error / power), 0.02) << name;
  }
}

TEST(AttentionChained, LaunchesAndBuffersChangeNoBit) {
  const Device device = *find_device("npu1");
  ChainedAttention a{.positions = 200, .heads = 4};
  const Inputs in(a);
  std::vector<ChainedAttention> passes(3, a);
  for (int i = 0; i < 3; ++i) passes[at(i)].first = i, passes[at(i)].count = 1;
  ChainedAttention single = a;
  single.depth = 1;
  const Ran whole = run_chained(device, a, in, {a});
  for (const std::vector<ChainedAttention>& launches : {passes, {single}}) {
    const Ran other = run_chained(device, a, in, launches);
    EXPECT_EQ(whole.rows, other.rows);
    EXPECT_GT(other.cycles, whole.cycles);
  }
}

// What docs/npu.md says of the two forms, `base` on npu1 at 1.0 GHz: making weights of scores takes longer than all of
// the fused form, before a score has been written or read.
TEST(AttentionChained, TakesLongerThanTheFusedForm) {
  const Device device = *find_device("npu1");
  SimOptions timing;
  timing.timing_only = true, timing.clock_ghz = 1.0;
  const auto ms = [&](const char* what, const Design& design) {
    const SimReport r = *simulate(design, device, timing, {});
    std::printf("%-10s array %.3f ms, %.1f MB read, %.1f MB written, cores in kernels %.1f %%\n", what,
                r.array_us() / 1e3, static_cast<double>(r.bytes_read) / 1e6, static_cast<double>(r.bytes_written) / 1e6,
                100 * r.utilisation());
    return r.array_us() / 1e3;
  };
  const double fused = ms("fused", find_design("attention")->build(device, {})->design);
  const double whole = ms("chained", find_design("attention-chained")->build(device, {})->design);
  constexpr const char* kNames[] = {"scores", "softmax", "values"};
  double passes[3];
  for (int i = 0; i < 3; ++i) {
    passes[i] = ms(kNames[i], *chained_attention_design(device, {.first = i, .count = 1}));
  }
  EXPECT_GT(whole, 2 * fused);
  EXPECT_GT(passes[1], fused);
  EXPECT_NEAR(passes[0] + passes[1] + passes[2], whole, 0.02 * whole);
}

TEST(AttentionChained, RefusesWhatItCannotHold) {
  const Device device = *find_device("npu1");
  EXPECT_FALSE(chained_attention_design(device, {.positions = 1537}).ok());
  EXPECT_FALSE(chained_attention_design(device, {.heads = 0}).ok());
  EXPECT_FALSE(chained_attention_design(device, {.first = 1, .count = 3}).ok());
  EXPECT_FALSE(chained_attention_design(device, {.count = 0}).ok());
  EXPECT_FALSE(chained_attention_design(device, {.depth = 0}).ok());
  const Result<Design> full = chained_attention_design(device, {.positions = 1536, .heads = 1});
  ASSERT_TRUE(full.ok());
  const Result<Placement> placement = check(*full, device);
  EXPECT_TRUE(placement.ok()) << placement.error().message;
}

}  // namespace
}  // namespace shorthand::npu
