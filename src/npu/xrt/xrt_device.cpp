// SPDX-License-Identifier: Apache-2.0
// The plugin: everything of Shorthand that sees XRT. Built only where XRT 2.18 or newer is installed, and by the tests
// against headers of the same names that run the simulator.
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_hw_context.h>
#include <xrt/xrt_kernel.h>
#if __has_include(<xrt/experimental/xrt_xclbin.h>)
#include <xrt/experimental/xrt_xclbin.h>
#else
#include <experimental/xrt_xclbin.h>
#endif

#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "npu/xrt/plugin.h"

namespace shorthand::npu {
namespace {

// Destroyed from the last to the first: runs and buffers before the context that they live in.
struct XrtDevice {
  xrt::device device;
  xrt::hw_context context;
  xrt::kernel kernel;
  std::vector<xrt::bo> buffers;
  std::vector<xrt::run> runs;
};

XrtDevice& of(void* device) { return *static_cast<XrtDevice*>(device); }

void say(PluginError* error, const char* text) { std::snprintf(error->text, sizeof error->text, "%s", text); }

// XRT reports by exceptions; none leaves the plugin.
template <class Body>
int guarded(PluginError* error, Body&& body) {
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    say(error, e.what());
  } catch (...) {
    say(error, "an exception of unknown kind");
  }
  return 1;
}

std::string kernel_name(const xrt::xclbin& xclbin, const char* prefix) {
  std::string seen;
  for (const xrt::xclbin::kernel& k : xclbin.get_kernels()) {
    if (k.get_name().rfind(prefix, 0) == 0) return k.get_name();
    seen += " " + k.get_name();
  }
  throw std::runtime_error("the xclbin has no kernel " + std::string(prefix) + "; it has" +
                           (seen.empty() ? " none" : seen));
}

int open(uint32_t index, const char* path, const char* kernel, void** device, PluginError* error) {
  return guarded(error, [&] {
    const xrt::xclbin xclbin{std::string(path)};
    const std::string name = kernel_name(xclbin, kernel);
    xrt::device opened(index);
    opened.register_xclbin(xclbin);
    xrt::hw_context context(opened, xclbin.get_uuid());
    xrt::kernel found(context, name);
    *device = new XrtDevice{opened, context, found, {}, {}};
  });
}

void close(void* device) {
  PluginError ignored;
  guarded(&ignored, [&] { delete &of(device); });
}

int allocate(void* device, uint32_t argument, uint32_t instructions, uint64_t bytes, uint32_t* buffer, void** mapped,
             PluginError* error) {
  return guarded(error, [&] {
    XrtDevice& d = of(device);
    const auto flags = instructions ? xrt::bo::flags::cacheable : xrt::bo::flags::host_only;
    xrt::bo bo(d.device, bytes, flags, d.kernel.group_id(static_cast<int>(argument)));
    *mapped = bo.map<void*>();
    std::memset(*mapped, 0, bytes);
    bo.sync(XCL_BO_SYNC_BO_TO_DEVICE, bytes, 0);
    d.buffers.push_back(bo);
    *buffer = static_cast<uint32_t>(d.buffers.size() - 1);
  });
}

int sync(void* device, uint32_t buffer, uint32_t to_device, uint64_t offset, uint64_t bytes, PluginError* error) {
  return guarded(error, [&] {
    of(device).buffers.at(buffer).sync(to_device ? XCL_BO_SYNC_BO_TO_DEVICE : XCL_BO_SYNC_BO_FROM_DEVICE, bytes,
                                       offset);
  });
}

int prepare(void* device, const PluginArgument* arguments, uint32_t count, uint32_t* run, PluginError* error) {
  return guarded(error, [&] {
    XrtDevice& d = of(device);
    xrt::run r(d.kernel);
    for (uint32_t i = 0; i < count; ++i) {
      const PluginArgument& a = arguments[i];
      const int index = static_cast<int>(a.index);
      switch (a.kind) {
        case PluginArgument::u32: r.set_arg(index, static_cast<uint32_t>(a.value)); break;
        case PluginArgument::u64: r.set_arg(index, a.value); break;
        default: r.set_arg(index, d.buffers.at(a.value)); break;
      }
    }
    d.runs.push_back(r);
    *run = static_cast<uint32_t>(d.runs.size() - 1);
  });
}

int start(void* device, uint32_t run, PluginError* error) {
  return guarded(error, [&] { of(device).runs.at(run).start(); });
}

const char* state_name(ert_cmd_state state) {
  switch (state) {
    case ERT_CMD_STATE_ERROR: return "the command ended in an error";
    case ERT_CMD_STATE_ABORT: return "the command was aborted";
    case ERT_CMD_STATE_NORESPONSE: return "the firmware does not answer";
    default: return "the command did not complete";
  }
}

int wait(void* device, uint32_t run, uint32_t timeout_ms, uint32_t* state, PluginError* error) {
  return guarded(error, [&] {
    xrt::run& r = of(device).runs.at(run);
    const ert_cmd_state ended = r.wait(std::chrono::milliseconds(timeout_ms));
    *state = ended == ERT_CMD_STATE_COMPLETED ? kPluginCompleted
             : ended == ERT_CMD_STATE_TIMEOUT ? kPluginTimedOut
                                              : kPluginFailed;
    if (*state == kPluginFailed) {
      say(error, (std::string(state_name(ended)) + " (state " + std::to_string(ended) + ")").c_str());
    }
    if (*state == kPluginTimedOut) {
      PluginError ignored;
      guarded(&ignored, [&] { r.abort(); });
    }
  });
}

constexpr PluginTable kTable = {kPluginAbi, open, close, allocate, sync, prepare, start, wait};

}  // namespace

extern "C" const PluginTable* shorthand_npu_plugin() { return &kTable; }

}  // namespace shorthand::npu
