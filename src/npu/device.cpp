// SPDX-License-Identifier: Apache-2.0
#include "npu/device.h"

#include <fmt/format.h>

namespace shorthand::npu {
namespace {

// Sources: [AM020], [AM027] AMD's architecture manuals of AIE-ML and AIE-ML v2; [TM] AIETargetModel of Xilinx/mlir-aie
// at 979629649; [ODS] its dialect definitions; [DRV] amd/xdna-driver; [API] Xilinx/aie_api; [EMU]
// FIM43-Redeye/xdna-emu, calibrated on a Phoenix; [SIL] jdominick05/ignite-xdna docs/SILICON.md, measured on a Ryzen 7
// 8700G; [XE] atassis/xdna-engine; [AIR] Xilinx/mlir-air; [FLM] amd/IRON's flm GEMM.
constexpr TileLimits kShim = {
    .memory_bytes = 0,
    .banks = 0,
    .channels = 2,           // [TM]
    .bds = 16,               // [TM]
    .bds_a_channel = 16,     // [TM]
    .locks = 16,             // [TM]
    .dims = 3,               // [TM]
    .max_words = 1LL << 32,  // 32 bits [TM]
    .max_step = 1LL << 20,   // 20 bits [TM]; 4 MiB is a limit that large matrices meet [SIL 2.6]
    .max_wrap = 1023,        // 10 bits [TM]
    .max_iterations = 64,    // 6 bits, holds the count less one [TM]
    .to_north = 6,           // [TM] for all of the ports
    .to_south = 6,
    .to_side = 4,
    .from_north = 4,
    .from_south = 8,
    .from_side = 4,
};
constexpr TileLimits kMemory = {
    .memory_bytes = 512 * 1024,  // [TM]
    .banks = 0,                  // sixteen, interleaved every 16 B: a buffer lies in all of them [AM020 5]
    .channels = 6,               // [TM]
    .bds = 48,                   // [TM]
    .bds_a_channel = 24,         // even channels 0..23, odd ones 24..47 [TM]
    .locks = 64,                 // [TM]
    .dims = 4,                   // [TM]
    .max_words = (1LL << 17) - 1,
    .max_step = 1LL << 17,  // 17 bits [TM]
    .max_wrap = 1023,       // 10 bits [TM]
    .max_iterations = 64,
    .to_north = 6,
    .to_south = 4,
    .to_side = 0,
    .from_north = 4,
    .from_south = 6,
    .from_side = 0,
};
constexpr TileLimits kCore = {
    .memory_bytes = 64 * 1024,  // [TM]
    .banks = 4,                 // of 16 KB as software sees them [AM020 2; EMU]
    .channels = 2,              // [TM]
    .bds = 16,                  // [TM]
    .bds_a_channel = 16,
    .locks = 16,                   // [TM]
    .dims = 3,                     // [TM]
    .max_words = (1LL << 14) - 1,  // 14 bits: 65,532 B [TM]
    .max_step = 1LL << 13,         // 13 bits [TM]
    .max_wrap = 255,               // 8 bits [TM]
    .max_iterations = 64,
    .to_north = 6,
    .to_south = 4,
    .to_side = 4,
    .from_north = 4,
    .from_south = 6,
    .from_side = 4,
};

constexpr Timing kTiming = {
    .lock_acquire = 1,                 // [EMU]
    .lock_release = 1,                 // [EMU]
    .memory_tile_lock_to_waiter = 63,  // [EMU]
    .bd_setup = 4,                     // [EMU]
    .next_bd_bubble = 1,               // next_bd takes 2, of which the stream sees one [EMU]
    .memory_latency = 5,               // [EMU]
    .hop_local = 3,                    // external to local [AM020; EMU]
    .hop_external = 4,                 // local or external to external [AM020; EMU]
    .fifo_external = 4,                // [AM020; EMU] for these three
    .fifo_local_slave = 4,
    .fifo_local_master = 2,
    .s2mm_ingress_words = 16,  // [EMU]
    .words_a_bank_access = 4,  // one 128-bit access a four beats [EMU]
    .core_call = 12,           // a branch and a return, 6 each [EMU; AIE2Schedule]
    .core_loop = 6,            // one branch
    .shim_mm2s_first = 1330,   // [EMU] for the shim's
    .shim_mm2s_task = 325,
    .shim_s2mm_first = 341,
    .shim_s2mm_task = 179,
    .shim_decay_percent = 31,
    .shim_mm2s_centicycles_a_word = 105,
    .shim_s2mm_centicycles_a_word = 100,
    // 16-byte runs read about 10 GB/s on npu2, long ones 47 [XE]: taken as 16 channels at 1.8 GHz, 46 cycles a run.
    .shim_read_run = 46,
    .write32 = 100,  // [EMU] for the controller's
    .mask_write = 110,
    .block_write = 100,
    .block_write_word = 13,
    .instruction = 112,  // the average of a runtime sequence, for what is not named here
    .first_push = 1086,  // from a channel's first task on the queue until its descriptor is read
};

constexpr std::array<Device, 2> kDevices = {{
    {
        .name = "npu1",  // Phoenix, Hawk Point
        .generation = Generation::aie2,
        .columns = 4,    // of five; column 0 has no DMA to memory [DRV npu1_regs.c; SIL 1.1]
        .core_rows = 4,  // [TM]
        .shim = kShim,
        .memory = kMemory,
        .core = kCore,
        .macs = {256, 128, 64, 128},     // [API] mmul.hpp
        .program_bytes = 16 * 1024,      // [AM020]
        .default_stack_bytes = 1024,     // [ODS]
        .max_lock_value = 63,            // [TM; SIL]
        .task_queue = 4,                 // [TM]
        .max_repeat = 255,               // 8 bits [TM]
        .shim_burst_bytes = 256,         // [TM]
        .shim_line_bytes = 64,           // [TM]
        .max_host_buffers = 5,           // aiecc's kernels.json
        .hardware_contexts = 6,          // [DRV; EMU]
        .clocks_ghz = {1.03, 1.6, 1.8},  // balanced [SIL 1.7]; the driver's highest [DRV]; turbo [SIL 1.7]
        .clock_ghz = 1.03,
        .ddr_read_gbps = 27,  // 26..28 measured in each direction [SIL 1.6]
        .ddr_write_gbps = 27,
        .ddr_shared = false,
        .timing = kTiming,
        .dispatch = {108, 36.7, 2.7},  // [SIL 2.5, 3.4]; the switch: drakosha/whisper-xdna 2.81, [XE] 2.67
    },
    {
        .name = "npu2",  // Strix, Strix Halo, Krackan
        .generation = Generation::aie2p,
        .columns = 8,  // [TM; DRV npu4_regs.c]
        .core_rows = 4,
        .shim = kShim,
        .memory = kMemory,
        .core = kCore,
        .macs = {512, 256, 128, 256},  // [API]; bf16 by way of bfp16
        .program_bytes = 16 * 1024,
        .default_stack_bytes = 1024,
        .max_lock_value = 63,
        .task_queue = 4,
        .max_repeat = 255,
        .shim_burst_bytes = 512,  // [TM]
        .shim_line_bytes = 64,
        .max_host_buffers = 5,
        .hardware_contexts = 16,  // [DRV npu4_family.h]
        .clocks_ghz = {1.8, 0, 0},
        .clock_ghz = 1.8,     // [DRV; AIR]
        .ddr_read_gbps = 60,  // 57.7..63.0 read and written together [AIR]
        .ddr_write_gbps = 60,
        .ddr_shared = true,
        .timing = kTiming,              // not measured on this generation: npu1's
        .dispatch = {107, 36.7, 2.67},  // [FLM]; in a list: npu1's; [XE]
    },
}};

}  // namespace

std::span<const Device> devices() { return kDevices; }

Result<Device> find_device(std::string_view name) {
  for (const Device& whole : kDevices) {
    if (name == whole.name) return whole;
    for (int columns = 1; columns < whole.columns; ++columns) {
      if (name != fmt::format("{}_{}col", whole.name, columns)) continue;
      Device part = whole;
      part.columns = columns;
      return part;
    }
  }
  return not_found(fmt::format("{}: no such array; npu1 and npu2 are known, and their parts as npu1_2col", name));
}

bool can_address(const Device& device, Tile core, Tile memory) {
  if (kind_of(core) != TileKind::core || kind_of(memory) != TileKind::core) return false;
  if (memory.column < 0 || memory.column >= device.columns || memory.row >= kFirstCoreRow + device.core_rows)
    return false;
  const int dc = memory.column - core.column, dr = memory.row - core.row;
  return (dc == 0 && dr >= -1 && dr <= 1) || (dc == -1 && dr == 0);
}

double peak_gops_i8(const Device& device, double clock_ghz) {
  return 2.0 * device.macs.i8_i8 * device.cores() * clock_ghz;
}

}  // namespace shorthand::npu
