// SPDX-License-Identifier: Apache-2.0
#include "xrt/stand_in.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "npu/check.h"
#include "npu/designs/encoder.h"
#include "npu/mlir/insts.h"

namespace xrt {

namespace npu = shorthand::npu;

struct Configuration {
  std::string file, kernel;
  npu::Device device;
  npu::Design design;
  std::vector<uint32_t> words;  // that this configuration's compiler writes
};

namespace {

std::atomic<int> open_contexts{0};

bool fault(std::string_view name) {
  const char* set = std::getenv("SHORTHAND_TEST_NPU");
  return set != nullptr && name == set;
}

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what); }

template <class T>
T must(shorthand::Result<T> result) {
  if (!result) refuse(result.error().message);
  return std::move(*result);
}

constexpr memory_group kGroups = 0x10000;  // group ids are no argument numbers

}  // namespace

struct Context {
  std::shared_ptr<const Configuration> configuration;
  explicit Context(std::shared_ptr<const Configuration> c) : configuration(std::move(c)) { ++open_contexts; }
  ~Context() { --open_contexts; }
};

struct Memory {
  std::vector<std::byte> host, device;
  bo::flags flags;
  memory_group group;
};

struct Command {
  std::shared_ptr<Context> context;
  struct Scalar {
    uint64_t value;
    size_t bytes;
  };
  std::map<int, Scalar> scalars;
  std::map<int, std::shared_ptr<Memory>> buffers;
  ert_cmd_state state = ERT_CMD_STATE_NEW;
};

xclbin::xclbin(const std::string& filename) {
  std::ifstream in(filename);
  std::string magic, name, device;
  npu::EncoderShape s;
  npu::EncoderOptions options;
  in >> magic >> name >> device >> s.n_mels >> s.n_ctx >> s.d >> s.heads >> s.layers >> options.depth;
  if (!in || magic != "xclbin2") refuse("cannot parse xclbin");
  auto c = std::make_shared<Configuration>();
  c->file = filename, c->kernel = name;
  c->device = must(npu::find_device(device));
  c->design = must(npu::encoder_design(c->device, s, options));
  c->words = must(npu::instructions(c->design, c->device, must(npu::check(c->design, c->device))));
  configuration_ = std::move(c);
}

std::vector<xclbin::kernel> xclbin::get_kernels() const { return {kernel(configuration_->kernel)}; }
uuid xclbin::get_uuid() const { return configuration_->file; }

device::device(unsigned int index)
    : registered_(std::make_shared<std::vector<std::shared_ptr<const Configuration>>>()) {
  if (index != 0 || fault("no-device")) refuse(fmt::format("No such device with index '{}'", index));
}
uuid device::register_xclbin(const xclbin& x) {
  registered_->push_back(x.configuration());
  return x.get_uuid();
}
std::shared_ptr<const Configuration> device::registered(const uuid& id) const {
  for (const auto& c : *registered_) {
    if (c->file == id) return c;
  }
  refuse("the xclbin is not registered");
}

hw_context::hw_context(const device& device, const uuid& id) {
  const auto configuration = device.registered(id);
  if (fault("no-context") || open_contexts >= configuration->device.hardware_contexts) {
    refuse("DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=2): No such file or directory");
  }
  context_ = std::make_shared<Context>(configuration);
}

kernel::kernel(const hw_context& context, const std::string& name) : context_(context.context()) {
  if (context_->configuration->kernel != name) refuse("no such kernel '" + name + "'");
}
memory_group kernel::group_id(int argument) const { return kGroups + static_cast<memory_group>(argument); }

bo::bo(const device&, size_t bytes, flags kind, memory_group group) : memory_(std::make_shared<Memory>()) {
  if (bytes == 0) refuse("a buffer of no bytes");
  // What is in fresh memory nobody promises.
  memory_->host.assign(bytes, std::byte{0xA5});
  memory_->device.assign(bytes, std::byte{0x5A});
  memory_->flags = kind, memory_->group = group;
}
void bo::sync(xclBOSyncDirection direction, size_t bytes, size_t offset) {
  if (offset > memory_->host.size() || bytes > memory_->host.size() - offset) refuse("sync beyond the buffer");
  const bool to = direction == XCL_BO_SYNC_BO_TO_DEVICE;
  std::memcpy((to ? memory_->device : memory_->host).data() + offset,
              (to ? memory_->host : memory_->device).data() + offset, bytes);
}
void* bo::map() { return memory_->host.data(); }

run::run(const kernel& kernel) : command_(std::make_shared<Command>()) { command_->context = kernel.context(); }
void run::set_scalar(int index, uint64_t value, size_t bytes) { command_->scalars[index] = {value, bytes}; }
void run::set_buffer(int index, const bo& buffer) { command_->buffers[index] = buffer.memory(); }

// As the firmware reads the command, argument by argument.
void run::start() {
  if (fault("start")) refuse("DRM_IOCTL_AMDXDNA_EXEC_CMD IOCTL failed (err=22): Invalid argument");
  Command& c = *command_;
  const Configuration& array = *c.context->configuration;
  const auto scalar = [&](int index, size_t bytes) {
    const auto found = c.scalars.find(index);
    if (found == c.scalars.end() || found->second.bytes != bytes) refuse(fmt::format("argument {} is not set", index));
    return found->second.value;
  };
  const auto memory = [&](int index, bo::flags flags, size_t bytes) -> Memory& {
    const auto found = c.buffers.find(index);
    if (found == c.buffers.end()) refuse(fmt::format("argument {} is not set", index));
    Memory& m = *found->second;
    if (m.flags != flags || m.group != kGroups + static_cast<memory_group>(index))
      refuse(fmt::format("argument {} is a buffer of another kind", index));
    if (m.device.size() < bytes)
      refuse(fmt::format("argument {} has {} bytes, the array reaches {}", index, m.device.size(), bytes));
    return m;
  };
  if (scalar(0, 8) != 3) refuse(fmt::format("opcode {} is no transaction", scalar(0, 8)));
  const size_t words = scalar(2, 4);
  if (words != array.words.size())
    refuse(fmt::format("{} instructions, the stream has {} words", words, array.words.size()));
  const Memory& instructions = memory(1, bo::flags::cacheable, words * 4);
  if (std::memcmp(instructions.device.data(), array.words.data(), words * 4) != 0)
    refuse("the controller's instructions are not this configuration's");
  std::vector<std::span<std::byte>> host;
  for (const npu::HostBuffer& h : array.design.host) {
    const int index = 3 + static_cast<int>(host.size());
    host.emplace_back(memory(index, bo::flags::host_only, static_cast<size_t>(h.bytes)).device);
  }
  if (c.buffers.size() != 1 + host.size() || c.scalars.size() != 2) refuse("arguments that the kernel does not have");
  if (fault("timeout")) {
    c.state = ERT_CMD_STATE_TIMEOUT;
  } else if (fault("error")) {
    c.state = ERT_CMD_STATE_ERROR;
  } else {
    const auto report = npu::simulate(array.design, array.device, {}, host);
    c.state = report ? ERT_CMD_STATE_COMPLETED : ERT_CMD_STATE_ERROR;
  }
}

ert_cmd_state run::wait(const std::chrono::milliseconds&) const {
  if (command_->state == ERT_CMD_STATE_NEW) refuse("the run was not started");
  return command_->state;
}
ert_cmd_state run::abort() { return command_->state = ERT_CMD_STATE_ABORT; }

}  // namespace xrt

extern "C" int shorthand_test_contexts() { return xrt::open_contexts; }
