// SPDX-License-Identifier: Apache-2.0
// The cost model against what others counted and measured on silicon (docs/npu.md, kernel-level anchors).
#include "npu/kernels/cost.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

double cycles(std::string_view name, Generation g = Generation::aie2, std::span<const int32_t> numbers = {}) {
  return static_cast<double>(find_aie_kernel(name)->cycles(g, numbers));
}

TEST(KernelCost, OfTheStockInt8KernelIsThatMeasured) {
  EXPECT_NEAR(cycles("matmul_i8_stock_64x64x64"), 2442, 0.03 * 2442);
}

TEST(KernelCost, OfTwoByTwoBlockingIsFullIssueInTheLoop) {
  const cost::Body step = {.load_bytes = 2 * 32 + 2 * 64, .int8_macs = 4};
  EXPECT_EQ(4 * 256 / cost::bundles(Generation::aie2, step), 256);
  EXPECT_EQ(4 * 256 / cost::bundles(Generation::aie2p, step), 512);
  const double rate = 64.0 * 64 * 64 / cycles("matmul_i8_64x64x64");
  EXPECT_GT(rate, 0.85 * 256);  // published for this blocking: above 0.92 of the loop's 256, bank conflicts apart
  EXPECT_LT(rate, 256);
  EXPECT_GT(64.0 * 128 * 64 / cycles("matmul_i8_64x128x64"), rate);
}

TEST(KernelCost, KnowsNothingFasterThanTheMachine) {
  for (const KernelType& k : aie_kernels()) {
    const std::vector<int32_t> numbers(16, 1);  // more than any kernel takes
    for (Generation g : {Generation::aie2, Generation::aie2p}) EXPECT_GT(k.cycles(g, numbers), 0) << k.name;
    EXPECT_LE(k.cycles(Generation::aie2p, numbers), k.cycles(Generation::aie2, numbers)) << k.name;
    EXPECT_GE(k.stack_bytes, 1024) << k.name;
    EXPECT_LE(k.stack_bytes, 3328) << k.name;
  }
  for (int n : {16, 32, 64}) {
    const std::string name = "matmul_i8_" + std::to_string(n) + "x" + std::to_string(n) + "x" + std::to_string(n);
    EXPECT_GE(cycles(name), n * n * n / 256.0);
    EXPECT_GE(cycles(name, Generation::aie2p), n * n * n / 512.0);
  }
}

// docs/npu-kernels.md: | `name` | numbers | cycles on npu1 | on npu2 | stack |
TEST(KernelCost, IsWhatTheDocumentSays) {
  std::ifstream file(SHORTHAND_REPO_DIR "/docs/npu-kernels.md");
  const std::regex row(R"(\| `(\w+)` \| ([\d ]*)\| (\d+) \| (\d+) \| (\d+) \|)");
  int rows = 0;
  for (std::string line; std::getline(file, line);) {
    std::smatch m;
    if (!std::regex_match(line, m, row)) continue;
    const KernelType* k = find_aie_kernel(m[1].str());
    ASSERT_NE(k, nullptr) << m[1];
    std::vector<int32_t> numbers;
    std::istringstream words(m[2].str());
    for (int32_t n; words >> n;) numbers.push_back(n);
    EXPECT_EQ(k->cycles(Generation::aie2, numbers), std::stol(m[3].str())) << line;
    EXPECT_EQ(k->cycles(Generation::aie2p, numbers), std::stol(m[4].str())) << line;
    EXPECT_EQ(k->stack_bytes, std::stoi(m[5].str())) << line;
    ++rows;
  }
  EXPECT_GE(rows, 20);
}

TEST(KernelTable, NamesEveryKernelOnce) {
  for (const KernelType& k : aie_kernels()) EXPECT_EQ(find_aie_kernel(k.name), &k) << k.name;
  EXPECT_EQ(find_aie_kernel("matmul_i8_65x64x64"), nullptr);
}

}  // namespace
}  // namespace shorthand::npu
