// SPDX-License-Identifier: Apache-2.0
// Every design of the list is fit for every array, and the products are products.
#include "npu/designs/registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "npu/check.h"
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

TEST(Registry, CountsTheWorkThatWasAskedFor) {
  DesignRequest request;
  request.m = 1500, request.n = 2048, request.k = 512;
  const BuiltDesign built = *find_design("gemm")->build(*find_device("npu1"), request);
  EXPECT_EQ(built.operations, 2.0 * 1500 * 2048 * 512);
  EXPECT_EQ(built.design.host[0].bytes, 1536 * 512);
}

TEST(Registry, RefusesUnknownNames) {
  EXPECT_EQ(find_design("gem").error().message,
            "gem: no such design; known are gemm, gemm-unpacked, gemm-32, gemm-16, gemm-stock, encoder, layer, "
            "attention, memcpy");
}

}  // namespace
}  // namespace shorthand::npu
