// SPDX-License-Identifier: Apache-2.0
// docs/npu.md states the device table's numbers; this holds it to them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "npu/designs/registry.h"

namespace shorthand::npu {
namespace {

using ::testing::HasSubstr;

std::string page() {
  std::ifstream in(SHORTHAND_REPO_DIR "/docs/npu.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Docs, TheTablesOfThePageAreThoseOfTheDeviceTable) {
  const std::string text = page();
  const Device a = *find_device("npu1"), b = *find_device("npu2");
  auto row = [&](const char* what, const auto& one, const auto& two) {
    EXPECT_THAT(text, HasSubstr(fmt::format("| {} | {} | {} |", what, one, two)));
  };
  row("columns x rows of cores", fmt::format("{} x {}", a.columns, a.core_rows),
      fmt::format("{} x {}", b.columns, b.core_rows));
  row("int8 products a core and cycle", a.macs.i8_i8, b.macs.i8_i8);
  row("clock unless said otherwise, GHz", a.clock_ghz, b.clock_ghz);
  row("DDR read, GB/s", a.ddr_read_gbps, b.ddr_read_gbps);
  row("DDR written, GB/s", a.ddr_write_gbps, b.ddr_write_gbps);
  row("launch alone, us", a.dispatch.launch_us, b.dispatch.launch_us);
  row("launch in a list, us", a.dispatch.launch_in_list_us, b.dispatch.launch_in_list_us);
  row("context switch, ms", a.dispatch.context_switch_ms, b.dispatch.context_switch_ms);
  auto tile = [&](const char* what, const TileLimits& l) {
    EXPECT_THAT(text, HasSubstr(fmt::format("| {} | {} | {} + {} | {} | {} | {} |", what, l.memory_bytes / 1024,
                                            l.channels, l.channels, l.bds, l.dims, l.locks)));
  };
  tile("core", a.core);
  tile("memory tile", a.memory);
  tile("shim", a.shim);
  const Timing& t = a.timing;
  auto constant = [&](const char* what, int value) {
    EXPECT_THAT(text, HasSubstr(fmt::format("| {} | {} |", what, value)));
  };
  constant("acquire or release a lock", t.lock_acquire);
  constant("release in a memory tile until a waiting channel sees it", t.memory_tile_lock_to_waiter);
  constant("descriptor set up, from its lock to its first word", t.bd_setup);
  constant("between two descriptors of a chain", t.next_bd_bubble);
  constant("call and return of a kernel", t.core_call);
  constant("branch of a loop", t.core_loop);
  constant("first task of a shim channel that reads", t.shim_mm2s_first);
  constant("a later one", t.shim_mm2s_task);
  constant("one contiguous run that a shim reads, at least", t.shim_read_run);
  constant("an instruction of the runtime sequence", t.instruction);
}

TEST(Docs, ThePageNamesEveryDesign) {
  for (const DesignEntry& e : design_entries()) EXPECT_THAT(page(), HasSubstr(fmt::format("`{}`", e.name)));
}

}  // namespace
}  // namespace shorthand::npu
