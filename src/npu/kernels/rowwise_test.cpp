// SPDX-License-Identifier: Apache-2.0
// The AIE source of rowwise against double precision written out here, on zero-mean data with outliers.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "kernels/rowwise/aie2.h"
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
void expect_steps(std::span<const int8_t> q, double scale, std::span<const double> y, double loss,
                  double of_scale = 2e-4) {
  double largest = 0;
  for (double v : y) largest = std::max(largest, std::fabs(v));
  ASSERT_NEAR(scale, largest / 127, of_scale * largest / 127 + loss / 127);
  int most = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(q[i] * scale, y[i], 0.5 * scale + 3e-4 * std::fabs(y[i]) + loss) << i;
    most = std::max(most, std::abs(q[i]));
  }
  EXPECT_EQ(most, largest > 0 ? 127 : 0);
}

// Four rows of `width` as layer_norm_i8 takes them, and what it leaves.
struct NormRows {
  int width;
  Buffer<float> rows, scales{4}, state{kNormState};
  Buffer<int16_t> parameters;
  Buffer<int8_t> q;

  NormRows(std::span<const float> x, std::span<const float> gamma, std::span<const float> beta)
      : width(static_cast<int>(gamma.size())),
        rows(to_blocks<float>(x, 4, width, 4, 8)),
        parameters(layer_norm_words(width)),
        q(size(4 * width)) {
    pack_layer_norm(gamma, beta, parameters.data());
    for (int i = 0; i < 4 * width; ++i) {
      state[size(i % 32)] += rows[size(i)];
      const auto upper = static_cast<int16_t>(std::bit_cast<uint32_t>(std::fabs(rows[size(i)])) >> 16);
      int16_t* most = reinterpret_cast<int16_t*>(state.data() + 32) + i % 32;
      *most = std::max(*most, upper);
    }
    call("layer_norm_i8", {rows.bytes(), parameters.bytes(), state.bytes(), q.bytes(), scales.bytes()}, {width});
    EXPECT_TRUE(rows.untouched() && parameters.untouched() && state.untouched() && q.untouched());
    EXPECT_TRUE(scales.untouched());
  }
  std::vector<int8_t> steps() { return from_blocks<int8_t>(q.span(), 4, width, 4, 8); }
  std::vector<double> normal() {
    const std::span<const int16_t> left{reinterpret_cast<const int16_t*>(rows.data()), size(4 * width)};
    std::vector<double> y;
    for (int16_t v : from_blocks<int16_t>(left, 4, width, 4, 8))
      y.push_back(std::ldexp(static_cast<double>(v), -14) * state[0]);
    return y;
  }
};

std::vector<double> layer_norm(std::span<const float> row, std::span<const float> gamma, std::span<const float> beta) {
  double mean = 0, variance = 0;
  const auto width = static_cast<double>(row.size());
  for (float x : row) mean += x / width;
  for (float x : row) variance += (x - mean) * (x - mean) / width;
  std::vector<double> y;
  for (size_t i = 0; i < row.size(); ++i)
    y.push_back((row[i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i]);
  return y;
}

TEST(RowwiseAie, LayerNormIsThatOfDoublePrecision) {
  Random random(1);
  for (int width : {64, 384, 512, 1280}) {
    for (const auto& [centre, most] : {std::pair{0.0f, 6e-4}, {-3.0f, 1e-3}, {100.0f, 6e-3}}) {
      std::vector<float> x = random.floats(size(4 * width), 2.0f);
      for (float& v : x) v += centre;
      const std::vector<float> gamma = random.floats(size(width)), beta = random.floats(size(width), 0.5f);
      NormRows got(x, gamma, beta);
      const std::vector<double> normal = got.normal();
      const std::vector<int8_t> q = got.steps();
      double squares = 0, error = 0;
      for (int r = 0; r < 4; ++r) {
        const size_t row = size(r * width);
        const std::vector<double> y = layer_norm({x.data() + row, size(width)}, gamma, beta);
        for (size_t i = 0; i < y.size(); ++i) {
          squares += y[i] * y[i];
          error += std::pow(normal[row + i] - y[i], 2);
        }
        // Sixteen bits of |x| + |mean|, times the largest gamma, and of y. The scale is that of a thousandth less
        // steps, and of a row that is small beside the others up to a hundredth.
        const double loss = std::ldexp(30 + 3 * std::fabs(centre), -15) * largest_of(gamma);
        expect_steps({q.data() + row, size(width)}, got.scales[size(r)], y, loss, 1e-2);
      }
      EXPECT_LT(std::sqrt(error / squares), most) << width << ", centre " << centre;
    }
  }
}

// A channel a hundred times as large as the others, a row a thousand times as large, one that is all the same, one of
// zeros; gamma or beta alone.
TEST(RowwiseAie, LayerNormHoldsForUnevenRows) {
  Random random(6);
  constexpr int kWidth = 512;
  for (const auto& [of_gamma, of_beta] : {std::pair{1.0f, 0.3f}, {0.001f, 2.0f}, {3.0f, 0.0f}, {0.0f, 1.0f}}) {
    std::vector<float> x = random.floats(4 * kWidth), gamma = random.floats(kWidth), beta = random.floats(kWidth);
    for (float& g : gamma) g *= of_gamma;
    for (float& b : beta) b *= of_beta;
    x[77] = 100;
    for (int i = 0; i < kWidth; ++i) x[size(kWidth + i)] *= 1000, x[size(2 * kWidth + i)] = 0.7f;
    std::fill(x.begin() + 3 * kWidth, x.end(), 0.0f);
    NormRows got(x, gamma, beta);
    const std::vector<double> normal = got.normal();
    double largest = 0;
    std::vector<double> want;
    for (size_t r = 0; r < 4; ++r) {
      for (double y : layer_norm({x.data() + r * kWidth, kWidth}, gamma, beta)) want.push_back(y);
    }
    for (double y : want) largest = std::max(largest, std::fabs(y));
    const float most = *std::ranges::max_element(gamma, {}, [](float g) { return std::fabs(g); });
    const double bound = std::sqrt(kWidth) * std::fabs(most) + largest;
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(normal[i], want[i], 3e-4 * bound) << of_gamma << ": " << i;
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
