// SPDX-License-Identifier: Apache-2.0
// What both executors promise: the simulator, and the XRT plugin's own source over the stand-in for XRT.
#include "npu/executor.h"

#include <gmock/gmock.h>

#include "npu/xrt/executor.h"
#include "small_encoder.h"

namespace shorthand::npu {
namespace {

using ::testing::HasSubstr;

class ExecutorTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Executor> make() {
    if (std::string_view(GetParam()) == "sim") return make_sim_executor();
    encoder_.write_artefacts(folder_.path());
    auto plugin = Plugin::load(SHORTHAND_TEST_PLUGIN);
    EXPECT_TRUE(plugin.ok()) << plugin.error().message;
    return make_xrt_executor(*plugin, *read_artefacts(folder_.path()));
  }
  std::vector<float> encode(Executor& executor, std::span<const float> mel, int set) {
    const std::span<std::byte> state = executor.buffer(set, kEncoderState);
    EXPECT_TRUE(write_window(encoder_.prepared, mel, state).ok());
    const Result<void> started = executor.start(set);
    EXPECT_TRUE(started.ok()) << started.error().message;
    if (!started.ok()) return {};
    const Result<RunReport> report = executor.wait(set);
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (!report.ok()) return {};
    EXPECT_EQ(report->array_us > 0, executor.simulated());
    std::vector<float> out(encoder_.prepared.positions.size());
    read_window(encoder_.prepared, state, out);
    return out;
  }
  std::vector<float> expected(std::span<const float> mel) { return run_encoder(encoder_.prepared, mel, {})->output; }

  SmallEncoder encoder_;
  shorthand::testing::TemporaryFolder folder_;
};

// Windows after one another in one memory come out as each does in fresh memory.
TEST_P(ExecutorTest, AWindowHasTheBitsOfOneAlone) {
  const auto executor = make();
  const Result<void> loaded = executor->load(encoder_.work());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(executor->device(), executor->simulated() ? "npu-sim:npu1" : "npu:npu1");
  const std::vector<float> one = encoder_.mel(), two = encoder_.mel();
  const int a = *executor->take(), b = *executor->take();
  for (const auto& [mel, set] : {std::pair{one, a}, {two, a}, {two, b}, {one, a}, {one, b}}) {
    const std::vector<float> got = encode(*executor, mel, set);
    EXPECT_EQ(got, expected(mel));
  }
  EXPECT_NE(expected(one), expected(two));
}

// Both sets are with the array at once, and each has its own window.
TEST_P(ExecutorTest, SetsDoNotSeeEachOther) {
  const auto executor = make();
  ASSERT_TRUE(executor->load(encoder_.work()).ok());
  const std::vector<float> one = encoder_.mel(), two = encoder_.mel();
  const int a = *executor->take(), b = *executor->take();
  ASSERT_TRUE(write_window(encoder_.prepared, one, executor->buffer(a, kEncoderState)).ok());
  ASSERT_TRUE(executor->start(a).ok());
  ASSERT_TRUE(write_window(encoder_.prepared, two, executor->buffer(b, kEncoderState)).ok());
  ASSERT_TRUE(executor->start(b).ok());
  std::vector<float> out(encoder_.prepared.positions.size());
  for (const auto& [mel, set] : {std::pair{two, b}, {one, a}}) {
    ASSERT_TRUE(executor->wait(set).ok());
    read_window(encoder_.prepared, executor->buffer(set, kEncoderState), out);
    EXPECT_EQ(out, expected(mel));
  }
}

TEST_P(ExecutorTest, ASetIsInOneHandAtATime) {
  const auto executor = make();
  EXPECT_FALSE(executor->take().ok());
  ASSERT_TRUE(executor->load(encoder_.work()).ok());
  EXPECT_FALSE(executor->load(encoder_.work()).ok());
  EXPECT_TRUE(executor->buffer(0, kEncoderState).empty());
  EXPECT_FALSE(executor->start(0).ok());
  const int a = *executor->take();
  EXPECT_TRUE(executor->buffer(a, kEncoderWeights).empty());
  ASSERT_TRUE(write_window(encoder_.prepared, encoder_.mel(), executor->buffer(a, kEncoderState)).ok());
  EXPECT_FALSE(executor->wait(a).ok());
  ASSERT_TRUE(executor->start(a).ok());
  EXPECT_TRUE(executor->buffer(a, kEncoderState).empty());
  EXPECT_FALSE(executor->start(a).ok());
  executor->give(a);  // the array's: it stays there
  const int b = *executor->take();
  EXPECT_NE(a, b);
  const Result<int> third = executor->take();
  ASSERT_FALSE(third.ok());
  EXPECT_THAT(third.error().message, HasSubstr("all 2 buffer sets are in use"));
  ASSERT_TRUE(executor->wait(a).ok());
  EXPECT_FALSE(executor->wait(a).ok());
  executor->give(a);
  EXPECT_EQ(*executor->take(), a);
  EXPECT_FALSE(executor->start(Executor::kSets).ok());
}

// A range that is forgotten is a window that the array does not see, or a result that the host does not.
TEST_P(ExecutorTest, OnlyNamedRangesTravel) {
  const std::vector<float> mel = encoder_.mel();
  Workload no_frames = encoder_.work(), no_result = encoder_.work();
  no_frames.inputs.pop_back();
  no_result.outputs.clear();
  auto executor = make();
  ASSERT_TRUE(executor->load(no_frames).ok());
  EXPECT_NE(encode(*executor, mel, *executor->take()), expected(mel));
  executor = make();
  ASSERT_TRUE(executor->load(no_result).ok());
  const std::vector<float> nothing(encoder_.prepared.positions.size());
  EXPECT_EQ(encode(*executor, mel, *executor->take()), nothing);
}

TEST_P(ExecutorTest, RefusesWhatDoesNotFitItsBuffers) {
  using Change = void (*)(Workload&);
  const Change wrong[] = {
      [](Workload& w) { w.residents[0].contents = w.residents[0].contents.first(64); },
      [](Workload& w) { w.residents[0].host = 2; },
      [](Workload& w) { w.inputs[0].host = kEncoderWeights; },  // resident
      [](Workload& w) { w.inputs[0].offset = -4; },
      [](Workload& w) { w.outputs[0].bytes = 0; },
      [](Workload& w) { w.outputs[0].bytes = w.design.host[1].bytes + 4; },
      [](Workload& w) { w.device.core_rows = 2; },
  };
  for (const Change change : wrong) {
    Workload work = encoder_.work();
    change(work);
    EXPECT_FALSE(make()->load(work).ok()) << &change - wrong;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, ExecutorTest, ::testing::Values("sim", "xrt"),
                         [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace shorthand::npu
