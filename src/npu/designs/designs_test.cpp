// SPDX-License-Identifier: Apache-2.0
// The designs' data against plain loops over the same numbers.
#include <gtest/gtest.h>

#include "npu/designs/gemm_i8.h"
#include "npu/designs/memcpy.h"
#include "npu/designs/test_kernels.h"
#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

// C = A B in int32, [m, n].
std::vector<int32_t> reference(const std::vector<std::byte>& a, const std::vector<std::byte>& b, int m, int n, int k) {
  std::vector<int32_t> c(static_cast<size_t>(m) * static_cast<size_t>(n));
  for (int i = 0; i < m; ++i) {
    for (int x = 0; x < k; ++x) {
      const int va = static_cast<int8_t>(a[static_cast<size_t>(i * k + x)]);
      for (int j = 0; j < n; ++j) {
        c[static_cast<size_t>(i * n + j)] += va * static_cast<int8_t>(b[static_cast<size_t>(x * n + j)]);
      }
    }
  }
  return c;
}

struct Case {
  const char* device;
  GemmI8 gemm;
};

class GemmTest : public testing::TestWithParam<Case> {};

TEST_P(GemmTest, MakesTheProduct) {
  const Device device = *find_device(GetParam().device);
  const GemmI8 g = GetParam().gemm;
  const Result<Design> design = gemm_i8_design(device, g, g.stock ? stock_kernels() : blocked_kernels());
  ASSERT_TRUE(design.ok()) << design.error().message;
  const size_t mn = static_cast<size_t>(g.m) * static_cast<size_t>(g.n);
  std::vector<std::vector<std::byte>> host{random_bytes(static_cast<size_t>(g.m) * static_cast<size_t>(g.k), 3),
                                           random_bytes(static_cast<size_t>(g.k) * static_cast<size_t>(g.n), 4),
                                           std::vector<std::byte>(mn * (g.stock ? 4 : 1))};
  const std::vector<int32_t> want = reference(host[0], host[1], g.m, g.n, g.k);
  if (g.packed_a) {
    std::vector<std::byte> packed(host[0].size());
    pack_a(device, g, reinterpret_cast<const int8_t*>(host[0].data()), reinterpret_cast<int8_t*>(packed.data()));
    host[0] = packed;
  }
  if (g.packed_b) {
    std::vector<std::byte> packed(host[1].size());
    pack_b(device, g, reinterpret_cast<const int8_t*>(host[1].data()), reinterpret_cast<int8_t*>(packed.data()));
    host[1] = packed;
  }
  const SimReport report = run(*design, device, {}, host);
  ASSERT_GT(report.cycles, 0);
  for (size_t i = 0; i < mn; ++i) {
    if (g.stock) {
      int32_t got;
      std::memcpy(&got, host[2].data() + i * 4, 4);
      ASSERT_EQ(got, want[i]) << i;
    } else {
      ASSERT_EQ(static_cast<int8_t>(host[2][i]), static_cast<int8_t>(static_cast<uint32_t>(want[i]) >> 4)) << i;
    }
  }
  SimOptions timing;
  timing.timing_only = true;
  EXPECT_EQ(run(*design, device, timing, host).cycles, report.cycles);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, GemmTest,
    testing::Values(
        Case{"npu1", {.m = 256, .n = 256, .k = 128, .stock = true}}, Case{"npu1", {.m = 512, .n = 256, .k = 192}},
        Case{"npu1", {.m = 256, .n = 512, .k = 128, .keep_a = true, .packed_b = true}},
        Case{"npu1",
             {.m = 128, .n = 128, .k = 128, .tile_m = 32, .tile_n = 32, .tile_k = 32, .depth = 1, .depth_c = 1}},
        Case{"npu1", {.m = 512, .n = 512, .k = 192, .packed_a = true, .packed_b = true}},
        Case{"npu1_2col", {.m = 512, .n = 256, .k = 128, .packed_a = true}},
        Case{"npu1_1col", {.m = 256, .n = 128, .k = 128}},
        Case{"npu1_2col", {.m = 256, .n = 256, .k = 128, .keep_a = true}},
        Case{"npu2", {.m = 256, .n = 512, .k = 128}}));

TEST(Memcpy, CopiesOverEveryChannel) {
  const Device device = *find_device("npu1");
  const Design d = *memcpy_design(device, 8, 8 * 16384);
  std::vector<std::vector<std::byte>> host{random_bytes(8 * 16384, 5), std::vector<std::byte>(8 * 16384)};
  run(d, device, {}, host);
  EXPECT_EQ(host[0], host[1]);
}

}  // namespace
}  // namespace shorthand::npu
