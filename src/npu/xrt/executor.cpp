// SPDX-License-Identifier: Apache-2.0
#include "npu/xrt/executor.h"

#include <fmt/format.h>

#include <cstring>

#include "npu/xrt/launch.h"

namespace shorthand::npu {
namespace {

size_t at(int64_t index) { return static_cast<size_t>(index); }

class XrtExecutor : public Executor {
 public:
  XrtExecutor(std::shared_ptr<const Plugin> plugin, Artefacts artefacts, std::chrono::milliseconds timeout)
      : plugin_(std::move(plugin)), artefacts_(std::move(artefacts)), timeout_(timeout) {}
  ~XrtExecutor() override {
    if (device_ != nullptr) table().close(device_);
  }

  std::string device() const override { return fmt::format("npu:{}", artefacts_.description.device); }
  bool simulated() const override { return false; }

 private:
  struct Memory {
    uint32_t buffer = 0;
    std::span<std::byte> mapped;
  };

  const PluginTable& table() const { return plugin_->table(); }
  // A call of the plugin, with what it has to say as an error.
  template <class Call>
  Result<void> call(const char* doing, Call&& function) const {
    PluginError error = {};
    if (function(&error) == 0) return {};
    return io_error(fmt::format("the NPU: {}: {}", doing, error.text));
  }

  Result<Memory> allocate(uint32_t argument, bool instructions, int64_t bytes) {
    Memory m;
    void* mapped = nullptr;
    SHORTHAND_TRY(call("no memory", [&](PluginError* e) {
      return table().allocate(device_, argument, instructions, static_cast<uint64_t>(bytes), &m.buffer, &mapped, e);
    }));
    m.mapped = {static_cast<std::byte*>(mapped), at(bytes)};
    return m;
  }
  Result<void> sync(uint32_t buffer, bool to_device, int64_t offset, int64_t bytes) const {
    return call(to_device ? "bytes to the array" : "bytes from the array", [&](PluginError* e) {
      return table().sync(device_, buffer, to_device, static_cast<uint64_t>(offset), static_cast<uint64_t>(bytes), e);
    });
  }
  // Memory with contents, on the device.
  Result<Memory> upload(uint32_t argument, bool instructions, std::span<const std::byte> contents) {
    const auto bytes = static_cast<int64_t>(contents.size());
    const Memory m = SHORTHAND_TRY(allocate(argument, instructions, bytes));
    std::memcpy(m.mapped.data(), contents.data(), contents.size());
    SHORTHAND_TRY(sync(m.buffer, true, 0, bytes));
    return m;
  }

  Result<void> prepare() override {
    const Design& design = work().design;
    const std::vector<uint32_t>& words = artefacts_.instructions;
    if (const Result<void> fits = check_instructions(words, design, work().device); !fits) {
      return bad_input(fmt::format("{}: {}; build it again", (artefacts_.xclbin.parent_path() / "insts.bin").string(),
                                   fits.error().message));
    }
    SHORTHAND_TRY(call("no context", [&](PluginError* e) {
      return table().open(0, artefacts_.xclbin.c_str(), kKernelName, &device_, e);
    }));
    const Memory instructions = SHORTHAND_TRY(upload(kInstructionsArgument, true, std::as_bytes(std::span(words))));
    residents_.resize(design.host.size());
    for (const Resident& r : work().residents) {
      const auto argument = kFirstHostArgument + static_cast<uint32_t>(r.host);
      residents_[at(r.host)] = SHORTHAND_TRY(upload(argument, false, r.contents));
    }
    for (int set = 0; set < kSets; ++set) {
      std::vector<uint32_t> host;
      for (size_t h = 0; h < design.host.size(); ++h) {
        const auto argument = kFirstHostArgument + static_cast<uint32_t>(h);
        const Memory m = resident(static_cast<int>(h)) ? residents_[h]
                                                       : SHORTHAND_TRY(allocate(argument, false, design.host[h].bytes));
        sets_[set].memory.push_back(m);
        host.push_back(m.buffer);
      }
      const std::vector<PluginArgument> arguments =
          launch_arguments(instructions.buffer, static_cast<uint32_t>(words.size()), host);
      SHORTHAND_TRY(call("no run", [&](PluginError* e) {
        return table().prepare(device_, arguments.data(), static_cast<uint32_t>(arguments.size()), &sets_[set].run, e);
      }));
    }
    artefacts_.instructions = {};
    return {};
  }

  std::span<std::byte> host_copy(int set, int host) override { return sets_[set].memory[at(host)].mapped; }

  Result<void> launch(int set) override {
    if (broken_) return io_error("the NPU: a run before this one did not end well; start the program again");
    for (const HostRange& r : work().inputs) {
      SHORTHAND_TRY(sync(sets_[set].memory[at(r.host)].buffer, true, r.offset, r.bytes));
    }
    return call("the run does not start", [&](PluginError* e) { return table().start(device_, sets_[set].run, e); });
  }

  Result<RunReport> finish(int set) override {
    uint32_t state = kPluginFailed;
    PluginError how = {};
    const int failed = table().wait(device_, sets_[set].run, static_cast<uint32_t>(timeout_.count()), &state, &how);
    const bool ended = failed == 0 && state == kPluginCompleted;
    if (!ended) broken_ = true;  // for good, though the other set's run may still end well
    if (failed == 0 && state == kPluginTimedOut) {
      return io_error(
          fmt::format("the NPU: {} did not end within {} s; the run was aborted. `dmesg` has the driver's "
                      "reason; --device cpu runs now",
                      work().design.name, static_cast<double>(timeout_.count()) / 1000));
    }
    if (!ended) {
      return io_error(fmt::format("the NPU: {} failed: {}. `dmesg` has the driver's reason; --device cpu runs now",
                                  work().design.name, how.text));
    }
    for (const HostRange& r : work().outputs) {
      SHORTHAND_TRY(sync(sets_[set].memory[at(r.host)].buffer, false, r.offset, r.bytes));
    }
    return RunReport{};
  }

  const std::shared_ptr<const Plugin> plugin_;
  Artefacts artefacts_;
  const std::chrono::milliseconds timeout_;
  void* device_ = nullptr;
  std::vector<Memory> residents_;
  struct Set {
    std::vector<Memory> memory;  // by host buffer
    uint32_t run = 0;
  };
  Set sets_[kSets];
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Executor> make_xrt_executor(std::shared_ptr<const Plugin> plugin, Artefacts artefacts,
                                            std::chrono::milliseconds timeout) {
  return std::make_unique<XrtExecutor>(std::move(plugin), std::move(artefacts), timeout);
}

}  // namespace shorthand::npu
