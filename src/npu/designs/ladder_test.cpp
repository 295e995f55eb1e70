// SPDX-License-Identifier: Apache-2.0
// The ladder's rungs in relation to each other, where arithmetic says what the relation must be.
#include "npu/designs/ladder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

LadderRow find(const std::vector<LadderRow>& rows, const std::string& group, const std::string& step) {
  const auto at =
      std::find_if(rows.begin(), rows.end(), [&](const LadderRow& r) { return r.group == group && r.step == step; });
  EXPECT_NE(at, rows.end()) << group << ", " << step;
  return at == rows.end() ? LadderRow{} : *at;
}

TEST(Ladder, EachStepGains) {
  const Device d = *find_device("npu1");
  const Result<std::vector<LadderRow>> rows = product_ladder(d, 1536, 2048, 512, 1.0);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  fmt::print("{}", to_text(*rows, d, 1.0));
  auto ms = [&](const char* group, const char* step) { return find(*rows, group, step).array_ms; };
  EXPECT_GT(ms("tile", "16"), ms("tile", "32"));
  EXPECT_GT(ms("tile", "32"), ms("tile", "64"));
  EXPECT_GT(ms("cores", "one core"), ms("cores", "2 columns"));  // one column waits for its input at this size
  EXPECT_GT(ms("cores", "one column"), ms("cores", "2 columns"));
  EXPECT_GT(ms("cores", "2 columns"), ms("cores", "4 columns"));
  EXPECT_GT(ms("buffers", "single"), ms("buffers", "double"));
  EXPECT_GT(ms("runs", "row by row"), ms("runs", "weights in tiles"));
  EXPECT_GT(ms("runs", "weights in tiles"), ms("runs", "both in tiles"));
  // 24 x 32 tiles at the published 108 us and 36.7 us a launch.
  EXPECT_NEAR(find(*rows, "launches", "one a tile").launch_ms, 24 * 32 * 0.108, 1e-6);
  EXPECT_NEAR(find(*rows, "launches", "one a tile, in a list").launch_ms, 24 * 32 * 0.0367, 1e-6);
  // No rung is faster than its cores multiply: 256 products a cycle and core.
  for (const LadderRow& r : *rows) {
    EXPECT_GE(r.array_ms * 1e6, 1536.0 * 2048 * 512 / (256.0 * r.cores)) << r.group << ", " << r.step;
  }
}

TEST(Ladder, RefusesWhatIsNoWholeNumberOfBlocks) {
  EXPECT_FALSE(product_ladder(*find_device("npu1"), 1500, 2048, 512).ok());
}

TEST(Ladder, TheEncoderByLaunches) {
  const Device d = *find_device("npu1");
  const EncoderShape shape{.n_mels = 80, .n_ctx = 300, .d = 128, .heads = 2, .layers = 3};
  const Result<std::vector<LadderRow>> rows = encoder_ladder(d, shape, 1.0);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  fmt::print("{}", to_text(*rows, d, 1.0));
  auto launches = [&](const char* step) { return find(*rows, "launches", step).launches; };
  // 5 blocks of 64 positions. Stem: three times a quantisation (5) and a product (5 * 2), then once again. A layer:
  // four passes over rows, products of 2 + 4 + 2 + 8 + 2 columns of tiles, 2 heads. Then the last norm.
  EXPECT_EQ(launches("one a tile"), 4 * 15 + 3 * (4 * 5 + 5 * 18 + 2 * 5) + 5);
  EXPECT_EQ(launches("one an operation"), 8 + 3 * 10 + 1);
  EXPECT_EQ(launches("one a layer"), 4);
  EXPECT_EQ(launches("one for the encoder"), 1);
  auto ms = [&](const char* group, const char* step) { return find(*rows, group, step).array_ms; };
  EXPECT_GT(ms("launches", "one a tile a core"), ms("launches", "one an operation"));
  EXPECT_GT(ms("launches", "one an operation"), ms("launches", "one a layer"));
  EXPECT_GT(ms("launches", "one a layer"), ms("launches", "one for the encoder"));
  EXPECT_GT(ms("cores", "one core"), ms("cores", "2 columns"));  // one column waits for its input at this size
  EXPECT_GT(ms("cores", "one column"), ms("cores", "2 columns"));
  EXPECT_GT(ms("cores", "2 columns"), ms("cores", "4 columns"));
  EXPECT_GT(ms("buffers", "single"), ms("buffers", "double"));
  EXPECT_NEAR(find(*rows, "launches", "one an operation, in a list").launch_ms, 39 * 0.0367, 1e-9);
  EXPECT_NEAR(find(*rows, "launches", "one a tile").launch_ms, launches("one a tile") * 0.108, 1e-6);
}

// The rungs' kernels make the product, in both loops and every tile.
TEST(Ladder, KernelsMakeTheProduct) {
  const Device d = *find_device("npu1");
  constexpr int kM = 256, kN = 256, kK = 128;
  const std::vector<std::byte> a = random_bytes(kM * kK, 3), b = random_bytes(kK * kN, 4);
  for (const auto& [tile, stock_loop] : {std::pair{16, false}, {32, false}, {64, false}, {64, true}}) {
    const Result<GemmKernels> kernels = table_kernels(tile, stock_loop);
    ASSERT_TRUE(kernels.ok()) << kernels.error().message;
    const GemmI8 g{.m = kM, .n = kN, .k = kK, .tile_m = tile, .tile_n = tile, .tile_k = tile, .stock = true};
    std::vector<std::vector<std::byte>> host{a, b, std::vector<std::byte>(kM * kN * 4)};
    run(*gemm_i8_design(d, g, *kernels), d, {}, host);
    for (int i = 0; i < kM; ++i) {
      for (int j = 0; j < kN; ++j) {
        int32_t want = 0, got;
        for (int x = 0; x < kK; ++x) {
          want += static_cast<int8_t>(a[static_cast<size_t>(i * kK + x)]) *
                  static_cast<int8_t>(b[static_cast<size_t>(x * kN + j)]);
        }
        std::memcpy(&got, host[2].data() + static_cast<size_t>(i * kN + j) * 4, 4);
        ASSERT_EQ(got, want) << tile << ": " << i << ", " << j;
      }
    }
  }
}

}  // namespace
}  // namespace shorthand::npu
