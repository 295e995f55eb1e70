// SPDX-License-Identifier: Apache-2.0
// Runs a Design on a simulated array: discrete events in integer cycles, with real data in host memory, in the tiles
// and on the streams. The same design, device and data give the same report and the same bytes, always.
//
// What is modelled, with the constants of device.h: cores that walk their steps and run the real kernels (the cost of a
// call is KernelType::cycles, and one more cycle for each access of a DMA to a bank that the call uses in that cycle);
// DMA channels with their chains of descriptors; locks and what a hand-over costs; streams of one word a cycle with
// latency, queues and back-pressure, broadcasts that wait for the slowest; shims with their bursts, the DDR they share
// and the slow first tasks; the controller with a cost for each instruction; the launch. What is not: memory-tile banks
// (their sixteen carry all twelve channels), packet streams, cascades, jitter.
//
// A design that stops before its sequence ends is an error that names who waits for whom.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "npu/design.h"
#include "npu/device.h"
#include "npu/place.h"
#include "npu/sim/flow.h"

namespace shorthand::npu {

struct SimOptions {
  double clock_ghz = 0;       // 0: the device's
  bool in_list = false;       // one run of a list of runs, for the launch cost
  bool timing_only = false;   // no data moves and no kernel runs; the cycles are the same
  bool word_by_word = false;  // the slow reference of the streams; the cycles are the same
  bool trace = false;         // keep what trace_json() shows
  int64_t max_cycles = int64_t{1} << 50;
};

// Where the cycles of a core or a channel went. They add up to the cycles of the run.
enum class Spent : uint8_t {
  working,   // in kernels; moving words
  overhead,  // lock operations, loops, calls; setting descriptors up, starting tasks
  input,     // a core without objects to read; a channel that waits for words
  output,    // a core without room for its objects; a channel whose words are not taken
  lock,      // a channel: the lock of its next descriptor
  banks,     // a core: conflicts with DMAs, and of its own loads
  ddr,       // a shim channel: its next burst
  barrier,   // a core: the runtime sequence
  idle,      // nothing to do
};
constexpr int kSpentKinds = 9;
std::string_view to_string(Spent spent);

struct UnitReport {
  std::string name;  // "core (0, 2) mm_0", "dma (0, 1) mm2s 3 b_col0"
  Tile tile;
  bool core = false;
  std::array<Cycle, kSpentKinds> spent = {};
  int64_t calls = 0, words = 0;
};

struct SimReport {
  std::string design, device;
  double clock_ghz = 0;
  double launch_us = 0;
  Cycle cycles = 0;  // of the array, from the first instruction of the sequence to the end of the last
  int64_t bytes_read = 0, bytes_written = 0;  // DDR
  std::vector<UnitReport> units;
  struct Slice {
    int unit;
    Cycle start, end;
    std::string name;
  };
  std::vector<Slice> slices;  // with SimOptions::trace

  double array_us() const { return static_cast<double>(cycles) / (clock_ghz * 1e3); }
  double total_us() const { return array_us() + launch_us; }
  // Cycles of all cores by what they went to, and the part that was in kernels.
  std::array<Cycle, kSpentKinds> core_cycles() const;
  double utilisation() const;
};

// `host` holds one span a host buffer of the design, of at least its size; empty when timing_only.
Result<SimReport> simulate(const Design& design, const Device& device, const SimOptions& options,
                           std::span<const std::span<std::byte>> host);

// "simulated (npu1, 1.80 GHz, DDR 27+27 GB/s, launch 108 us): ", at the head of every line.
std::string constants_line(const SimReport& report, const Device& device);
std::string to_text(const SimReport& report, const Device& device, bool units = true);  // units: a line each
// For https://ui.perfetto.dev, in the Chrome trace format; one microsecond there is one cycle.
std::string trace_json(const SimReport& report, const Device& device);

}  // namespace shorthand::npu
