// SPDX-License-Identifier: Apache-2.0
// Every design of the list is fit for every array, and the products are products.
#include "npu/designs/registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "npu/check.h"
#include "npu/designs/gemm_i8.h"
#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

TEST(Registry, EveryDesignFitsEveryArray) {
  for (const DesignEntry& e : design_entries()) {
    for (const char* name : {"npu1", "npu1_1col", "npu1_2col", "npu2"}) {
      for (int buffers : {1, 2}) {
        SCOPED_TRACE(fmt::format("{} on {} with {}", e.name, name, buffers));
        const Device device = *find_device(name);
        DesignRequest request;
        request.buffers = buffers;
        const Result<BuiltDesign> built = e.build(device, request);
        ASSERT_TRUE(built.ok()) << built.error().message;
        const Result<Placement> placed = check(built->design, device);
        EXPECT_TRUE(placed.ok()) << placed.error().message;
      }
    }
  }
}

TEST(Registry, TheRealKernelsMakeTheProduct) {
  const Device device = *find_device("npu1_1col");
  for (const char* name : {"gemm", "gemm-unpacked", "gemm-32", "gemm-16", "gemm-stock"}) {
    DesignRequest request;
    request.m = 256, request.n = 64, request.k = 128;
    const BuiltDesign built = *find_design(name)->build(device, request);
    std::vector<std::vector<std::byte>> host{random_bytes(256 * 128, 1), random_bytes(128 * 64, 2),
                                             std::vector<std::byte>(256 * 64 * 4)};
    run(built.design, device, {}, host);
    for (size_t i = 0; i < 256; ++i) {
      for (size_t j = 0; j < 64; ++j) {
        int32_t want = 0, got = 0;
        for (size_t k = 0; k < 128; ++k)
          want += static_cast<int8_t>(host[0][i * 128 + k]) * static_cast<int8_t>(host[1][k * 64 + j]);
        std::memcpy(&got, host[2].data() + (i * 64 + j) * 4, 4);
        ASSERT_EQ(got, want) << name << " " << i << " " << j;
      }
    }
  }
}

// Halves go to the even neighbour; what does not fit is saturated.
int8_t narrowed(int64_t sum, int shift) {
  const int64_t unit = int64_t{1} << shift, floor = sum >= 0 ? sum / unit : -((-sum + unit - 1) / unit);
  const int64_t rest = sum - floor * unit;
  const bool up = 2 * rest > unit || (2 * rest == unit && floor % 2 != 0);
  return static_cast<int8_t>(std::clamp<int64_t>(floor + up, -128, 127));
}

TEST(Registry, TheNarrowProductIsTheProductRounded) {
  int saturated = 0;
  for (const auto& [name, m, n] : {std::tuple{"npu1", 256, 512}, {"npu1_1col", 512, 64}, {"npu2", 256, 512}}) {
    for (int buffers : {1, 2}) {
      SCOPED_TRACE(fmt::format("{}, {} buffers", name, buffers));
      const Device device = *find_device(name);
      const int k = 384;
      DesignRequest request;
      request.m = m, request.n = n, request.k = k, request.buffers = buffers;
      const BuiltDesign built = *find_design("gemm-i8")->build(device, request);
      GemmI8 layout{.m = m, .n = n, .k = k};
      layout.tile_k = 128, layout.packed_a = layout.packed_b = true;
      const auto size = [](int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); };
      const std::vector<std::byte> a = random_bytes(size(m, k), 1), b = random_bytes(size(k, n), 2);
      const auto* pa = reinterpret_cast<const int8_t*>(a.data());
      const auto* pb = reinterpret_cast<const int8_t*>(b.data());
      std::vector<std::vector<std::byte>> host{a, b, std::vector<std::byte>(size(m, n))};
      pack_a(device, layout, pa, reinterpret_cast<int8_t*>(host[0].data()));
      pack_b(device, layout, pb, reinterpret_cast<int8_t*>(host[1].data()));
      const SimReport report = run(built.design, device, {}, host);
      for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
          int64_t sum = 0;
          for (int x = 0; x < k; ++x) sum += pa[i * k + x] * pb[x * n + j];
          const int8_t want = narrowed(sum, 12);
          saturated += want == -128 || want == 127;
          ASSERT_EQ(static_cast<int8_t>(host[2][size(i, n) + static_cast<size_t>(j)]), want) << i << ", " << j;
        }
      }
      SimOptions timing;
      timing.timing_only = true;
      EXPECT_EQ(run(built.design, device, timing, host).cycles, report.cycles);
    }
  }
  EXPECT_GT(saturated, 0);
}

TEST(Registry, CountsTheWorkThatWasAskedFor) {
  DesignRequest request;
  request.m = 1500, request.n = 2048, request.k = 512;
  const BuiltDesign built = *find_design("gemm")->build(*find_device("npu1"), request);
  EXPECT_EQ(built.operations, 2.0 * 1500 * 2048 * 512);
  EXPECT_EQ(built.design.host[0].bytes, 1536 * 512);
}

TEST(Registry, RefusesUnknownNames) {
  EXPECT_EQ(
      find_design("gem").error().message,
      "gem: no such design; known are gemm, gemm-i8, gemm-unpacked, gemm-32, gemm-16, gemm-stock, encoder, layer, "
      "attention, attention-chained, memcpy");
}

}  // namespace
}  // namespace shorthand::npu
