// SPDX-License-Identifier: Apache-2.0
// What can go wrong between the program and a device: launches that break the ABI, faults of plugin, driver and array.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstring>

#include "npu/xrt/executor.h"
#include "npu/xrt/launch.h"
#include "small_encoder.h"

namespace shorthand::npu {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Variable {
  const char* name;
  Variable(const char* n, const std::string& value) : name(n) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name); }
};

std::shared_ptr<const Plugin> plugin() { return *Plugin::load(SHORTHAND_TEST_PLUGIN); }

int open_contexts() {
  void* const handle = dlopen(SHORTHAND_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  const int n = reinterpret_cast<int (*)()>(dlsym(handle, "shorthand_test_contexts"))();
  dlclose(handle);
  return n;
}

// The plugin's own calls, as the executor makes them, each of which a test can do wrong.
class LaunchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    encoder_.write_artefacts(folder_.path());
    ASSERT_EQ(table().open(0, (folder_ / "final.xclbin").c_str(), kKernelName, &device_, &error_), 0) << error_.text;
    words_ = encoder_.words();
    instructions_ = upload(kInstructionsArgument, true, std::as_bytes(std::span(words_)));
    weights_ = upload(kFirstHostArgument, false, encoder_.prepared.weights);
    const int64_t bytes = encoder_.prepared.design.host[kEncoderState].bytes;
    state_ = allocate(kFirstHostArgument + 1, false, static_cast<size_t>(bytes));
    mel_ = encoder_.mel();
    ASSERT_TRUE(write_window(encoder_.prepared, mel_, mapped_[state_]).ok());
  }
  void TearDown() override { table().close(device_); }

  const PluginTable& table() const { return plugin_->table(); }
  uint32_t allocate(uint32_t argument, bool instructions, size_t bytes) {
    uint32_t buffer = 0;
    void* mapped = nullptr;
    EXPECT_EQ(table().allocate(device_, argument, instructions, bytes, &buffer, &mapped, &error_), 0) << error_.text;
    mapped_[buffer] = {static_cast<std::byte*>(mapped), bytes};
    return buffer;
  }
  uint32_t upload(uint32_t argument, bool instructions, std::span<const std::byte> contents) {
    const uint32_t buffer = allocate(argument, instructions, contents.size());
    std::memcpy(mapped_[buffer].data(), contents.data(), contents.size());
    sync(buffer, true);
    return buffer;
  }
  void sync(uint32_t buffer, bool to_device) {
    EXPECT_EQ(table().sync(device_, buffer, to_device, 0, mapped_[buffer].size(), &error_), 0) << error_.text;
  }
  std::vector<PluginArgument> arguments() const {
    const uint32_t host[] = {weights_, state_};
    return launch_arguments(instructions_, static_cast<uint32_t>(words_.size()), host);
  }
  // What the launch says that is wrong with it; "" where it completes.
  std::string launch(const std::vector<PluginArgument>& arguments) {
    uint32_t run = 0, state = 0;
    if (table().prepare(device_, arguments.data(), static_cast<uint32_t>(arguments.size()), &run, &error_) != 0 ||
        table().start(device_, run, &error_) != 0 || table().wait(device_, run, 1000, &state, &error_) != 0)
      return error_.text;
    return state == kPluginCompleted ? "" : "did not complete";
  }
  std::vector<float> output() {
    std::vector<float> out(encoder_.prepared.positions.size());
    read_window(encoder_.prepared, mapped_[state_], out);
    return out;
  }

  SmallEncoder encoder_;
  shorthand::testing::TemporaryFolder folder_;
  const std::shared_ptr<const Plugin> plugin_ = plugin();
  void* device_ = nullptr;
  PluginError error_ = {};
  std::vector<uint32_t> words_;
  std::vector<float> mel_;
  std::map<uint32_t, std::span<std::byte>> mapped_;
  uint32_t instructions_ = 0, weights_ = 0, state_ = 0;
};

TEST_F(LaunchTest, TheRightOneComputes) {
  sync(state_, true);
  EXPECT_EQ(launch(arguments()), "");
  EXPECT_EQ(output(), std::vector<float>(encoder_.prepared.positions.size()));  // not fetched yet
  sync(state_, false);
  EXPECT_EQ(output(), run_encoder(encoder_.prepared, mel_, {})->output);
}

TEST_F(LaunchTest, InputsThatWereNotSyncedAreNotThere) {
  EXPECT_EQ(launch(arguments()), "");
  sync(state_, false);
  EXPECT_NE(output(), run_encoder(encoder_.prepared, mel_, {})->output);
}

TEST_F(LaunchTest, WrongOnesAreCaught) {
  sync(state_, true);
  std::vector<PluginArgument> wrong = arguments();
  wrong[0].value = 2;
  EXPECT_THAT(launch(wrong), HasSubstr("opcode 2 is no transaction"));
  wrong = arguments();
  wrong[2].value *= 4;
  EXPECT_THAT(launch(wrong), HasSubstr("instructions, the stream has"));
  wrong = arguments();
  wrong[4].value = allocate(kFirstHostArgument + 1, false, 4096);
  EXPECT_THAT(launch(wrong), HasSubstr("argument 4 has 4096 bytes, the array reaches"));
  wrong = arguments();
  std::swap(wrong[3].value, wrong[4].value);
  EXPECT_THAT(launch(wrong), HasSubstr("is a buffer of another kind"));
  wrong = arguments();
  wrong.erase(wrong.begin() + 1);
  EXPECT_THAT(launch(wrong), HasSubstr("argument 1 is not set"));
  wrong = arguments();
  wrong[4].value = 99;
  EXPECT_NE(launch(wrong), "");
  mapped_[instructions_][40] ^= std::byte{1};
  sync(instructions_, true);
  EXPECT_THAT(launch(arguments()), HasSubstr("not this configuration's"));
}

class FaultTest : public ::testing::Test {
 protected:
  FaultTest() { encoder_.write_artefacts(folder_.path()); }
  std::unique_ptr<Executor> make() { return make_xrt_executor(plugin(), *read_artefacts(folder_.path())); }
  std::string message(const Result<void>& result) { return result.ok() ? "" : result.error().message; }

  SmallEncoder encoder_;
  shorthand::testing::TemporaryFolder folder_;
};

TEST_F(FaultTest, LoadingSaysWhatIsNotThere) {
  const auto with = [&](const char* fault) {
    const Variable injected("SHORTHAND_TEST_NPU", fault);
    return message(make()->load(encoder_.work()));
  };
  EXPECT_THAT(with("no-device"), StartsWith("the NPU: no context: No such device with index '0'"));
  EXPECT_THAT(with("no-context"), HasSubstr("CREATE_HWCTX"));
  EXPECT_EQ(with("nothing"), "");
  EXPECT_EQ(open_contexts(), 0);
}

TEST_F(FaultTest, OneContextWhichEndsWithItsExecutor) {
  {
    const auto executor = make();
    ASSERT_EQ(message(executor->load(encoder_.work())), "");
    EXPECT_EQ(open_contexts(), 1);
  }
  EXPECT_EQ(open_contexts(), 0);
  std::ofstream(folder_ / "final.xclbin") << "xclbin2 OTHER npu1 16 70 64 1 1 2";
  EXPECT_THAT(message(make()->load(encoder_.work())), HasSubstr("no kernel MLIR_AIE; it has OTHER"));
  EXPECT_EQ(open_contexts(), 0);
}

TEST_F(FaultTest, RunsThatFailAreErrorsAndTheLast) {
  struct Case {
    const char *fault, *message;
  };
  for (const Case& c : {Case{"timeout", "the NPU: encoder did not end within 10 s; the run was aborted"},
                        Case{"error", "the NPU: encoder failed: the command ended in an error (state 5)"}}) {
    const auto executor = make();
    ASSERT_EQ(message(executor->load(encoder_.work())), "");
    const TakenSet taken(*executor, *executor->take());
    ASSERT_TRUE(write_window(encoder_.prepared, encoder_.mel(), executor->buffer(taken.set(), kEncoderState)).ok());
    {
      const Variable injected("SHORTHAND_TEST_NPU", c.fault);
      ASSERT_EQ(message(executor->start(taken.set())), "");
      const Result<RunReport> report = executor->wait(taken.set());
      ASSERT_FALSE(report.ok());
      EXPECT_THAT(report.error().message, StartsWith(c.message));
    }
    EXPECT_THAT(message(executor->start(taken.set())), HasSubstr("start the program again"));
  }
  const auto executor = make();
  ASSERT_EQ(message(executor->load(encoder_.work())), "");
  const Variable injected("SHORTHAND_TEST_NPU", "start");
  EXPECT_THAT(message(executor->start(*executor->take())), HasSubstr("the run does not start: DRM_IOCTL"));
}

// The other set's run, under way since before, ends well: its bytes are good, and the array's state is as unknown.
TEST_F(FaultTest, ARunThatEndsWellMendsNothing) {
  const auto executor = make();
  ASSERT_EQ(message(executor->load(encoder_.work())), "");
  const TakenSet first(*executor, *executor->take()), second(*executor, *executor->take());
  for (const TakenSet* taken : {&first, &second}) {
    ASSERT_TRUE(write_window(encoder_.prepared, encoder_.mel(), executor->buffer(taken->set(), kEncoderState)).ok());
  }
  {
    const Variable injected("SHORTHAND_TEST_NPU", "error");
    ASSERT_EQ(message(executor->start(first.set())), "");
  }
  ASSERT_EQ(message(executor->start(second.set())), "");
  EXPECT_FALSE(executor->wait(first.set()).ok());
  EXPECT_TRUE(executor->wait(second.set()).ok());
  EXPECT_THAT(message(executor->start(second.set())), HasSubstr("start the program again"));
}

// An xclbin of another shape than its description says, and instructions of another.
TEST_F(FaultTest, FilesThatDoNotBelongTogether) {
  std::ofstream(folder_ / "final.xclbin") << "xclbin2 MLIR_AIE npu1 16 70 128 2 1 2";
  const auto executor = make();
  ASSERT_EQ(message(executor->load(encoder_.work())), "");
  const int set = *executor->take();
  EXPECT_THAT(message(executor->start(set)), HasSubstr("instructions, the stream has"));
  std::filesystem::resize_file(folder_ / "insts.bin", 400);
  EXPECT_THAT(message(make()->load(encoder_.work())), HasSubstr("insts.bin: 100 words, of which the header promises"));
}

TEST(PluginTest, RefusesWhatIsNone) {
  const auto refused = [](const std::filesystem::path& path) {
    const auto loaded = Plugin::load(path);
    return loaded.ok() ? "" : loaded.error().message;
  };
  const shorthand::testing::TemporaryFolder folder;
  EXPECT_THAT(refused(folder / "none.so"), StartsWith("no XRT plugin at "));
  std::ofstream(folder / "text.so") << "no library";
  EXPECT_THAT(refused(folder / "text.so"), StartsWith("the XRT plugin does not load: "));
  EXPECT_THAT(refused(SHORTHAND_TEST_OLD_PLUGIN), HasSubstr("a plugin of version 2, this program speaks version 1"));
}

TEST(FindNode, SaysWhyThereIsNone) {
  const shorthand::testing::TemporaryFolder folder;
  {
    const Variable node("SHORTHAND_NPU_NODE", (folder / "accel0").string());
    EXPECT_EQ(find_npu_node().error().message, "no AMD NPU found (no " + (folder / "accel0").string() + ")");
  }
  const Variable node("SHORTHAND_NPU_NODE", folder.path().string());  // a folder cannot be opened for writing
  EXPECT_THAT(find_npu_node().error().message, HasSubstr("cannot be opened"));
}

}  // namespace
}  // namespace shorthand::npu
