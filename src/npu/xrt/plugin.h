// SPDX-License-Identifier: Apache-2.0
// What the XRT plugin and the program say to each other. The plugin is a file of its own (xrt_device.cpp, linked with
// XRT's libxrt_coreutil) that is loaded when a device is asked for, so that the program starts where no XRT is. C types
// only: the two may come from different compilers. kPluginAbi counts up with every change here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shorthand::npu {

inline constexpr uint32_t kPluginAbi = 1;
inline constexpr const char* kPluginEntry = "shorthand_npu_plugin";

struct PluginError {
  char text[512];  // one line, always terminated
};

// An argument of the array's kernel, by its number in the xclbin.
struct PluginArgument {
  enum Kind : uint32_t { u32, u64, buffer };
  uint32_t index, kind;
  uint64_t value;  // or the buffer, as allocate() numbered it
};

enum PluginState : uint32_t { kPluginCompleted, kPluginTimedOut, kPluginFailed };

// All functions return 0, or 1 with the reason in `error`. A device is used from one thread at a time.
struct PluginTable {
  uint32_t abi;  // first, for ever

  // Registers the xclbin and makes the one hardware context, in which the kernel is whose name begins with `kernel`.
  int (*open)(uint32_t index, const char* xclbin, const char* kernel, void** device, PluginError* error);
  // Frees everything: runs, buffers, the context.
  void (*close)(void* device);
  // Memory for argument `argument`, zeros on both sides, mapped for the host at `mapped`. `instructions`: memory that
  // the controller reads its words from.
  int (*allocate)(void* device, uint32_t argument, uint32_t instructions, uint64_t bytes, uint32_t* buffer,
                  void** mapped, PluginError* error);
  int (*sync)(void* device, uint32_t buffer, uint32_t to_device, uint64_t offset, uint64_t bytes, PluginError* error);
  // A run that can be started again and again.
  int (*prepare)(void* device, const PluginArgument* arguments, uint32_t count, uint32_t* run, PluginError* error);
  int (*start)(void* device, uint32_t run, PluginError* error);
  // Returns 0 with the state that the run ended in; a run that timed out has been aborted. With kPluginFailed `error`
  // says how XRT put it.
  int (*wait)(void* device, uint32_t run, uint32_t timeout_ms, uint32_t* state, PluginError* error);
};

extern "C" const PluginTable* shorthand_npu_plugin();

}  // namespace shorthand::npu
