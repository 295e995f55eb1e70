// SPDX-License-Identifier: Apache-2.0
// Where a design runs window after window: the simulated array (make_sim_executor) or a device (xrt/executor.h).
//
// Host buffers are of two kinds. Resident ones (weights) are written once, by load(). The others come in kSets sets, so
// that the bytes of one window can be written while the array is at another. A set is nobody's, the host's or the
// array's, and every other order than this one is refused:
//
//   take()  nobody's -> host's    start()  -> array's    wait()  -> host's    give()  -> nobody's
//
// The host sees its own copy of a set. Only the ranges that the workload names travel: inputs at start(), outputs at
// wait(). The array's copy begins as zeros and keeps what a window leaves there for the next one in the same set.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design.h"
#include "npu/device.h"

namespace shorthand::npu {

// Bytes of a host buffer.
struct HostRange {
  int host = 0;
  int64_t offset = 0, bytes = 0;
};

struct Resident {
  int host = 0;
  std::span<const std::byte> contents;  // all of the buffer; need not outlive load()
};

struct Workload {
  Design design;
  Device device;
  std::vector<Resident> residents;
  std::vector<HostRange> inputs, outputs;  // of buffers that are not resident
};

// What one run took on the array: simulated, or 0 where a device ran and nobody counted its cycles.
struct RunReport {
  double array_us = 0;
};

class Executor {
 public:
  static constexpr int kSets = 2;

  virtual ~Executor() = default;

  // Once. Errors: a design that does not fit its device, contents or ranges that do not fit its buffers, and whatever
  // keeps the array from being ready.
  Result<void> load(Workload work);

  // Errors: every set is in use.
  Result<int> take();
  // The host's copy of a buffer that is not resident; of a set that is the host's.
  std::span<std::byte> buffer(int set, int host);
  Result<void> start(int set);
  // Blocks until the array is done with the set. The set is the host's again, after an error too.
  Result<RunReport> wait(int set);
  void give(int set);

  virtual std::string device() const = 0;  // "npu-sim:npu1", "npu:npu1"
  virtual bool simulated() const = 0;

 protected:
  const Workload& work() const { return work_; }
  bool resident(int host) const;

 private:
  // work() has been checked.
  virtual Result<void> prepare() = 0;
  virtual std::span<std::byte> host_copy(int set, int host) = 0;
  virtual Result<void> launch(int set) = 0;
  virtual Result<RunReport> finish(int set) = 0;

  enum class Owner : uint8_t { nobody, host, array };
  Result<void> expect(int set, Owner owner, const char* what) const;

  Workload work_;
  bool loaded_ = false;
  std::array<Owner, kSets> owners_ = {};
};

// Gives a set back at the end of a scope.
class TakenSet {
 public:
  TakenSet(Executor& executor, int set) : executor_(&executor), set_(set) {}
  TakenSet(const TakenSet&) = delete;
  ~TakenSet() { executor_->give(set_); }
  int set() const { return set_; }

 private:
  Executor* executor_;
  int set_;
};

// The simulator. `clock_ghz` 0: the device's. A run happens in wait(); it takes much longer than it says.
std::unique_ptr<Executor> make_sim_executor(double clock_ghz = 0);

}  // namespace shorthand::npu
