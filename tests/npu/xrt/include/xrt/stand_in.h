// SPDX-License-Identifier: Apache-2.0
// A stand-in for as much of XRT as the plugin uses, with the names and signatures of its headers: the array behind it
// is the simulator. It does what a device does with a wrong launch, or better: where an array would hang or leave
// zeros, it throws. Host and device have a copy each of every buffer; what is not synced is not there.
//
// The file that stands for an xclbin: "xclbin2", then the kernel's name and the encoder that it was "compiled" from:
// device, mels, positions, width, heads, layers, objects a FIFO.
//
// $SHORTHAND_TEST_NPU injects a fault: no-device, no-context, start, timeout, error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE = 0, XCL_BO_SYNC_BO_FROM_DEVICE };

enum ert_cmd_state {
  ERT_CMD_STATE_NEW = 1,
  ERT_CMD_STATE_COMPLETED = 4,
  ERT_CMD_STATE_ERROR = 5,
  ERT_CMD_STATE_ABORT = 6,
  ERT_CMD_STATE_TIMEOUT = 8,
  ERT_CMD_STATE_NORESPONSE = 9,
};

namespace xrt {

using uuid = std::string;
using memory_group = uint32_t;

struct Configuration;  // of the array: what the xclbin holds
struct Context;
struct Memory;
struct Command;

class xclbin {
 public:
  class kernel {
   public:
    explicit kernel(std::string name) : name_(std::move(name)) {}
    std::string get_name() const { return name_; }

   private:
    std::string name_;
  };
  explicit xclbin(const std::string& filename);
  std::vector<kernel> get_kernels() const;
  uuid get_uuid() const;
  const std::shared_ptr<const Configuration>& configuration() const { return configuration_; }

 private:
  std::shared_ptr<const Configuration> configuration_;
};

class device {
 public:
  device(unsigned int index);  // NOLINT: as XRT has it
  uuid register_xclbin(const xclbin& xclbin);
  std::shared_ptr<const Configuration> registered(const uuid& id) const;

 private:
  std::shared_ptr<std::vector<std::shared_ptr<const Configuration>>> registered_;
};

class hw_context {
 public:
  hw_context(const device& device, const uuid& xclbin_id);
  const std::shared_ptr<Context>& context() const { return context_; }

 private:
  std::shared_ptr<Context> context_;
};

class kernel {
 public:
  kernel(const hw_context& context, const std::string& name);
  memory_group group_id(int argument) const;
  const std::shared_ptr<Context>& context() const { return context_; }

 private:
  std::shared_ptr<Context> context_;
};

class bo {
 public:
  enum class flags : uint32_t { normal = 0, cacheable = 1u << 24, host_only = 1u << 29 };
  bo(const device& device, size_t bytes, flags kind, memory_group group);
  void sync(xclBOSyncDirection direction, size_t bytes, size_t offset);
  void* map();
  template <typename MapType>
  MapType map() {
    return reinterpret_cast<MapType>(map());
  }
  const std::shared_ptr<Memory>& memory() const { return memory_; }

 private:
  std::shared_ptr<Memory> memory_;
};

class run {
 public:
  explicit run(const kernel& kernel);
  template <typename ArgType>
  void set_arg(int index, ArgType&& value) {
    set_scalar(index, static_cast<uint64_t>(value), sizeof(value));
  }
  void set_arg(int index, bo& buffer) { set_buffer(index, buffer); }
  void set_arg(int index, const bo& buffer) { set_buffer(index, buffer); }
  void start();
  ert_cmd_state wait(const std::chrono::milliseconds& timeout) const;
  ert_cmd_state abort();

 private:
  void set_scalar(int index, uint64_t value, size_t bytes);
  void set_buffer(int index, const bo& buffer);
  std::shared_ptr<Command> command_;
};

}  // namespace xrt

// Hardware contexts that are open now.
extern "C" int shorthand_test_contexts();
