// SPDX-License-Identifier: Apache-2.0
// The AIE source of gemm_i8 against 64-bit integers and double precision written out here.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/gemm_i8/aie2.h"
#include "kernels/simd/scalar_math.h"
#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using shorthand::testing::Random;

size_t size(int n) { return static_cast<size_t>(n); }
// What an epilogue writes for itself, and must not read before.
struct Own : Buffer<int16_t> {
  Own() : Buffer(kEpilogueRows, 12345) {}
};
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

// Two matrices, their exact product, and what the epilogue needs.
struct Case {
  int m, n, k;
  std::vector<int8_t> a, b;
  std::vector<int64_t> exact;
  std::vector<float> row_scales, column_scales, bias;

  Case(Random& random, int rows, int columns, int depth) : m(rows), n(columns), k(depth) {
    a = random.integers<int8_t>(size(m * k), -127, 127);
    b = random.integers<int8_t>(size(k * n), -127, 127);
    exact.resize(size(m * n));
    for (int r = 0; r < m; ++r) {
      for (int c = 0; c < n; ++c) {
        for (int i = 0; i < k; ++i) exact[size(r * n + c)] += int64_t{a[size(r * k + i)]} * b[size(i * n + c)];
      }
    }
    // Rows and columns of very different scale, results near 1, where GELU bends.
    for (int r = 0; r < m; ++r)
      row_scales.push_back(random.uniform(0.1f, 3.0f) / 5000.0f / std::sqrt(static_cast<float>(k)));
    for (int c = 0; c < n; ++c) column_scales.push_back(random.uniform(0.2f, 2.0f));
    bias = random.floats(size(n), 1.0f);
  }
  double value(int r, int c) const {
    return static_cast<double>(exact[size(r * n + c)]) * row_scales[size(r)] * column_scales[size(c)];
  }
  // The kernel's sums, k cut in tiles of `step`.
  Buffer<int32_t> sums(const std::string& kernel, int step) {
    Buffer<int32_t> out(size(m * n), 77);
    call("zero_i32_" + std::to_string(m) + "x" + std::to_string(n), {out.bytes()});
    for (int k0 = 0; k0 < k; k0 += step) {
      std::vector<int8_t> left, right(b.begin() + k0 * n, b.begin() + (k0 + step) * n);
      for (int r = 0; r < m; ++r) left.insert(left.end(), a.begin() + r * k + k0, a.begin() + r * k + k0 + step);
      Buffer<int8_t> at(to_blocks<int8_t>(left, m, step, 4, 8)), bt(to_blocks<int8_t>(right, step, n, 8, 8));
      call(kernel, {at.bytes(), bt.bytes(), out.bytes()});
    }
    EXPECT_TRUE(out.untouched());
    return out;
  }
  Buffer<std::byte> columns() const {
    Buffer<std::byte> packed(columns_bytes(n));
    pack_columns(column_scales, bias, packed.data());
    return packed;
  }
};

struct Product {
  const char* kernel;
  int m, n, step;
};
class GemmI8Aie : public ::testing::TestWithParam<Product> {};

TEST_P(GemmI8Aie, SumsTheWholeOfKExactly) {
  Random random(1);
  const Product p = GetParam();
  for (int steps : {1, 2, 8}) {
    Case c(random, p.m, p.n, p.step * steps);
    Buffer<int32_t> sums = c.sums(p.kernel, p.step);
    const auto got = from_blocks<int32_t>(sums.span(), p.m, p.n, 4, 8);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], c.exact[i]) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Tiles, GemmI8Aie,
                         ::testing::Values(Product{"matmul_i8_16x16x16", 16, 16, 16},
                                           Product{"matmul_i8_32x32x32", 32, 32, 32},
                                           Product{"matmul_i8_64x64x64", 64, 64, 64},
                                           Product{"matmul_i8_64x128x64", 64, 64, 128},
                                           Product{"matmul_i8_stock_64x64x64", 64, 64, 64}),
                         [](const auto& p) { return std::string(p.param.kernel); });

struct Errors {
  double squares = 0, error = 0, worst = 0;
  void add(double got, double want) {
    squares += want * want;
    error += (got - want) * (got - want);
    worst = std::max(worst, std::fabs(got - want));
  }
  double relative() const { return std::sqrt(error / squares); }
};

// A rounding to bfloat16 errs by at most 2^-8 of the value; evenly spread, and at worst for every value, by an RMS of
// 2^-8 / sqrt(3). Independent roundings add up as squares.
double roundings(int n) { return std::sqrt(n / 3.0) / 256; }

TEST(GemmI8Epilogue, DequantisesToBfloat16) {
  Random random(2);
  for (int n : {64}) {
    const std::string shape = std::to_string(n) + "x" + std::to_string(n);
    Case c(random, n, n, 512);
    Buffer<int32_t> sums = c.sums("matmul_i8_" + shape + "x" + std::to_string(n), n);
    Buffer<float> rows(c.row_scales), largest(size(n), 0.25f);
    Buffer<std::byte> columns = c.columns();
    Buffer<bfloat16> out(size(n * n));
    call("epilogue_bf16_" + shape,
         {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), largest.bytes(), Own().bytes()});
    EXPECT_TRUE(out.untouched() && largest.untouched());
    const auto got = from_blocks<bfloat16>(out.span(), n, n, 4, 8);
    Errors e;
    for (int r = 0; r < n; ++r) {
      double most = 0.25;
      for (int i = 0; i < n; ++i) {
        const double want = c.value(r, i) + c.bias[size(i)];
        e.add(got[size(r * n + i)], want);
        most = std::max(most, std::fabs(want));
      }
      EXPECT_NEAR(largest[size(r)], most, 0.0085 * most) << r;
    }
    EXPECT_LT(e.relative(), roundings(3)) << n;
    EXPECT_GT(e.relative(), 0.1 * roundings(3)) << "bfloat16 cannot be this good";
  }
}

TEST(GemmI8Epilogue, AppliesGeluAcrossItsWholeRange) {
  Random random(3);
  Case c(random, 64, 64, 256);
  for (float& b : c.bias) b = random.uniform(-9.0f, 6.0f);
  Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
  Buffer<float> rows(c.row_scales), largest(64);
  Buffer<std::byte> columns = c.columns();
  Buffer<bfloat16> out(64 * 64);
  call("epilogue_gelu_bf16_64x64",
       {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), largest.bytes(), Own().bytes()});
  const auto got = from_blocks<bfloat16>(out.span(), 64, 64, 4, 8);
  Errors all;
  for (int r = 0; r < 64; ++r) {
    for (int i = 0; i < 64; ++i) {
      const double x = c.value(r, i) + c.bias[size(i)], want = gelu(x);
      all.add(got[size(r * 64 + i)], want);
      // The slope of GELU is at most 1.13; v has 2^-14 of what the scales allow, 40 here; then g's own error.
      const double allowed = 1.9e-4 + 1.13 * 40 / 16384 + std::fabs(want) / 250;
      ASSERT_NEAR(got[size(r * 64 + i)], want, allowed) << x;
    }
  }
  EXPECT_LT(all.relative(), roundings(3));
}

TEST(GemmI8Epilogue, AddsTheResidualInFloat) {
  Random random(4);
  Case c(random, 64, 64, 256);
  Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
  Buffer<float> rows(c.row_scales);
  Buffer<std::byte> columns = c.columns();
  const std::vector<float> x = random.floats(64 * 64, 30.0f);
  Buffer<float> stream(to_blocks<float>(x, 64, 64, 4, 8));
  call("epilogue_residual_f32_64x64",
       {sums.bytes(), columns.bytes(), rows.bytes(), stream.bytes(), stream.bytes(), Own().bytes()});
  const auto got = from_blocks<float>(stream.span(), 64, 64, 4, 8);
  Errors e;  // of what was added: the stream itself must lose nothing to bfloat16
  for (int r = 0; r < 64; ++r) {
    for (int i = 0; i < 64; ++i) {
      e.add(static_cast<double>(got[size(r * 64 + i)]) - x[size(r * 64 + i)], c.value(r, i) + c.bias[size(i)]);
    }
  }
  EXPECT_LT(e.relative(), roundings(2));
}

TEST(GemmI8Epilogue, QuantisesToTheNextProductsRows) {
  Random random(5);
  Case c(random, 64, 64, 512);
  Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
  Buffer<float> rows(c.row_scales), largest(64), scales(64);
  Buffer<std::byte> columns = c.columns();
  Buffer<bfloat16> narrow(64 * 64);
  Buffer<int8_t> q(64 * 64);
  call("epilogue_bf16_64x64",
       {sums.bytes(), columns.bytes(), rows.bytes(), narrow.bytes(), largest.bytes(), Own().bytes()});
  for (int r = 0; r < 64; ++r) largest[size(r)] = 0;
  // Row 7, the last of the second row of blocks, has no values.
  for (int b = 0; b < 8; ++b) {
    for (int i = 0; i < 8; ++i) narrow[size((8 + b) * 32 + 24 + i)] = bfloat16(0.0f);
  }
  for (int r = 0; r < 64; ++r) {
    for (int i = 0; i < 64; ++i) {
      largest[size(r)] =
          std::max(largest[size(r)], std::fabs(static_cast<float>(narrow[block_offset(r, i, 64, 4, 8)])));
    }
  }
  call("quantise_bf16_64x64", {narrow.bytes(), largest.bytes(), q.bytes(), scales.bytes()});
  for (int r = 0; r < 64; ++r) {
    const double scale = largest[size(r)] / 127.0;
    EXPECT_NEAR(scales[size(r)], scale, 1e-4 * scale) << r;
    int most = 0;
    for (int i = 0; i < 64; ++i) {
      const size_t at = block_offset(r, i, 64, 4, 8);
      const double want = scale > 0 ? static_cast<double>(narrow[at]) / scale : 0;
      ASSERT_NEAR(q[at], want, 0.5 + 127 * 2e-4) << r << ", " << i;
      most = std::max(most, std::abs(q[at]));
    }
    EXPECT_EQ(most, largest[size(r)] > 0 ? 127 : 0) << r;
  }
}

// A head's int8 and scales against double precision: half a step of each row's largest, 1 % for the factor's bits, and
// 2^-13 of the largest of the four rows under an exponent.
TEST(GemmI8Epilogue, QuantisesAHeadByItsOwnRows) {
  Random random(7);
  for (float smaller : {1.0f, 1e-3f}) {
    Case c(random, 64, 64, 512);
    for (int r = 0; r < 32; ++r) c.row_scales[size(r)] *= smaller;
    c.row_scales[40] = 0;
    for (float& b : c.bias) b *= smaller;
    Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
    Buffer<float> rows(c.row_scales), result(2 * 64 * 64 / 4);
    Buffer<std::byte> columns = c.columns();
    call("epilogue_head_i8_64x64", {sums.bytes(), columns.bytes(), rows.bytes(), result.bytes(), Own().bytes()});
    EXPECT_TRUE(sums.untouched() && result.untouched());
    const std::span<const float> scales(result.data(), 64);
    const std::span<const int8_t> q(reinterpret_cast<const int8_t*>(result.bytes()) + 64 * 64, 64 * 64);
    std::array<int16_t, 66> factors, want;  // attention's
    std::memcpy(factors.data(), result.bytes() + 2 * kHeadFactors, sizeof factors);
    pack_key_scales(scales, want.data());
    EXPECT_EQ(factors, want);
    for (int r = 0; r < 64; ++r) {
      double most = 0, of_four = 0;
      for (int i = 0; i < 4 * 64; ++i) {
        const int row = r / 4 * 4 + i / 64;
        const double v = std::fabs(c.value(row, i % 64) + c.bias[size(i % 64)]);
        of_four = std::max(of_four, v);
        if (row == r) most = std::max(most, v);
      }
      for (int i = 0; i < 64; ++i) {
        const int8_t got = q[block_offset(r, i, 64, 4, 8)];
        EXPECT_GE(got, -127);
        ASSERT_NEAR(got * static_cast<double>(scales[size(r)]), c.value(r, i) + c.bias[size(i)],
                    0.505 * most / 127 + of_four / 8192)
            << r << ", " << i;
      }
    }
  }
}

// Each four rows have an exponent of their own: rows that are thousands of times smaller lose nothing by the others.
TEST(GemmI8Epilogue, KeepsSmallRowsBesideLargeOnes) {
  Random random(8);
  Case c(random, 64, 64, 512);
  for (int r = 0; r < 64; ++r) c.row_scales[size(r)] *= std::pow(10.0f, static_cast<float>(r / 4 % 8 - 4));
  std::fill(c.bias.begin(), c.bias.end(), 0.0f);
  for (const bool with_bias : {false, true}) {
    if (with_bias) c.bias = random.floats(64, 1e-5f);  // far below some rows and far above others
    Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
    Buffer<float> rows(c.row_scales), largest(64);
    Buffer<std::byte> columns = c.columns();
    Buffer<bfloat16> out(64 * 64);
    call("epilogue_bf16_64x64",
         {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), largest.bytes(), Own().bytes()});
    for (int r = 0; r < 64; r += 4) {
      Errors e;
      for (int i = 0; i < 4 * 64; ++i) {
        const int row = r + i / 64, column = i % 64;
        e.add(out[block_offset(row, column, 64, 4, 8)], c.value(row, column) + c.bias[size(column)]);
      }
      EXPECT_LT(e.relative(), roundings(1)) << r;
    }
  }
}

// The next tile's product starts from what an epilogue leaves.
TEST(GemmI8Epilogue, LeavesZeros) {
  Random random(9);
  Case c(random, 64, 64, 64);
  Buffer<float> rows(c.row_scales), largest(64), residual(64 * 64), scales(64);
  Buffer<std::byte> columns = c.columns();
  Buffer<bfloat16> out(64 * 64);
  Buffer<int8_t> q(64 * 64);
  for (int which = 0; which < 4; ++which) {
    Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
    if (which < 2) {
      call(which == 0 ? "epilogue_bf16_64x64" : "epilogue_gelu_bf16_64x64",
           {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), largest.bytes(), Own().bytes()});
    } else if (which == 2) {
      call("epilogue_head_i8_64x64", {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), Own().bytes()});
    } else {
      call("epilogue_residual_f32_64x64",
           {sums.bytes(), columns.bytes(), rows.bytes(), residual.bytes(), residual.bytes(), Own().bytes()});
    }
    EXPECT_EQ(std::ranges::count(sums.span(), 0), 64 * 64) << which;
    EXPECT_TRUE(sums.untouched());
  }
}

// The modes of a core are what the last kernel left: each sets its own.
TEST(GemmI8Aie, DoNotTrustTheCoresModes) {
  Random random(6);
  Case c(random, 64, 64, 64);
  Buffer<int32_t> sums = c.sums("matmul_i8_64x64x64", 64);
  Buffer<float> rows(c.row_scales), largest(64);
  Buffer<std::byte> columns = c.columns();
  Buffer<bfloat16> first(64 * 64), second(64 * 64);
  Buffer<int32_t> again(sums.values());
  call("epilogue_bf16_64x64",
       {sums.bytes(), columns.bytes(), rows.bytes(), first.bytes(), largest.bytes(), Own().bytes()});
  aie::host::core = {};
  call("epilogue_bf16_64x64",
       {again.bytes(), columns.bytes(), rows.bytes(), second.bytes(), largest.bytes(), Own().bytes()});
  EXPECT_EQ(std::memcmp(first.bytes(), second.bytes(), 64 * 64 * 2), 0);
}

// 16-bit GELU against the float32 one that the CPU uses and against double precision, over every 12-bit step.
TEST(GemmI8Epilogue, GeluKeepsTheBoundItStates) {
  // |sum| up to 2^16 times a power of two: dequantised exactly.
  Buffer<int32_t> sums(64 * 64);
  Buffer<float> rows(64, 1.0f / 1024), largest(64);
  Buffer<std::byte> columns(columns_bytes(64));
  pack_columns(std::vector<float>(64, 1.0f), std::vector<float>(64, 0.0f), columns.data());
  Buffer<bfloat16> out(64 * 64);
  Buffer<float> inverses(64, 1.0f);
  for (int i = 0; i < 64 * 64; ++i) sums[size(i)] = (i - 2048) / 16 * 32;  // x from -4 to 4 in steps of 1/32
  call("epilogue_gelu_bf16_64x64",
       {sums.bytes(), columns.bytes(), rows.bytes(), out.bytes(), largest.bytes(), Own().bytes()});
  double worst_negative = 0;
  for (int i = 0; i < 64 * 64; ++i) {
    const double x = (i - 2048) / 16 * 32 / 1024.0;
    const double error = std::fabs(static_cast<double>(out[size(i)]) - gelu(x));
    ASSERT_LT(error, 1.9e-4 + std::fabs(gelu(x)) / 256) << x;
    ASSERT_NEAR(simd::gelu_scalar(static_cast<float>(x)), gelu(x), 1e-6);
    if (x < -3) worst_negative = std::max(worst_negative, error);
  }
  EXPECT_LT(worst_negative, 1.9e-4);
}

// Sums over the whole range, with halves of both signs and what saturates.
TEST(GemmI8Aie, NarrowsByAShift) {
  Random random(31);
  for (int shift : {0, 1, 7, 12, 20, 31}) {
    std::vector<int32_t> values = random.integers<int32_t>(64 * 64);
    for (size_t i = 0; i < values.size(); i += 2) values[i] >>= std::max(0, 24 - shift);
    for (int i = 0; i < 64 && shift > 0; ++i) values[size(i)] = (2 * i - 63) * (1 << std::min(shift - 1, 24));
    Buffer<int32_t> sums(values);
    Buffer<int8_t> out(64 * 64);
    call("narrow_i8_64x64", {sums.bytes(), out.bytes()}, {shift});
    for (size_t i = 0; i < values.size(); ++i) {
      const double want = std::nearbyint(std::ldexp(static_cast<double>(values[i]), -shift));  // to even
      ASSERT_EQ(out[i], std::clamp(want, -128.0, 127.0)) << values[i] << " >> " << shift;
    }
    EXPECT_TRUE(sums.untouched() && out.untouched());
  }
}

}  // namespace
}  // namespace shorthand::npu
