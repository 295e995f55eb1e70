// SPDX-License-Identifier: Apache-2.0
// The AIE source of rowwise against double precision written out here, on zero-mean data with outliers.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <cmath>
#include <vector>

#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using shorthand::testing::Random;

size_t size(int n) { return static_cast<size_t>(n); }

// What quantised rows say, against what they should: half a step each, and what the kernel's products lose.
void expect_steps(std::span<const int8_t> q, double scale, std::span<const double> y, double loss) {
  double largest = 0;
  for (double v : y) largest = std::max(largest, std::fabs(v));
  ASSERT_NEAR(scale, largest / 127, 2e-4 * largest / 127 + loss / 127);
  int most = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(q[i] * scale, y[i], 0.5 * scale + 3e-4 * std::fabs(y[i]) + loss) << i;
    most = std::max(most, std::abs(q[i]));
  }
  EXPECT_EQ(most, largest > 0 ? 127 : 0);
}

TEST(RowwiseAie, LayerNormIsThatOfDoublePrecision) {
  Random random(1);
  for (int width : {64, 384, 512, 1280}) {
    for (float centre : {0.0f, -30.0f, 100.0f}) {
      constexpr int kRows = 5;
      std::vector<float> x = random.floats(size(kRows * width), 2.0f);
      for (float& v : x) v += centre;
      std::fill_n(x.begin(), width, centre);  // a row without variance: epsilon decides
      const std::vector<float> gamma = random.floats(size(width)), beta = random.floats(size(width), 0.5f);
      Buffer<float> rows(x), scales(kRows), parameters(layer_norm_floats(width));
      pack_layer_norm(gamma, beta, parameters.data());
      Buffer<int8_t> q(size(kRows * width));
      call("layer_norm_i8", {rows.bytes(), parameters.bytes(), q.bytes(), scales.bytes()}, {kRows, width});
      EXPECT_TRUE(rows.untouched() && q.untouched() && scales.untouched());
      double squares = 0, error = 0;
      for (int r = 0; r < kRows; ++r) {
        const float* row = x.data() + r * width;
        double mean = 0, variance = 0;
        for (int i = 0; i < width; ++i) mean += static_cast<double>(row[i]) / width;
        for (int i = 0; i < width; ++i) variance += (row[i] - mean) * (row[i] - mean) / width;
        const double scale = 1 / std::sqrt(variance + 1e-5);
        std::vector<double> y;
        for (int i = 0; i < width; ++i) y.push_back((row[i] - mean) * scale * gamma[size(i)] + beta[size(i)]);
        for (int i = 0; i < width; ++i) {
          const double d = rows[size(r * width + i)] - y[size(i)];
          if (r > 0) squares += y[size(i)] * y[size(i)], error += d * d;
        }
        // The mean keeps 16 bits of itself, and a mean far from zero loses that part of it.
        const double loss = std::fabs(mean) * std::ldexp(1.0, -15) * scale * 30;
        expect_steps({q.data() + r * width, size(width)}, scales[size(r)], y, loss + 1e-3);
      }
      EXPECT_LT(std::sqrt(error / squares), 3e-4 + std::fabs(centre) * 2e-5) << width << ", centre " << centre;
    }
  }
}

TEST(RowwiseAie, QuantisesRowsWithTheirOwnScales) {
  Random random(2);
  constexpr int kRows = 6, kWidth = 240, kStride = 256;
  std::vector<float> x = random.floats(kRows * kWidth);
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kWidth; ++i) x[size(r * kWidth + i)] *= r == 2 ? 0 : std::ldexp(1.0f, 4 * r - 8);
  }
  Buffer<float> wide(x), scales(kRows);
  Buffer<int8_t> q(kRows * kStride, 99);
  call("quantise_rows_f32", {wide.bytes(), q.bytes(), scales.bytes()}, {kRows, kWidth, kWidth, kStride});
  EXPECT_TRUE(q.untouched() && scales.untouched());
  Buffer<bfloat16> narrow(x.size());
  for (size_t i = 0; i < x.size(); ++i) narrow[i] = bfloat16(x[i]);
  Buffer<int8_t> q16(kRows * kStride, 99);
  Buffer<float> scales16(kRows);
  call("quantise_rows_bf16", {narrow.bytes(), q16.bytes(), scales16.bytes()}, {kRows, kWidth, kWidth, kStride});
  for (int r = 0; r < kRows; ++r) {
    std::vector<double> y(x.begin() + r * kWidth, x.begin() + (r + 1) * kWidth), y16;
    for (int i = 0; i < kWidth; ++i) y16.push_back(narrow[size(r * kWidth + i)]);
    expect_steps({q.data() + r * kStride, kWidth}, scales[size(r)], y, 0);
    expect_steps({q16.data() + r * kStride, kWidth}, scales16[size(r)], y16, 0);
    for (int i = kWidth; i < kStride; ++i) ASSERT_EQ(q[size(r * kStride + i)], 0);
  }
}

// Rows that overlap: kernels of three frames over frames of 80 channels, every frame or every other.
TEST(RowwiseAie, TakesFramesUnderAConvolutionsKernel) {
  Random random(3);
  constexpr int kChannels = 80, kFrames = 21, kStride = 256;
  const std::vector<float> mel = random.floats(kFrames * kChannels);
  for (int step : {1, 2}) {
    const int rows = (kFrames - 3) / step + 1;
    Buffer<float> x(mel), scales(size(rows));
    Buffer<int8_t> q(size(rows * kStride));
    call("quantise_rows_f32", {x.bytes(), q.bytes(), scales.bytes()}, {rows, 3 * kChannels, step * kChannels, kStride});
    for (int r = 0; r < rows; ++r) {
      std::vector<double> y;
      for (int tap = 0; tap < 3; ++tap) {
        for (int c = 0; c < kChannels; ++c) y.push_back(mel[size((r * step + tap) * kChannels + c)]);
      }
      expect_steps({q.data() + r * kStride, y.size()}, scales[size(r)], y, 0);
    }
  }
}

TEST(RowwiseAie, GeluHoldsOverTheWholeRange) {
  Buffer<bfloat16> x(4096), y(4096);
  for (int i = 0; i < 4096; ++i) x[size(i)] = bfloat16(static_cast<float>(i - 2048) / 200);  // -10.2 to 10.2
  x[0] = bfloat16(-1000.0f);
  x[1] = bfloat16(1000.0f);
  call("gelu_bf16", {x.bytes(), y.bytes()}, {4096});
  for (int i = 0; i < 4096; ++i) {
    const double v = x[size(i)], want = 0.5 * v * std::erfc(-v / std::sqrt(2.0));
    ASSERT_NEAR(static_cast<double>(y[size(i)]), want, 1.9e-4 + std::fabs(want) / 256) << v;
  }
}

TEST(RowwiseAie, SoftmaxSeesTheValidKeysAndNoOthers) {
  Random random(4);
  constexpr int kRows = 4, kWidth = 1536;
  for (int valid : {1, 31, 32, 33, 1500, 1536}) {
    std::vector<float> x = random.floats(kRows * kWidth, 3.0f);
    for (int r = 0; r < kRows; ++r) {
      for (int i = valid; i < kWidth; ++i) x[size(r * kWidth + i)] = 1e6f;  // would win if it were seen
    }
    Buffer<float> scores(x);
    Buffer<bfloat16> p(kRows * kWidth);
    call("softmax_bf16", {scores.bytes(), p.bytes()}, {kRows, kWidth, valid});
    EXPECT_TRUE(p.untouched());
    double squares = 0, error = 0;
    for (int r = 0; r < kRows; ++r) {
      const float* row = x.data() + r * kWidth;
      double most = row[0], sum = 0, total = 0;
      for (int i = 0; i < valid; ++i) most = std::max(most, static_cast<double>(row[i]));
      for (int i = 0; i < valid; ++i) sum += std::exp(row[i] - most);
      for (int i = 0; i < kWidth; ++i) {
        const double want = i < valid ? std::exp(row[i] - most) / sum : 0, got = p[size(r * kWidth + i)];
        ASSERT_NEAR(got, want, 0.015 * want + 1e-9) << valid << ", " << i;
        squares += want * want, error += (got - want) * (got - want), total += got;
      }
      EXPECT_NEAR(total, 1, 0.004);
    }
    EXPECT_LT(std::sqrt(error / squares), 0.006) << valid;
  }
}

TEST(RowwiseAie, AddsFloats) {
  Random random(5);
  const std::vector<float> a = random.floats(160), b = random.floats(160);
  Buffer<float> x(a), y(b);
  call("add_f32", {x.bytes(), y.bytes(), x.bytes()}, {160});
  EXPECT_TRUE(x.untouched());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(x[i], a[i] + b[i]);
}

}  // namespace
}  // namespace shorthand::npu
