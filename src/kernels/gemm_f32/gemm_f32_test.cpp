// SPDX-License-Identifier: Apache-2.0
// Every variant, scalar too, against double precision, within the bound that the roundings of the sums allow.
#include "kernels/gemm_f32/gemm_f32.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/aligned.h"
#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::gemm_f32 {
namespace {

using testing::GuardedRows;
using testing::kUnitRoundoff;
using testing::Random;
using testing::same_bits;

size_t size(int n) { return static_cast<size_t>(n); }
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

struct Product {
  int m, n, k;
  GuardedRows<float> a;
  std::vector<float> b;
  AlignedBuffer<float> panels;
  std::vector<float> bias;  // padded to whole panels
  GuardedRows<float> residual;

  Product(Random& random, int rows, int columns, int depth, size_t more_stride = 0, size_t offset = 0)
      : m(rows),
        n(columns),
        k(depth),
        a(m, k, size(k) + more_stride, offset),
        b(random.floats(size(n) * size(k), 1.0f / std::sqrt(static_cast<float>(k)))),
        panels(packed_floats(n, k)),
        bias(random.floats(size(panel_count(n)) * kPanelColumns)),
        residual(m, n, size(n) + more_stride, offset) {
    a.assign(random.floats(size(m) * size(k)));
    residual.assign(random.floats(size(m) * size(n)));
    pack(b.data(), n, k, panels.data());
  }
  PackedB packed() const { return {panels.data(), n, k}; }

  // Bit 2: bias, bit 1: GELU, bit 0: residual.
  Epilogue epilogue(int bits, float* c, size_t c_stride) const {
    Epilogue e{c, c_stride, nullptr, Act::none, nullptr, 0};
    if (bits & 4) e.bias = bias.data();
    if (bits & 2) e.act = Act::gelu;
    if (bits & 1) e.residual = residual.data(), e.residual_stride = residual.stride();
    return e;
  }
};
constexpr int kEpilogues = 8;

class GemmF32Test : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override { SHORTHAND_NEEDS_ISA(GetParam().isa); }

  // A sum of k products, added in any order and with or without fused multiply-adds, is off by at most k u sum |a b|.
  void is_the_product(const Product& p, int bits) {
    GuardedRows<float> c(p.m, p.n, size(p.n) + size(bits), size(bits));
    multiply(GetParam(), p.a.data(), p.a.stride(), p.m, p.packed(), 0, panel_count(p.n),
             p.epilogue(bits, c.data(), c.stride()));
    ASSERT_TRUE(c.untouched());
    for (int r = 0; r < p.m; ++r) {
      for (int column = 0; column < p.n; ++column) {
        double v = 0, magnitude = 0;
        for (int i = 0; i < p.k; ++i) {
          const double product =
              static_cast<double>(p.a.row(r)[i]) * static_cast<double>(p.b[size(column) * size(p.k) + size(i)]);
          v += product;
          magnitude += std::fabs(product);
        }
        double bound = p.k * magnitude;
        if (bits & 4) v += static_cast<double>(p.bias[size(column)]), bound += std::fabs(v);
        if (bits & 2) v = gelu(v), bound = 1.13 * bound + std::fabs(v) + 4e-7 / kUnitRoundoff;
        if (bits & 1) v += static_cast<double>(p.residual.row(r)[column]), bound += std::fabs(v);
        ASSERT_LE(std::fabs(static_cast<double>(c.row(r)[column]) - v), 1.01 * bound * kUnitRoundoff)
            << p.m << " x " << p.n << " x " << p.k << ", epilogue " << bits << ", row " << r << ", column " << column;
      }
    }
  }
};

TEST_P(GemmF32Test, IsTheProductForEveryNumberOfRows) {
  Random random(1);
  for (int m = 1; m <= 40; ++m) is_the_product(Product(random, m, 40 + m, 30 + m, size(m % 3), size(m % 5)), m % 8);
}

TEST_P(GemmF32Test, IsTheProductForEveryNumberOfColumns) {
  Random random(2);
  for (int n = 1; n <= 70; ++n) is_the_product(Product(random, n % 2 ? 9 : 2, n, 64), n % 8);
  is_the_product(Product(random, 1, 500, 100), 7);
}

TEST_P(GemmF32Test, IsTheProductForRandomShapes) {
  Random random(3);
  for (int i = 0; i < 64; ++i) {
    is_the_product(Product(random, random.integer(1, 40), random.integer(1, 250), random.integer(1, 250),
                           size(random.integer(0, 9)), size(random.integer(0, 15))),
                   i % 8);
  }
}

// Orders of summation may differ between variants, but over whole arrays the error is that of float, not of a mistake.
TEST_P(GemmF32Test, WholeArraysAreCloseToDoublePrecision) {
  Random random(4);
  const Product p(random, 24, 80, 1500);
  std::vector<float> c(24 * 80);
  multiply(GetParam(), p.a.data(), p.a.stride(), p.m, p.packed(), 0, panel_count(p.n), p.epilogue(0, c.data(), 80));
  std::vector<double> want(c.size());
  for (int r = 0; r < p.m; ++r) {
    for (int column = 0; column < p.n; ++column) {
      for (int i = 0; i < p.k; ++i) {
        want[size(r * p.n + column)] +=
            static_cast<double>(p.a.row(r)[i]) * static_cast<double>(p.b[size(column * p.k + i)]);
      }
    }
  }
  EXPECT_LT(testing::relative_l2(c, want), std::sqrt(1500.0) * kUnitRoundoff);
}

TEST_P(GemmF32Test, RowsAndPanelsMayBeSharedOut) {
  Random random(5);
  const Product p(random, 29, 150, 70);
  GuardedRows<float> whole(p.m, p.n, size(p.n));
  multiply(GetParam(), p.a.data(), p.a.stride(), p.m, p.packed(), 0, panel_count(p.n),
           p.epilogue(7, whole.data(), whole.stride()));
  for (int rows = 1; rows <= 10; rows += 3) {
    for (int first = 0; first < panel_count(p.n); first += 4) {
      const int last = std::min(first + 4, panel_count(p.n)), column = first * kPanelColumns;
      const int width = std::min(last * kPanelColumns, p.n) - column;
      GuardedRows<float> part(rows, width, size(p.n));
      multiply(GetParam(), p.a.data(), p.a.stride(), rows, p.packed(), first, last,
               p.epilogue(7, part.data() - column, part.stride()));
      EXPECT_TRUE(part.untouched());
      for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < width; ++i) EXPECT_NEAR(part.row(r)[i], whole.row(r)[column + i], 1e-4f);
      }
    }
  }
}

TEST_P(GemmF32Test, TheResidualMayBeTheResult) {
  Random random(6);
  const Product p(random, 13, 77, 50);
  GuardedRows<float> apart(p.m, p.n, size(p.n)), together(p.m, p.n, size(p.n));
  together.assign(p.residual.values());
  Epilogue e = p.epilogue(7, apart.data(), apart.stride());
  multiply(GetParam(), p.a.data(), p.a.stride(), p.m, p.packed(), 0, panel_count(p.n), e);
  e.c = together.data(), e.residual = together.data(), e.residual_stride = together.stride();
  multiply(GetParam(), p.a.data(), p.a.stride(), p.m, p.packed(), 0, panel_count(p.n), e);
  EXPECT_TRUE(same_bits(together.values(), apart.values()));
}

INSTANTIATE_TEST_SUITE_P(Variants, GemmF32Test, ::testing::ValuesIn(variants().begin(), variants().end()),
                         testing::variant_name());

TEST(GemmF32Meaning, PackPutsEveryFloatInItsPlaceAndZeroesTheRest) {
  Random random(7);
  for (const auto& [n, k] : {std::pair{1, 1}, {16, 5}, {35, 64}}) {
    const std::vector<float> b = random.floats(size(n) * size(k));
    AlignedBuffer<float> panels(packed_floats(n, k));
    std::fill_n(panels.data(), panels.size(), 99.0f);
    pack(b.data(), n, k, panels.data());
    size_t at = 0;
    for (int panel = 0; panel < (n + 15) / 16; ++panel) {
      for (int i = 0; i < k; ++i) {
        for (int column = panel * 16; column < panel * 16 + 16; ++column, ++at) {
          EXPECT_EQ(panels[at], column < n ? b[size(column) * size(k) + size(i)] : 0.0f);
        }
      }
    }
    EXPECT_EQ(at, panels.size());
  }
}

}  // namespace
}  // namespace shorthand::gemm_f32
