// SPDX-License-Identifier: Apache-2.0
#include "npu/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "npu/check.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

bool Executor::resident(int host) const {
  return std::ranges::any_of(work_.residents, [host](const Resident& r) { return r.host == host; });
}

Result<void> Executor::load(Workload work) {
  if (loaded_) return usage_error("a design is loaded already; make another executor for another design");
  work_ = std::move(work);
  const Design& design = work_.design;
  SHORTHAND_TRY(check(design, work_.device));
  const int buffers = static_cast<int>(design.host.size());
  for (const Resident& r : work_.residents) {
    if (r.host < 0 || r.host >= buffers || static_cast<int64_t>(r.contents.size()) != design.host[at(r.host)].bytes) {
      return usage_error(fmt::format("{}: {} bytes for host buffer {}; give all of a buffer that it has", design.name,
                                     r.contents.size(), r.host));
    }
  }
  for (const std::vector<HostRange>* ranges : {&work_.inputs, &work_.outputs}) {
    for (const HostRange& r : *ranges) {
      const bool fits = r.host >= 0 && r.host < buffers && !resident(r.host) && r.offset >= 0 && r.bytes > 0 &&
                        r.bytes <= design.host[at(r.host)].bytes - r.offset;
      if (fits) continue;
      return usage_error(fmt::format("{}: bytes {} to {} of host buffer {}; give those of a buffer that changes",
                                     design.name, r.offset, r.offset + r.bytes, r.host));
    }
  }
  SHORTHAND_TRY(prepare());
  for (Resident& r : work_.residents) r.contents = {};
  loaded_ = true;
  return {};
}

Result<void> Executor::expect(int set, Owner owner, const char* what) const {
  if (loaded_ && set >= 0 && set < kSets && owners_[at(set)] == owner) return {};
  return usage_error(fmt::format("{}: buffer set {} cannot be {} now; sets are taken, started, awaited and given back",
                                 work_.design.name, set, what));
}

Result<int> Executor::take() {
  for (int set = 0; loaded_ && set < kSets; ++set) {
    if (owners_[at(set)] != Owner::nobody) continue;
    owners_[at(set)] = Owner::host;
    return set;
  }
  return usage_error(
      fmt::format("{}: all {} buffer sets are in use; await one and give it back", work_.design.name, kSets));
}

std::span<std::byte> Executor::buffer(int set, int host) {
  if (!expect(set, Owner::host, "touched") || resident(host)) return {};
  return host_copy(set, host);
}

Result<void> Executor::start(int set) {
  SHORTHAND_TRY(expect(set, Owner::host, "started"));
  SHORTHAND_TRY(launch(set));
  owners_[at(set)] = Owner::array;
  return {};
}

Result<RunReport> Executor::wait(int set) {
  SHORTHAND_TRY(expect(set, Owner::array, "awaited"));
  owners_[at(set)] = Owner::host;
  return finish(set);
}

void Executor::give(int set) {
  // A set that the array has stays there: giving it back would let the host write under the array's hands.
  if (expect(set, Owner::host, "given back")) owners_[at(set)] = Owner::nobody;
}

}  // namespace shorthand::npu
