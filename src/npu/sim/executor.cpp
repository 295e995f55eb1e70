// SPDX-License-Identifier: Apache-2.0
// The simulator as an executor. Host and array have a copy each of every buffer that changes, as on a device whose
// memory the host reaches through a cache: what no range carries does not arrive.
#include "npu/executor.h"

#include <fmt/format.h>

#include <cstring>

#include "npu/sim/simulate.h"

namespace shorthand::npu {
namespace {

size_t at(int64_t index) { return static_cast<size_t>(index); }

class SimExecutor : public Executor {
 public:
  explicit SimExecutor(double clock_ghz) { options_.clock_ghz = clock_ghz; }

  std::string device() const override { return fmt::format("npu-sim:{}", work().device.name); }
  bool simulated() const override { return true; }

 private:
  using Buffers = std::vector<std::vector<std::byte>>;  // by host buffer; empty where it is resident

  Result<void> prepare() override {
    residents_.resize(work().design.host.size());
    for (const Resident& r : work().residents) residents_[at(r.host)].assign(r.contents.begin(), r.contents.end());
    for (Buffers* side : {hosts_, arrays_}) {
      for (int set = 0; set < kSets; ++set) {
        for (size_t h = 0; h < residents_.size(); ++h) {
          side[set].emplace_back(resident(static_cast<int>(h)) ? 0 : at(work().design.host[h].bytes));
        }
      }
    }
    return {};
  }

  std::span<std::byte> host_copy(int set, int host) override { return hosts_[set][at(host)]; }

  Result<void> launch(int set) override {
    for (const HostRange& r : work().inputs) copy(hosts_[set], arrays_[set], r);
    return {};
  }

  Result<RunReport> finish(int set) override {
    std::vector<std::span<std::byte>> spans;
    for (size_t h = 0; h < residents_.size(); ++h) {
      spans.emplace_back(resident(static_cast<int>(h)) ? residents_[h] : arrays_[set][h]);
    }
    const SimReport report = SHORTHAND_TRY(simulate(work().design, work().device, options_, spans));
    for (const HostRange& r : work().outputs) copy(arrays_[set], hosts_[set], r);
    return RunReport{report.total_us()};
  }

  static void copy(const Buffers& from, Buffers& to, const HostRange& r) {
    std::memcpy(to[at(r.host)].data() + r.offset, from[at(r.host)].data() + r.offset, at(r.bytes));
  }

  SimOptions options_;
  Buffers residents_;
  Buffers hosts_[kSets], arrays_[kSets];
};

}  // namespace

std::unique_ptr<Executor> make_sim_executor(double clock_ghz) { return std::make_unique<SimExecutor>(clock_ghz); }

}  // namespace shorthand::npu
