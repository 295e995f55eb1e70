// SPDX-License-Identifier: Apache-2.0
// The controller's words against those that mlir-aie's own tests expect for the same transfers, and against a reading
// of the registers as the hardware reads them.
#include "npu/mlir/insts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "npu/check.h"
#include "npu/designs/memcpy.h"
#include "npu/designs/registry.h"
#include "npu/pattern.h"
#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<uint32_t>;

size_t at(int64_t index) { return static_cast<size_t>(index); }

Words encode(const Design& design, const Device& device) {
  const Result<Placement> placement = place(design, device);
  EXPECT_TRUE(placement.ok()) << (placement.ok() ? "" : placement.error().message);
  const Result<Words> words = instructions(design, device, *placement);
  EXPECT_TRUE(words.ok()) << (words.ok() ? "" : words.error().message);
  return words.ok() ? *words : Words{};
}

// The operations of a stream, cut by the sizes that each states, and the header held to them.
std::vector<Words> operations(const Words& words) {
  std::vector<Words> out;
  for (size_t i = 4; i < words.size();) {
    size_t bytes = 0;
    switch (words[i]) {
      case 0: bytes = words[i + 5]; break;
      case 1: bytes = words[i + 3]; break;
      case 3: bytes = words[i + 6]; break;
      case 128:
      case 129: bytes = words[i + 1]; break;
      default: ADD_FAILURE() << "no operation " << words[i]; return out;
    }
    out.emplace_back(words.begin() + static_cast<std::ptrdiff_t>(i),
                     words.begin() + static_cast<std::ptrdiff_t>(i + bytes / 4));
    i += bytes / 4;
  }
  EXPECT_EQ(words[2], out.size());
  EXPECT_EQ(words[3], words.size() * 4);
  return out;
}

// One task into the array, first on the shim of column 0, and nothing awaited of it.
Design transfer(int element_bytes, const Pattern& pattern, int64_t offset, int64_t host_bytes) {
  Design d = *Copy{}.build();
  for (Fifo& f : d.fifos) f.element_bytes = element_bytes;
  d.host[0].bytes = host_bytes;
  std::swap(d.sequence[0], d.sequence[1]);
  d.sequence[0].pattern = pattern, d.sequence[0].offset = offset;
  d.sequence[2].task = 1;
  return d;
}

// test/Targets/NPU/npu_dma_memcpy.mlir: [1, 2, 32, 32][4096, 2048, 64, 1] from element 4096.
TEST(Insts, AStridedReadIsMlirAies) {
  const Design d = transfer(4, {{2, 2048}, {32, 64}, {32, 1}}, 4096, 32768);
  const std::vector<Words> ops = operations(encode(d, *find_device("npu1_1col")));
  EXPECT_THAT(ops[0], ElementsAre(1, 0, 118784, 48, 2048, 0, 0, 33554432, static_cast<uint32_t>(-2113929153), 33556479,
                                  0, 33554432));
  EXPECT_THAT(ops[1], ElementsAre(129, 48, 0, 0, 0, 0, 118788, 0, 0, 0, 16384, 0));
  EXPECT_THAT(ops[2], ElementsAre(0, 0, 119316, 0, 0, 24));
}

// test/bd-chains-and-dma-tasks/dma-tasks-to-npu/good-3.mlir: bytes; d0 1 x 0, d1 2 x 1, d2 stride 0, offset 4.
TEST(Insts, BytesAreWalkedInWords) {
  const Design d = transfer(1, {{2, 4}, {2, 8}, {4, 1}}, 4, 32);
  const std::vector<Words> ops = operations(encode(d, *find_device("npu1")));
  EXPECT_EQ(ops[0][4], 4u);
  EXPECT_EQ(ops[0][7], 1u << 20);
  EXPECT_EQ(ops[0][8], 0x80000000u | 2u << 20 | 1);
  EXPECT_EQ(ops[0][9], 0x02000000u);
  EXPECT_EQ(ops[1][10], 4u);
}

// test/dialect/AIEX/dma_task_iteration.mlir, its second task: sizes 2 2 4 8, strides 128 8 16 1.
TEST(Insts, TheFourthDimensionIterates) {
  const Design d = transfer(4, {{2, 128}, {2, 8}, {4, 16}, {8, 1}}, 0, 1024);
  const std::vector<Words> ops = operations(encode(d, *find_device("npu1_1col")));
  EXPECT_EQ(ops[0][4], 64u);
  EXPECT_EQ(ops[0][7], 8u << 20);
  EXPECT_EQ(ops[0][8], 0x80000000u | 4u << 20 | 15);
  EXPECT_EQ(ops[0][9], 0x02000000u | 7);
  EXPECT_EQ(ops[0][10], 1u << 20 | 127);
  EXPECT_EQ(ops[2][4], 1u << 16);  // pushed once, gone twice
}

// test/dialect/AIEX/contiguous_large_dma.mlir: 1,080 x 1,920 words in order are one length without wraps.
TEST(Insts, WhatLiesInOrderHasNoWraps) {
  const Design d = transfer(4, {{1080, 1920}, {1920, 1}}, 0, 2073600 * 4);
  const Words bd = operations(encode(d, *find_device("npu1")))[0];
  EXPECT_THAT(Words(bd.begin() + 4, bd.end()), ElementsAre(2073600, 0, 0, 0, 0x80000000, 0x02000000, 0, 0x02000000));
}

// Headers: test/Targets/NPU/npu_instgen.mlir and npu2_1col_header.mlir. Locks: lower_set_lock.mlir, 0x1F000 + 16 a
// lock. The controller's id: assign_controller_ids.mlir, 15. The count: docs of the same form lower to 117 words.
TEST(Insts, WritesTokensAndCounts) {
  Builder b("three");
  const int copy = b.kernel(copy_kernel());
  auto fifo = [&](const char* name) {
    Fifo f;
    f.name = name, f.element_bytes = 4, f.elements = 16;
    return b.fifo(f);
  };
  const int a = fifo("a"), c = fifo("c"), out = fifo("out");
  const int w = b.worker("w", {}, {1, 3}, {5, 6});
  b.from_host(a, 1).from_host(c, 2).to_worker(a, w).to_worker(c, w).from_worker(out, w).to_host(out, 3);
  b.program(w, Program()
                   .acquire(a)
                   .acquire(c)
                   .acquire(out)
                   .call(copy, {object(a), object(out)}, {literal(64)})
                   .release(a)
                   .release(c)
                   .release(out));
  const int x = b.host("x", 64), y = b.host("y", 64);
  b.write(w, 0, -1).write(w, 1, 9);
  const int done = b.drain(out, y, {{16, 1}});
  b.fill(a, x, {{16, 1}}), b.fill(c, x, {{16, 1}});
  b.await(done);
  const Design d = *b.finish();
  const Device npu1 = *find_device("npu1");
  const Words words = encode(d, npu1);
  EXPECT_EQ(words.size(), 117u);
  EXPECT_EQ(words[0], 0x06030100u);
  EXPECT_EQ(words[1], 0x00000104u);
  const std::vector<Words> ops = operations(words);
  const Placement p = *place(d, npu1);
  const auto parameters = static_cast<uint32_t>(p.regions[at(p.parameters[0])].address);
  EXPECT_THAT(ops[0], ElementsAre(0, 0, 1u << 25 | 3u << 20 | parameters, 0, 0xFFFFFFFF, 24));
  EXPECT_EQ(ops[1][2], (1u << 25 | 3u << 20 | parameters) + 4);
  EXPECT_THAT(ops[4], ElementsAre(3, 0, 0x0601D200, 0, 0xF00, 0x1F00, 28));
  EXPECT_THAT(ops[5], ElementsAre(0, 0, 0x0601D204, 0, 0x80000000, 24));
  EXPECT_EQ(ops[6][1], 1u);  // column and row of the descriptor
  EXPECT_THAT(ops.back(), ElementsAre(128, 16, 0x00030000, 0x00010100));

  const Words strix = encode(d, *find_device("npu2"));
  EXPECT_EQ(strix[0], 0x06040100u);
  EXPECT_EQ(strix[1], 0x00000108u);
}

TEST(Insts, SignalsAreLocks) {
  Design d = *Copy{}.build();
  d.workers[0].steps.insert(d.workers[0].steps.begin(), Program().barrier().steps()[0]);
  Action signal;
  signal.op = Action::Op::signal, signal.worker = 0;
  d.sequence.push_back(signal);
  const Device npu1 = *find_device("npu1");
  const Placement p = *place(d, npu1);
  const Lock& lock = p.locks[at(p.barriers[0])];
  EXPECT_THAT(operations(encode(d, npu1)).back(),
              ElementsAre(0, 0, static_cast<uint32_t>(lock.tile.row) << 20 | (0x1F000 + 16 * lock.id), 0, 1, 24));
}

TEST(Insts, RefusesTokensOutOfOrder) {
  Design d = *Copy{}.build();
  Action again = d.sequence[0];
  again.pattern = {{1024, 1}};
  d.sequence[0].pattern = again.pattern;
  Action wait = d.sequence[2];
  wait.task = 1;
  d.sequence = {d.sequence[0], again, d.sequence[1], wait, wait};
  d.sequence.back().task = 0;
  const Device npu1 = *find_device("npu1");
  const Result<Words> words = instructions(d, npu1, *place(d, npu1));
  ASSERT_FALSE(words.ok());
  EXPECT_THAT(words.error().message, HasSubstr("awaited in another order"));
}

// The words that a descriptor visits: wraps of zero never end, and every go begins one iteration further.
std::vector<int64_t> visited(const Words& bd, uint32_t again) {
  const int64_t wrap0 = bd[3] >> 20 & 0x3FF, wrap1 = bd[4] >> 20 & 0x3FF;
  const int64_t step0 = (bd[3] & 0xFFFFF) + 1, step1 = (bd[4] & 0xFFFFF) + 1, step2 = (bd[5] & 0xFFFFF) + 1;
  const int64_t iterations = (bd[6] >> 20 & 0x3F) + 1, iteration_step = (bd[6] & 0xFFFFF) + 1;
  std::vector<int64_t> out;
  for (int64_t go = 0; go <= again; ++go) {
    const int64_t start = iterations > 1 ? go % iterations * iteration_step : 0;
    int64_t i0 = 0, i1 = 0, i2 = 0;
    for (uint32_t n = 0; n < bd[0]; ++n) {
      out.push_back(start + i0 * step0 + i1 * step1 + i2 * step2);
      if (++i0 == wrap0) i0 = 0, ++i1;
      if (i0 == 0 && wrap1 > 0 && i1 == wrap1) i1 = 0, ++i2;
    }
  }
  return out;
}

void expect_walks(const Design& design, const Device& device) {
  const std::vector<Words> ops = operations(encode(design, device));
  size_t op = 0;
  for (const Action& a : design.sequence) {
    if (a.op != Action::Op::start) continue;
    while (ops[op][0] != 1) ++op;
    size_t push = op + 2;
    while (ops[push][0] != 0) ++push;
    const std::vector<int64_t> words = visited(Words(ops[op].begin() + 4, ops[op].end()), ops[push][4] >> 16 & 0xFF);
    const int bytes = design.fifos[at(a.fifo)].element_bytes;
    EXPECT_EQ(ops[op + 1][10], static_cast<uint32_t>(a.offset * bytes));
    std::vector<int64_t> wanted;
    Walk walk(a.pattern, visits(a.pattern, 0), bytes, 0);
    while (walk.left() > 0) walk.next(4, [&](int64_t offset, int64_t) { wanted.push_back(offset / 4); });
    ASSERT_EQ(words, wanted) << design.name << ", fifo " << design.fifos[at(a.fifo)].name;
    ++op;
  }
}

TEST(Insts, EveryDesignsTransfersVisitWhatItSays) {
  for (const char* name : {"npu1", "npu1_1col", "npu2"}) {
    const Device device = *find_device(name);
    DesignRequest request;
    request.model.layers = 1;
    request.m = 300, request.n = 600, request.k = 150;
    for (const DesignEntry& e : design_entries()) {
      SCOPED_TRACE(fmt::format("{} on {}", e.name, name));
      if (e.name == "memcpy") continue;  // has no small form there
      expect_walks(e.build(device, request)->design, device);
    }
    expect_walks(*memcpy_design(device, 2, 1 << 16), device);
  }
}

}  // namespace
}  // namespace shorthand::npu
