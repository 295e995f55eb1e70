// SPDX-License-Identifier: Apache-2.0
// The XDNA arrays as numbers: every limit and every cost that the checker, the placer, the simulator and the emitter
// use, in one table (device.cpp) with the source of each number.
//
// Cycles are cycles of the array clock. Tiles are addressed (column, row): row 0 holds the shims, row 1 the memory
// tiles, rows 2 and up the cores.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "npu/kernel.h"

namespace shorthand::npu {

enum class TileKind : uint8_t { shim, memory, core };

struct Tile {
  int column = -1, row = -1;  // negative: not decided yet
  bool operator==(const Tile&) const = default;
};

constexpr int kShimRow = 0, kMemoryRow = 1, kFirstCoreRow = 2;

constexpr TileKind kind_of(Tile tile) {
  return tile.row == kShimRow ? TileKind::shim : tile.row == kMemoryRow ? TileKind::memory : TileKind::core;
}

// What one kind of tile has.
struct TileLimits {
  int memory_bytes;
  int banks;          // that a buffer can be put in; 0 where there are none
  int channels;       // of each direction
  int bds;            // buffer descriptors
  int bds_a_channel;  // those that one channel can use: half of them by its parity in a memory tile
  int locks;
  int dims;           // of a descriptor, without the iteration
  int64_t max_words;  // length of a descriptor, 32-bit words
  int64_t max_step;   // largest stride, words
  int max_wrap;       // largest size of an inner dimension, words in the innermost one
  int max_iterations;
  // Stream-switch connections to the neighbours: those leaving the tile (masters) and those entering it (slaves).
  int to_north, to_south, to_side, from_north, from_south, from_side;
};

// Multiply-accumulates of one core in one cycle.
struct MacRates {
  int i8_i8, i16_i8, i16_i16, bf16;
};

// Costs of the array itself, in cycles.
struct Timing {
  int lock_acquire, lock_release;
  int memory_tile_lock_to_waiter;  // from a release in a memory tile until a waiting channel sees it
  int bd_setup;                    // from the lock to the first word
  int next_bd_bubble;              // between two descriptors when nothing has to be waited for
  int memory_latency;              // of the first word read
  int hop_local, hop_external;     // a stream entering a core or a DMA; passing to a neighbour
  int fifo_external, fifo_local_slave, fifo_local_master;  // words of queue a stream passes through
  int s2mm_ingress_words;
  int words_a_bank_access;   // a DMA moves one 128-bit line of a bank at a time
  int core_call, core_loop;  // calling and returning; the branch of a loop
  // Shim tasks: until the first word moves. The first task of a channel is the slow one; each later one costs
  // `decay` times the one before, down to the steady cost.
  int shim_mm2s_first, shim_mm2s_task, shim_s2mm_first, shim_s2mm_task;
  int shim_decay_percent;
  int shim_mm2s_centicycles_a_word;  // 105: 1.05
  int shim_s2mm_centicycles_a_word;
  int shim_read_run;  // the least that one contiguous run costs a channel that reads, however short it is
  // The controller: instructions of a runtime sequence.
  int write32, mask_write, block_write, block_write_word, instruction, first_push;
};

struct Dispatch {
  double launch_us;          // one run, from the call of the host to its return
  double launch_in_list_us;  // one run in a list of runs
  double context_switch_ms;
};

struct Device {
  std::string_view name;
  Generation generation;
  int columns, core_rows;
  TileLimits shim, memory, core;
  MacRates macs;
  int program_bytes, default_stack_bytes;
  int max_lock_value;
  int task_queue;                         // tasks waiting on a channel
  int max_repeat;                         // of a task
  int shim_burst_bytes, shim_line_bytes;  // the longest and the shortest access to DDR
  int max_host_buffers;
  int hardware_contexts;
  std::array<double, 3> clocks_ghz;  // presets, lowest first; 0 = none
  double clock_ghz;                  // the one used unless said otherwise
  double ddr_read_gbps, ddr_write_gbps;
  bool ddr_shared;  // ddr_read_gbps is for both directions together
  Timing timing;
  Dispatch dispatch;

  const TileLimits& limits(TileKind kind) const {
    return kind == TileKind::shim ? shim : kind == TileKind::memory ? memory : core;
  }
  const TileLimits& limits(Tile tile) const { return limits(kind_of(tile)); }
  int cores() const { return columns * core_rows; }
};

std::span<const Device> devices();

// "npu1", "npu2", or a partition of one: "npu1_2col".
Result<Device> find_device(std::string_view name);

// Whether a core may address the data memory of another tile: its own, and those north, south and west of it.
bool can_address(const Device& device, Tile core, Tile memory);

// Operations (two a multiply-accumulate) a second of all cores with int8 operands, in units of 1e9.
double peak_gops_i8(const Device& device, double clock_ghz);

}  // namespace shorthand::npu
