// SPDX-License-Identifier: Apache-2.0
// The AIE source of attention against a softmax over all keys at once, in double precision.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/attention/aie2.h"
#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using shorthand::testing::Random;

size_t size(int n) { return static_cast<size_t>(n); }

struct Head {
  int keys;
  std::vector<int8_t> q, k;  // [64, 64], [keys, 64]
  std::vector<float> q_scales, k_scales;
  std::vector<bfloat16> v;  // [keys, 64]

  Head(Random& random, int n, float spread) : keys(n) {
    q = random.integers<int8_t>(64 * 64, -127, 127);
    k = random.integers<int8_t>(size(n * 64), -127, 127);
    // A score has a deviation of 127^2 / 3 * 8 * scales / 8.
    for (int r = 0; r < 64; ++r) q_scales.push_back(random.uniform(0.3f, 1.0f) * spread / 73);
    for (int j = 0; j < n; ++j) k_scales.push_back(random.uniform(0.3f, 1.0f) / 73);
    for (float x : random.floats(size(n * 64))) v.push_back(bfloat16(x));
  }

  std::vector<double> exact() const {
    std::vector<double> out(64 * 64);
    for (int r = 0; r < 64; ++r) {
      std::vector<double> scores;
      double most = -1e300, sum = 0;
      for (int j = 0; j < keys; ++j) {
        int dot = 0;
        for (int i = 0; i < 64; ++i) dot += q[size(r * 64 + i)] * k[size(j * 64 + i)];
        scores.push_back(static_cast<double>(dot) * q_scales[size(r)] * k_scales[size(j)] / 8);
        most = std::max(most, scores.back());
      }
      for (double& s : scores) sum += s = std::exp(s - most);
      for (int j = 0; j < keys; ++j) {
        for (int i = 0; i < 64; ++i)
          out[size(r * 64 + i)] += scores[size(j)] / sum * static_cast<double>(v[size(j * 64 + i)]);
      }
    }
    return out;
  }

  // The kernel over all keys; what pads the last tile is loud.
  struct Padding {
    int8_t key = 127;
    float value = 1e20f;
    int16_t factor = 32767;
  };
  std::vector<bfloat16> run() const { return run(Padding()); }
  std::vector<bfloat16> run(Padding padding) const {
    Buffer<int8_t> qs(to_blocks<int8_t>(q, 64, 64, 4, 8));
    Buffer<float> q_factors(q_scales), sums(64 * 64), row_sums(kAttentionRowSums, 5.0f);
    Buffer<int32_t> state(kAttentionState, 9);
    Buffer<int16_t> work(kAttentionWork, 7);
    Buffer<bfloat16> out(64 * 64);
    call("attention_begin_64x64", {q_factors.bytes(), row_sums.bytes(), state.bytes(), work.bytes()});
    for (int first = 0; first < keys; first += 64) {
      const int valid = std::min(64, keys - first);
      std::vector<int8_t> tile(64 * 64, padding.key);
      std::vector<bfloat16> values(64 * 64, bfloat16(padding.value));
      std::copy_n(k.begin() + first * 64, valid * 64, tile.begin());
      std::copy_n(v.begin() + first * 64, valid * 64, values.begin());
      Buffer<int8_t> ks(to_blocks<int8_t>(tile, 64, 64, 4, 8));
      Buffer<bfloat16> vs(to_blocks<bfloat16>(values, 64, 64, 4, 8));
      Buffer<int16_t> k_factors(96, padding.factor);
      pack_key_scales({k_scales.data() + first, size(valid)}, k_factors.data());
      call("attention_scores_64x64", {qs.bytes(), ks.bytes(), k_factors.bytes(), work.bytes()}, {valid});
      call("attention_weights_64x64", {row_sums.bytes(), state.bytes(), work.bytes()}, {valid});
      for (int half : {0, 1})
        call("attention_values_64x32", {work.bytes(), vs.bytes() + half * 4096, sums.bytes()}, {half});
    }
    EXPECT_TRUE(sums.untouched() && row_sums.untouched() && state.untouched() && work.untouched());
    call("attention_end_64x64", {sums.bytes(), row_sums.bytes(), out.bytes()});
    EXPECT_TRUE(out.untouched() && sums.untouched() && row_sums.untouched());
    EXPECT_EQ(std::count(sums.data(), sums.data() + 64 * 64, 0.0f), 64 * 64);
    return from_blocks<bfloat16>(out.span(), 64, 64, 4, 8);
  }
};

double relative_error(const std::vector<bfloat16>& got, const std::vector<double>& want) {
  double squares = 0, error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - want[i];
    squares += want[i] * want[i];
    error += d * d;
  }
  return std::sqrt(error / squares);
}

double snr(const std::vector<bfloat16>& got, const std::vector<double>& want) {
  return -20 * std::log10(relative_error(got, want));
}

// Weights and results are rounded to bfloat16; scores have an absolute error that grows with their range.
TEST(AttentionAie, IsTheSoftmaxOverAllKeysAtOnce) {
  Random random(1);
  for (int keys : {1, 5, 16, 63, 64, 65, 128, 1500}) {
    for (float spread : {0.05f, 1.0f, 6.0f}) {
      const Head head(random, keys, spread);
      const auto got = head.run();
      const double db = snr(got, head.exact());
      EXPECT_GT(db, 49.5) << keys << " keys, spread " << spread;
      if (keys == 1500) std::printf("1,500 keys, scores of deviation %g: SNR %.1f dB\n", spread, db);
    }
  }
}

TEST(AttentionAie, DoesNotSeeThePadding) {
  Random random(4);
  for (int keys : {1, 28, 64 + 17, 64 + 63}) {
    const Head head(random, keys, 3.0f);
    const auto got = head.run();
    for (const Head::Padding& other :
         {Head::Padding{-128, -3e38f, -32768}, Head::Padding{0, 0, 0}, Head::Padding{55, 1e-30f, -1}}) {
      const auto again = head.run(other);
      ASSERT_EQ(std::memcmp(got.data(), again.data(), got.size() * sizeof(bfloat16)), 0) << keys;
    }
  }
}

// One key holds a tenth of a row's weight and 1,499 the rest, each a thousandth of its: none may be lost.
TEST(AttentionAie, KeepsTheWeightOfManyLightKeys) {
  Random random(5);
  Head head(random, 1500, 1.0f);
  const double octaves = std::log2(1500.0 / 9), unit = octaves / 1.44269504 * 8 / (64.0 * 127 * 127);
  for (int r = 0; r < 64; ++r) {
    std::fill_n(head.q.begin() + r * 64, 64, int8_t{127});
    head.q_scales[size(r)] = static_cast<float>(std::sqrt(unit));
  }
  std::fill(head.k.begin(), head.k.end(), int8_t{0});
  std::fill(head.k_scales.begin(), head.k_scales.end(), static_cast<float>(std::sqrt(unit)));
  std::fill_n(head.k.begin() + 700 * 64, 64, int8_t{127});
  EXPECT_GT(snr(head.run(), head.exact()), 45);
}

// Later keys that matter far more than earlier ones, and scales that grow by orders: every maximum moves, sums are
// rescaled and the unit of the scores changes.
TEST(AttentionAie, FollowsARisingMaximum) {
  Random random(2);
  for (float growth : {2.0f, 40.0f}) {
    Head head(random, 320, 1.0f);
    for (int j = 0; j < head.keys; ++j) head.k_scales[size(j)] *= std::pow(growth, static_cast<float>(j / 64) - 3.0f);
    EXPECT_GT(snr(head.run(), head.exact()), 46) << growth;
    std::reverse(head.k_scales.begin(), head.k_scales.end());
    EXPECT_GT(snr(head.run(), head.exact()), 46) << "falling, " << growth;
  }
}

TEST(AttentionAie, TakesKeysAndQueriesWithoutScale) {
  Random random(3);
  Head head(random, 100, 1.0f);
  for (size_t j = 0; j < 70; ++j) {
    head.k_scales[j] = 0;
    std::fill_n(head.k.begin() + static_cast<long>(j) * 64, 64, int8_t{0});
  }
  head.q_scales[3] = 0;
  EXPECT_GT(snr(head.run(), head.exact()), 49);
}

}  // namespace
}  // namespace shorthand::npu
