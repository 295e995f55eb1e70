// SPDX-License-Identifier: Apache-2.0
// What of the way to a device needs none: arguments, the instruction stream's bounds, artefacts and where they lie.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "npu/check.h"
#include "npu/mlir/insts.h"
#include "npu/test_designs.h"
#include "npu/xrt/artefacts.h"
#include "npu/xrt/launch.h"
#include "support/process.h"

namespace shorthand::npu {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// mlir-aie's host code: kernel(3, instructions, how many words, buffers from argument 3 on).
TEST(Launch, ArgumentsAreMlirAies) {
  const uint32_t host[] = {8, 9};
  const std::vector<PluginArgument> a = launch_arguments(7, 1234, host);
  ASSERT_EQ(a.size(), 5u);
  const auto is = [&](size_t i, uint32_t kind, uint64_t value) {
    return a[i].index == i && a[i].kind == kind && a[i].value == value;
  };
  EXPECT_TRUE(is(0, PluginArgument::u64, 3));
  EXPECT_TRUE(is(1, PluginArgument::buffer, 7));
  EXPECT_TRUE(is(2, PluginArgument::u32, 1234));
  EXPECT_TRUE(is(3, PluginArgument::buffer, 8));
  EXPECT_TRUE(is(4, PluginArgument::buffer, 9));
}

TEST(Launch, InstructionsBelongToADesignAndADevice) {
  const Device npu1 = *find_device("npu1");
  const Design design = *Copy{}.build();
  const std::vector<uint32_t> words = *instructions(design, npu1, *check(design, npu1));
  EXPECT_TRUE(check_instructions(words, design, npu1).ok());
  const auto refused = [&](std::vector<uint32_t> w, const Design& d, const Device& on) {
    const Result<void> checked = check_instructions(w, d, on);
    return checked.ok() ? std::string() : checked.error().message;
  };
  EXPECT_THAT(refused(words, design, *find_device("npu2")), HasSubstr("generation 3"));
  EXPECT_THAT(refused(words, design, *find_device("npu1_2col")), HasSubstr("4 columns; npu1 is 3 with 6 and 2"));
  std::vector<uint32_t> cut = words;
  cut.pop_back();
  EXPECT_THAT(refused(cut, design, npu1), HasSubstr("of which the header promises"));
  EXPECT_NE(refused({}, design, npu1), "");
  Design smaller = design;
  smaller.host.pop_back();
  EXPECT_THAT(refused(words, smaller, npu1), HasSubstr("of host buffer 1, which copy does not have"));
  std::vector<uint32_t> longer = words;
  longer[4 + 3] = 1u << 20;  // the first operation, a block write
  ASSERT_EQ(longer[4], 1u);
  EXPECT_THAT(refused(longer, design, npu1), HasSubstr("leaves the stream"));
}

ArtefactDescription some() {
  return {"encoder", "npu1", "6 layers of 512", "abc", "def", {{"weights", 4096}, {"state", 1 << 30}}};
}

TEST(ArtefactsTest, DescriptionsAreReadAsTheyWereWritten) {
  EXPECT_EQ(*parse_artefacts(to_text(some())), some());
  for (const char* text : {"", "shorthand-npu-artefacts 2\n", "shorthand-npu-artefacts 1\n", "design encoder\n"}) {
    EXPECT_FALSE(parse_artefacts(text).ok()) << text;
  }
  for (const char* line :
       {"host\n", "host x y\n", "host 12\n", "host -1 x\n", "host 99999999999999999999 x\n", "colour blue\n"}) {
    EXPECT_FALSE(parse_artefacts(to_text(some()) + line).ok()) << line;
  }
  const std::string text = to_text(some());
  for (size_t n = 0; n < text.find("weights"); ++n) EXPECT_FALSE(parse_artefacts(text.substr(0, n)).ok()) << n;
}

TEST(ArtefactsTest, OthersAreRefusedByName) {
  const auto refused = [](auto change) {
    ArtefactDescription have = some();
    change(have);
    const Result<void> checked = check_artefacts(have, some(), "/a");
    return checked.ok() ? std::string() : checked.error().message;
  };
  using D = ArtefactDescription;
  EXPECT_EQ(refused([](D&) {}), "");
  EXPECT_THAT(refused([](D& d) { d.design = "gemm"; }), StartsWith("/a: artefacts of 'gemm', not of 'encoder'; build"));
  EXPECT_THAT(refused([](D& d) { d.device = "npu2"; }), StartsWith("/a: artefacts for npu2, not for npu1"));
  EXPECT_THAT(refused([](D& d) { d.shape = "4 layers of 384"; }),
              StartsWith("/a: artefacts for 4 layers of 384; this model has 6 layers of 512; build"));
  EXPECT_THAT(refused([](D& d) { d.host[1].bytes += 4; }), HasSubstr("host buffers"));
  EXPECT_THAT(refused([](D& d) { d.kernels = "x"; }), HasSubstr("other kernels"));
  EXPECT_THAT(refused([](D& d) { d.digest = "x"; }), HasSubstr("another version of this design"));
}

TEST(ArtefactsTest, AFolderHasAllOfThem) {
  const shorthand::testing::TemporaryFolder folder;
  const auto refused = [&] {
    const Result<Artefacts> read = read_artefacts(folder.path());
    return read.ok() ? std::string() : read.error().message;
  };
  EXPECT_THAT(read_artefacts(folder / "none").error().message, HasSubstr("no artefacts for the array are there"));
  EXPECT_THAT(refused(), HasSubstr("artefacts.txt is missing; build them with `shorthand npu build encoder"));
  std::ofstream(folder / "artefacts.txt") << to_text(some());
  std::ofstream(folder / "final.xclbin") << "xclbin2";
  EXPECT_THAT(refused(), HasSubstr("insts.bin is missing"));
  std::ofstream(folder / "insts.bin") << "12345678";
  EXPECT_EQ(refused(), "");
  EXPECT_EQ(read_artefacts(folder.path())->instructions, (std::vector<uint32_t>{0x34333231, 0x38373635}));
  std::ofstream(folder / "insts.bin") << "1234567";
  EXPECT_THAT(refused(), HasSubstr("insts.bin: no whole number of words"));
  std::ofstream(folder / "final.xclbin") << "xclbin1";
  EXPECT_THAT(refused(), HasSubstr("final.xclbin: not an xclbin"));
  std::ofstream(folder / "artefacts.txt") << "what?";
  EXPECT_THAT(refused(), HasSubstr("artefacts.txt: no description"));
}

}  // namespace
}  // namespace shorthand::npu
