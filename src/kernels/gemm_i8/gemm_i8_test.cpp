// SPDX-License-Identifier: Apache-2.0
// Every variant against scalar, bit for bit; scalar against integers and double precision written out here.
#include "kernels/gemm_i8/gemm_i8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "kernels/gemm_i8/variants.h"
#include "support/arrays.h"
#include "support/variant_names.h"

namespace shorthand::gemm_i8 {
namespace {

using testing::GuardedRows;
using testing::Random;
using testing::same_bits;

size_t size(int n) { return static_cast<size_t>(n); }

// Random integers and all that a product of them needs. A row of A goes on with garbage from k to padded_depth(k).
struct Product {
  int m, n, k;
  std::vector<int8_t> q, b;  // [m, k], [n, k] in -127..127
  GuardedRows<uint8_t> a;
  AlignedBuffer<int8_t> panels;
  std::vector<int32_t> bias_sums;
  std::vector<float> a_scales, b_scales, bias;  // the last two padded to whole panels
  GuardedRows<float> residual;
  size_t scale_stride;

  Product(Random& random, int rows, int columns, int depth, size_t more_stride = 0, size_t offset = 0,
          size_t scales_apart = 1)
      : m(rows),
        n(columns),
        k(depth),
        q(random.integers<int8_t>(size(m) * size(k), -127, 127)),
        b(random.integers<int8_t>(size(n) * size(k), -127, 127)),
        a(m, padded_depth(k), size(padded_depth(k)) + more_stride, offset),
        panels(packed_bytes(n, k)),
        bias_sums(size(panel_count(n)) * kPanelColumns),
        a_scales(size(m) * scales_apart),
        b_scales(bias_sums.size()),
        bias(random.floats(bias_sums.size(), 2.0f)),
        residual(m, n, size(n) + more_stride, offset),
        scale_stride(scales_apart) {
    for (int r = 0; r < m; ++r) {
      for (int i = 0; i < padded_depth(k); ++i)
        a.row(r)[i] = static_cast<uint8_t>(i < k ? q[size(r) * size(k) + size(i)] + 128 : random.integer(0, 255));
    }
    pack(b.data(), n, k, panels.data(), bias_sums.data());
    // Scales that leave results near 1, where GELU bends.
    for (float& s : a_scales) s = random.uniform(0.2f, 2.0f) / 5000.0f / std::sqrt(static_cast<float>(k));
    for (float& s : b_scales) s = random.uniform(0.2f, 2.0f);
    residual.assign(random.floats(size(m) * size(n)));
  }

  RowsA rows(int first, int count) const {
    return {a.row(first), a.stride(), a_scales.data() + size(first) * scale_stride, scale_stride, count};
  }
  PackedB packed() const { return {panels.data(), b_scales.data(), bias_sums.data(), n, k}; }

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

std::vector<float> multiplied(const Variant& v, const Product& p, int bits) {
  GuardedRows<float> c(p.m, p.n, size(p.n));
  multiply(v, p.rows(0, p.m), p.packed(), 0, panel_count(p.n), p.epilogue(bits, c.data(), c.stride()));
  EXPECT_TRUE(c.untouched());
  return c.values();
}

const Variant& scalar() { return variants().front(); }

// ---- tiles

struct NamedTile {
  std::string name;
  Isa needs;
  TileFn tile;
};
void PrintTo(const NamedTile& t, std::ostream* os) { *os << t.name; }

std::vector<NamedTile> tiles() {
  std::vector<NamedTile> all;
  for (const Variant& v : variants()) all.push_back({std::string(isa_name(v.isa)), v.isa, v.tile});
  all.push_back({"avxvnni_emulated", Isa::avx2, tile_avxvnni_emulated});
  all.push_back({"amx_emulated", Isa::scalar, tile_amx_emulated});
  return all;
}

class TileTest : public ::testing::TestWithParam<NamedTile> {
 protected:
  void SetUp() override { SHORTHAND_NEEDS_ISA(GetParam().needs); }

  // The tile under test and scalar, over rows and panels of any bytes: A may hold all of 0..255.
  void compare(Random& random, int rows, int n_panels, int k_padded, size_t more_stride, size_t offset) {
    GuardedRows<uint8_t> a(rows, k_padded, size(k_padded) + more_stride, offset);
    a.assign(random.integers<uint8_t>(size(rows) * size(k_padded)));
    const size_t panel_stride = size(k_padded) * kPanelColumns + 64 * (offset % 3);  // panels need not touch
    AlignedBuffer<int8_t> panels(size(n_panels) * panel_stride);
    for (int8_t& w : panels.span()) w = static_cast<int8_t>(random.integer(-127, 127));
    const int width = n_panels * kPanelColumns;
    GuardedRows<int32_t> got(rows, width, size(width) + more_stride, offset), want(rows, width, size(width));
    GetParam().tile(a.data(), a.stride(), rows, panels.data(), panel_stride, n_panels, k_padded, got.data(),
                    got.stride());
    tile_scalar(a.data(), a.stride(), rows, panels.data(), panel_stride, n_panels, k_padded, want.data(),
                want.stride());
    ASSERT_TRUE(got.untouched());
    ASSERT_TRUE(same_bits(got.values(), want.values()))
        << rows << " rows, " << n_panels << " panels, depth " << k_padded;
  }
};

TEST_P(TileTest, EqualsScalarForEveryNumberOfRows) {
  Random random(1);
  for (int rows = 1; rows <= 70; ++rows) {
    for (int n_panels : {1, 2, 3, 5, 8}) compare(random, rows, n_panels, 64, size(rows % 3) * 16, size(rows % 7));
  }
}

TEST_P(TileTest, EqualsScalarForEveryNumberOfPanels) {
  Random random(2);
  for (int n_panels = 1; n_panels <= 20; ++n_panels) {
    for (int rows : {1, 2, 3, 4, 7, 12, 16, 25}) compare(random, rows, n_panels, 192, 1, size(n_panels % 5));
  }
}

TEST_P(TileTest, EqualsScalarForRandomShapes) {
  Random random(3);
  for (int i = 0; i < 150; ++i) {
    compare(random, random.integer(1, 70), random.integer(1, 10), 64 * random.integer(1, 12),
            size(random.integer(0, 99)), size(random.integer(0, 63)));
  }
}

// 255 * 127 * 2 does not fit in 16 bits, nor 128 * 127 * 8192 in 24.
TEST_P(TileTest, DoesNotSaturate) {
  constexpr int kDepth = 8192;
  AlignedBuffer<int8_t> panel(size(kDepth) * kPanelColumns);
  for (const auto& [a_byte, b_byte] : {std::pair{255, 127}, {255, -127}, {1, 127}, {1, -127}, {0, -127}, {128, -127}}) {
    std::fill_n(panel.data(), panel.size(), static_cast<int8_t>(b_byte));
    for (int rows : {1, 2, 13}) {
      const std::vector<uint8_t> a(size(rows) * kDepth, static_cast<uint8_t>(a_byte));
      std::vector<int32_t> out(size(rows) * kPanelColumns);
      GetParam().tile(a.data(), kDepth, rows, panel.data(), panel.size(), 1, kDepth, out.data(), kPanelColumns);
      EXPECT_EQ(out, std::vector<int32_t>(out.size(), a_byte * b_byte * kDepth)) << a_byte << " * " << b_byte;
    }
  }
}

// With the bias of 128 the deepest product passes 2^31 and wraps, as the contract says it may.
TEST_P(TileTest, WrapsModulo2To32) {
  constexpr int kDepth = kMaxDepth;
  AlignedBuffer<int8_t> panel(size(kDepth) * kPanelColumns);
  std::fill_n(panel.data(), panel.size(), static_cast<int8_t>(127));
  const std::vector<uint8_t> a(kDepth, 255);
  std::vector<int32_t> out(kPanelColumns);
  GetParam().tile(a.data(), kDepth, 1, panel.data(), panel.size(), 1, kDepth, out.data(), kPanelColumns);
  const auto wrapped = static_cast<int32_t>(static_cast<uint32_t>(uint64_t{255} * 127 * kDepth));
  EXPECT_EQ(out, std::vector<int32_t>(kPanelColumns, wrapped));
}

INSTANTIATE_TEST_SUITE_P(GemmI8, TileTest, ::testing::ValuesIn(tiles()),
                         [](const auto& tile) { return tile.param.name; });

// ---- whole products

class GemmI8Test : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override { SHORTHAND_NEEDS_ISA(GetParam().isa); }
  void equals_scalar(const Product& p) {
    for (int bits = 0; bits < kEpilogues; ++bits) {
      ASSERT_TRUE(same_bits(multiplied(GetParam(), p, bits), multiplied(scalar(), p, bits)))
          << p.m << " x " << p.n << " x " << p.k << ", epilogue " << bits;
    }
  }
};

TEST_P(GemmI8Test, EqualsScalarForEveryNumberOfRows) {
  Random random(11);
  for (int m = 1; m <= 40; ++m)
    equals_scalar(Product(random, m, 33 + m % 16, 64 + 5 * m, size(m % 4), size(m % 3), 1 + size(m % 2)));
}

TEST_P(GemmI8Test, EqualsScalarForEveryNumberOfColumns) {
  Random random(12);
  for (int n = 1; n <= 70; ++n) equals_scalar(Product(random, n % 2 ? 9 : 3, n, 100));
}

TEST_P(GemmI8Test, EqualsScalarForRandomShapes) {
  Random random(13);
  for (int i = 0; i < 60; ++i) {
    equals_scalar(Product(random, random.integer(1, 50), random.integer(1, 300), random.integer(1, 300),
                          size(random.integer(0, 20)), size(random.integer(0, 15)), size(random.integer(1, 5))));
  }
}

// Callers share out panels between threads: parts make the same whole, and no part writes into another.
TEST_P(GemmI8Test, PanelsMayBeSharedOut) {
  Random random(14);
  for (int m : {1, 5, 26}) {
    const Product p(random, m, 150, 130);  // ten panels, the last one short
    const std::vector<float> whole = multiplied(GetParam(), p, 7);
    for (int first = 0; first < panel_count(p.n); first += 3) {
      const int last = std::min(first + 3, panel_count(p.n)), column = first * kPanelColumns;
      const int width = std::min(last * kPanelColumns, p.n) - column;
      GuardedRows<float> part(m, width, size(p.n));
      multiply(GetParam(), p.rows(0, m), p.packed(), first, last, p.epilogue(7, part.data() - column, part.stride()));
      EXPECT_TRUE(part.untouched());
      for (int r = 0; r < m; ++r) {
        EXPECT_TRUE(same_bits(std::span<const float>(part.row(r), size(width)),
                              std::span<const float>(whole.data() + size(r) * size(p.n) + size(column), size(width))));
      }
    }
  }
}

// A batch may not change a row: each row alone gives what it gives among others.
TEST_P(GemmI8Test, RowsDoNotSeeEachOther) {
  Random random(15);
  const Product p(random, 45, 90, 200);
  for (int bits : {0, 7}) {
    const std::vector<float> whole = multiplied(GetParam(), p, bits);
    for (int first = 0; first < p.m;) {
      const int count = std::min(random.integer(1, 9), p.m - first);
      GuardedRows<float> c(count, p.n, size(p.n));
      Epilogue e = p.epilogue(bits, c.data(), c.stride());
      if (e.residual) e.residual = p.residual.row(first);
      multiply(GetParam(), p.rows(first, count), p.packed(), 0, panel_count(p.n), e);
      EXPECT_TRUE(same_bits(std::span<const float>(c.data(), size(count) * size(p.n)),
                            std::span<const float>(whole).subspan(size(first) * size(p.n), size(count) * size(p.n))));
      first += count;
    }
  }
}

TEST_P(GemmI8Test, TheResidualMayBeTheResult) {
  Random random(16);
  for (int m : {1, 14, 37}) {
    const Product p(random, m, 77, 65, 3);
    const std::vector<float> apart = multiplied(GetParam(), p, 7);
    GuardedRows<float> c(m, p.n, size(p.n) + 5, 1);
    c.assign(p.residual.values());
    Epilogue e = p.epilogue(7, c.data(), c.stride());
    e.residual = c.data();
    e.residual_stride = c.stride();
    multiply(GetParam(), p.rows(0, m), p.packed(), 0, panel_count(p.n), e);
    EXPECT_TRUE(c.untouched());
    EXPECT_TRUE(same_bits(c.values(), apart));
  }
}

// Sums of any size, scales from denormal to large: what the epilogue alone does to them.
TEST_P(GemmI8Test, EpilogueEqualsScalarOnExtremeSums) {
  Random random(17);
  for (int columns : {1, 15, 16, 17, 128}) {
    constexpr int kRows = 5;
    const size_t padded = round_up(size(columns), kPanelColumns);
    std::vector<int32_t> sums = random.integers<int32_t>(kRows * padded), bias_sums = random.integers<int32_t>(padded);
    sums[0] = INT32_MIN, bias_sums[0] = INT32_MAX;
    std::vector<float> a_scales(kRows), b_scales(padded), bias = random.floats(padded);
    for (float& s : a_scales) s = std::exp2(random.uniform(-40.0f, 10.0f));
    for (float& s : b_scales) s = std::exp2(random.uniform(-100.0f, 10.0f));
    b_scales[0] = 0;
    const std::vector<float> residual = random.floats(kRows * size(columns));
    for (int bits = 0; bits < kEpilogues; ++bits) {
      GuardedRows<float> got(kRows, columns, size(columns) + 3, 1), want(kRows, columns, size(columns) + 3, 1);
      for (auto [c, epilogue] : {std::pair{&got, GetParam().epilogue}, {&want, scalar().epilogue}}) {
        Epilogue e{c->data(),
                   c->stride(),
                   bits & 4 ? bias.data() : nullptr,
                   bits & 2 ? Act::gelu : Act::none,
                   bits & 1 ? residual.data() : nullptr,
                   size(columns)};
        epilogue(sums.data(), padded, kRows, columns, {a_scales.data(), 1, b_scales.data(), bias_sums.data(), e});
      }
      EXPECT_TRUE(got.untouched());
      EXPECT_TRUE(same_bits(got.values(), want.values())) << columns << " columns, epilogue " << bits;
    }
  }
}

// Fine rows: the products of both bytes of an element, before GELU and residual.
TEST_P(GemmI8Test, FineRowsEqualScalarAndAddBothProducts) {
  Random random(18);
  for (const auto& [m, n, k] : {std::tuple{1, 16, 64}, {7, 33, 192}, {40, 150, 512}, {13, 512, 77}}) {
    const Product p(random, m, n, k);
    std::vector<int8_t> rest = random.integers<int8_t>(size(m) * size(k), -127, 127);
    std::vector<float> rest_scales(p.a_scales);
    for (float& s : rest_scales) s *= random.uniform(0.1f, 0.4f);  // large, so that a mistake shows
    GuardedRows<uint8_t> bytes(m, padded_depth(k), p.a.stride());
    for (int r = 0; r < m; ++r) {
      for (int i = 0; i < padded_depth(k); ++i)
        bytes.row(r)[i] =
            static_cast<uint8_t>(i < k ? rest[size(r) * size(k) + size(i)] + 128 : random.integer(0, 255));
    }
    const auto fine = [&](const Variant& v, int bits) {
      GuardedRows<float> c(m, n, size(n) + 3);
      RowsA a = p.rows(0, m);
      a.rest = bytes.data(), a.rest_scales = rest_scales.data();
      multiply(v, a, p.packed(), 0, panel_count(n), p.epilogue(bits, c.data(), c.stride()));
      EXPECT_TRUE(c.untouched());
      return c.values();
    };
    for (int bits = 0; bits < kEpilogues; ++bits) {
      const std::vector<float> got = fine(GetParam(), bits);
      ASSERT_TRUE(same_bits(got, fine(scalar(), bits))) << m << " x " << n << " x " << k << ", epilogue " << bits;
      if (bits & 2) continue;
      std::vector<double> want(got.size());
      for (int r = 0; r < m; ++r) {
        for (int c = 0; c < n; ++c) {
          double v = (bits & 4 ? static_cast<double>(p.bias[size(c)]) : 0.0) +
                     (bits & 1 ? static_cast<double>(p.residual.row(r)[c]) : 0.0);
          for (int i = 0; i < k; ++i) {
            const size_t at = size(r) * size(k) + size(i);
            v += (p.q[at] * static_cast<double>(p.a_scales[size(r)]) +
                  rest[at] * static_cast<double>(rest_scales[size(r)])) *
                 p.b[size(c) * size(k) + size(i)] * static_cast<double>(p.b_scales[size(c)]);
          }
          want[size(r) * size(n) + size(c)] = v;
        }
      }
      EXPECT_LT(testing::relative_l2(got, want), 4 * testing::kUnitRoundoff);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Variants, GemmI8Test, ::testing::ValuesIn(variants().begin(), variants().end()),
                         testing::variant_name());

// ---- the meaning

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

// The bound is what the roundings allow: one of the sum to float, one of the scales' product, one of the fused
// multiply-add, GELU's stated error, one of the residual's addition.
TEST(GemmI8Meaning, ScalarIsTheProductInDoublePrecision) {
  Random random(21);
  for (const auto& [m, n, k] : {std::tuple{7, 33, 192}, {3, 16, 2048}, {1, 5, 1}, {20, 64, 77}}) {
    const Product p(random, m, n, k);
    for (int bits = 0; bits < kEpilogues; ++bits) {
      const std::vector<float> got = multiplied(scalar(), p, bits);
      std::vector<double> want(got.size());
      for (int r = 0; r < m; ++r) {
        for (int c = 0; c < n; ++c) {
          const size_t at = size(r) * size(n) + size(c);
          int64_t sum = 0;
          for (int i = 0; i < k; ++i) sum += p.q[size(r) * size(k) + size(i)] * p.b[size(c) * size(k) + size(i)];
          const double product = static_cast<double>(sum) * static_cast<double>(p.a_scales[size(r)]) *
                                 static_cast<double>(p.b_scales[size(c)]);
          double v = product + (bits & 4 ? static_cast<double>(p.bias[size(c)]) : 0.0);
          double bound = 2 * std::fabs(product) + std::fabs(v);
          if (bits & 2) v = gelu(v), bound = 1.13 * bound + std::fabs(v) + 4e-7 / testing::kUnitRoundoff;
          if (bits & 1) v += static_cast<double>(p.residual.row(r)[c]), bound += std::fabs(v);
          want[at] = v;
          ASSERT_LE(std::fabs(static_cast<double>(got[at]) - v), 1.001 * bound * testing::kUnitRoundoff)
              << "row " << r << ", column " << c << ", epilogue " << bits;
        }
      }
      EXPECT_LT(testing::relative_l2(got, want), bits & 2 ? 2e-6 : 2 * testing::kUnitRoundoff);
    }
  }
}

TEST(GemmI8Meaning, PackPutsEveryByteInItsPlaceAndZeroesTheRest) {
  Random random(22);
  for (const auto& [n, k] : {std::pair{1, 1}, {16, 64}, {17, 65}, {40, 192}, {5, 130}}) {
    const std::vector<int8_t> b = random.integers<int8_t>(size(n) * size(k), -127, 127);
    AlignedBuffer<int8_t> panels(packed_bytes(n, k));
    std::fill_n(panels.data(), panels.size(), static_cast<int8_t>(99));
    std::vector<int32_t> bias_sums(size((n + 15) / 16 * 16), 99);
    pack(b.data(), n, k, panels.data(), bias_sums.data());
    const size_t k_padded = size((k + 63) / 64 * 64);
    ASSERT_EQ(panels.size(), bias_sums.size() * k_padded);
    size_t at = 0;  // walk the panels as they lie: panel, group of four, column, byte of the group
    for (int panel = 0; panel < (n + 15) / 16; ++panel) {
      for (int group = 0; group < static_cast<int>(k_padded) / 4; ++group) {
        for (int column = panel * 16; column < panel * 16 + 16; ++column) {
          for (int i = group * 4; i < group * 4 + 4; ++i, ++at) {
            const int want = column < n && i < k ? b[size(column) * size(k) + size(i)] : 0;
            ASSERT_EQ(panels[at], want) << "column " << column << ", depth " << i;
          }
        }
      }
    }
    for (int column = 0; column < static_cast<int>(bias_sums.size()); ++column) {
      int32_t sum = 0;
      for (int i = 0; column < n && i < k; ++i) sum += b[size(column) * size(k) + size(i)];
      EXPECT_EQ(bias_sums[size(column)], 128 * sum);
    }
  }
}

TEST(GemmI8Meaning, QuantisedWeightsAreWithinHalfAStep) {
  Random random(23);
  constexpr int kN = 37, kK = 150;
  std::vector<float> b = random.floats(kN * kK, 0.05f);
  std::fill_n(b.begin() + 5 * kK, kK, 0.0f);  // a channel of zeros
  AlignedBuffer<int8_t> panels(packed_bytes(kN, kK));
  std::vector<int32_t> bias_sums(48);
  std::vector<float> scales(48, 9.0f);
  quantise_and_pack(b.data(), kN, kK, panels.data(), bias_sums.data(), scales.data());
  for (int c = 0; c < 48; ++c) {
    if (c >= kN || c == 5) {
      EXPECT_EQ(scales[size(c)], 0.0f);
      continue;
    }
    int largest = 0;
    for (int i = 0; i < kK; ++i) {
      const int q = panels[panel_offset(c, i, padded_depth(kK))];
      largest = std::max(largest, std::abs(q));
      EXPECT_LE(std::fabs(b[size(c * kK + i)] / scales[size(c)] - static_cast<float>(q)), 0.5001f);
    }
    EXPECT_EQ(largest, 127);
  }
}

// A file of weights may hold anything. Rows that have no sensible scale become zeros or extremes, never a crash.
TEST(GemmI8Meaning, WeightsThatAreNotNumbersStayInRange) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> rows = {nan,    1.0f,    -2.0f,  0.5f, infinity, 1.0f,     -infinity, 0.0f,
                                   1e-40f, -1e-40f, 1e-45f, 0.0f, 3.4e38f,  -3.4e38f, 1.0f,      0.0f};
  AlignedBuffer<int8_t> panels(packed_bytes(4, 4));
  std::vector<int32_t> bias_sums(16);
  std::vector<float> scales(16);
  quantise_and_pack(rows.data(), 4, 4, panels.data(), bias_sums.data(), scales.data());
  const auto q = [&](int c) {
    std::vector<int> row;
    for (int i = 0; i < 4; ++i) row.push_back(panels[panel_offset(c, i, 64)]);
    return row;
  };
  EXPECT_EQ(q(0), (std::vector{0, 64, -127, 32}));  // NaN counts as nothing
  EXPECT_EQ(q(1), (std::vector{0, 0, 0, 0}));
  EXPECT_EQ(q(2), (std::vector{0, 0, 0, 0}));
  EXPECT_EQ(q(3), (std::vector{127, -127, 0, 0}));
}

}  // namespace
}  // namespace shorthand::gemm_i8
