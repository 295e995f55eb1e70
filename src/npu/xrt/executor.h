// SPDX-License-Identifier: Apache-2.0
// An array in this machine: whether there is one, what it needs to be used, and the executor that uses it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "npu/executor.h"
#include "npu/xrt/artefacts.h"
#include "npu/xrt/plugin.h"

namespace shorthand::npu {

// The node of the array's driver: $SHORTHAND_NPU_NODE, or else the first /dev/accel/accelN whose driver is amdxdna.
// Errors: none is there, or it cannot be opened.
Result<std::filesystem::path> find_npu_node();

// The plugin in memory. It stays as long as anything made from it.
class Plugin {
 public:
  // $SHORTHAND_NPU_PLUGIN, or else shorthand-xrt.so beside the program or in ../lib/shorthand.
  static Result<std::shared_ptr<const Plugin>> find();
  // Errors: no such file, one that the loader refuses (no XRT on this machine), a plugin of another version.
  static Result<std::shared_ptr<const Plugin>> load(const std::filesystem::path& path);
  ~Plugin();
  Plugin(const Plugin&) = delete;

  const PluginTable& table() const { return *table_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  Plugin(std::filesystem::path path, void* handle) : path_(std::move(path)), handle_(handle) {}
  std::filesystem::path path_;
  void* handle_;
  const PluginTable* table_ = nullptr;
};

// A window of the largest encoder takes less than a second; ten are an array that hangs.
inline constexpr std::chrono::milliseconds kNpuTimeout{10'000};

// Runs designs from `artefacts` (which the caller has checked against the design): one xclbin, one hardware context,
// resident buffers on the device, a run for each set of the others. After a run that failed or did not end nothing
// more is started: what the array is in then nobody knows.
std::unique_ptr<Executor> make_xrt_executor(std::shared_ptr<const Plugin> plugin, Artefacts artefacts,
                                            std::chrono::milliseconds timeout = kNpuTimeout);

}  // namespace shorthand::npu
