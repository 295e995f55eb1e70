// SPDX-License-Identifier: Apache-2.0
// What the array cannot do, one refusal at a time: a sound design with one thing changed, and the words of the advice.
#include "npu/check.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "npu/kernels/aie_kernels.h"
#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

using testing::HasSubstr;

const Device kNpu1 = *find_device("npu1");

std::string refusal(const Design& d, const Device& device = kNpu1) {
  const Result<Placement> r = check(d, device);
  return r.ok() ? "" : r.error().message;
}

class CheckTest : public testing::Test {
 protected:
  // FIFOs: in 0, out 1, in_core 2, out_core 3. Steps: acquire, acquire, call, release, release.
  Design d = *Copy{}.build();
};

TEST_F(CheckTest, TakesASoundDesign) { EXPECT_EQ(refusal(d), ""); }

TEST_F(CheckTest, MemoryOfACoreWithItsStack) {
  // 2 x 2 objects of 12 KiB and 16 KiB of stack are the 64 KiB exactly.
  Copy big{.objects = 8, .elements = 3072};
  d = *big.build();
  d.allocation = Allocation::sequential;
  d.workers[0].stack_bytes = 16384;
  EXPECT_EQ(refusal(d), "");
  d.workers[0].stack_bytes += 32;
  EXPECT_THAT(refusal(d), HasSubstr("65568 bytes with the stack are wanted of 65536"));
}

TEST_F(CheckTest, MemoryOfAMemoryTile) {
  d = *Copy{.objects = 128}.build();
  d.fifos[0].elements = 128 * 256;  // whole transfers of 128 KiB pass as 128 tiles
  d.fifos[0].depth = 5;
  EXPECT_THAT(refusal(d), HasSubstr("655360 bytes of a memory tile, which none has left"));
}

TEST_F(CheckTest, DescriptorsOfAChannel) {
  d.fifos[2].depth = 8, d.fifos[3].depth = 8;  // 8 + 8 of the core's 16
  EXPECT_EQ(refusal(d), "");
  d.fifos[3].depth = 9;
  EXPECT_THAT(refusal(d), HasSubstr("17 buffer descriptors"));
  d.fifos[3].depth = 2;
  d.fifos[2].repeat = 12;  // 2 x 12 and the 2 of the channel in, of 24
  EXPECT_THAT(refusal(d), HasSubstr("26 buffer descriptors"));
}

TEST_F(CheckTest, ChannelsOfACoreAndLocks) {
  Builder b("wide");
  const int w = b.worker("w");
  Program p;
  for (int i = 0; i < 3; ++i) {
    Fifo f;
    f.name = "f" + std::to_string(i), f.element_bytes = 4, f.elements = 16;
    const int fifo = b.fifo(f);
    b.from_host(fifo).to_worker(fifo, w);
    p.acquire(fifo).release(fifo);
  }
  b.program(w, p);
  EXPECT_THAT(refusal(*b.finish()), HasSubstr("fifo f2 would need channel 3 in, 2 exist"));
}

TEST_F(CheckTest, ShimChannels) {
  const Device one = *find_device("npu1_1col");
  Builder b("many");
  for (int i = 0; i < 3; ++i) {
    Fifo f;
    f.element_bytes = 4, f.elements = 16;
    f.name = "in" + std::to_string(i);
    const int in = b.fifo(f);
    f.name = "out" + std::to_string(i);
    const int out = b.fifo(f);
    b.from_host(in).to_host(out).forward(in, out);
  }
  EXPECT_THAT(refusal(*b.finish(), one), HasSubstr("no free shim channel into the array"));
}

TEST_F(CheckTest, StreamPorts) {
  // Four streams leave a core's column downwards; the fifth has to go round, on a partition of one column it cannot.
  const Device one = *find_device("npu1_1col");
  Builder b("ports");
  std::vector<int> parts, offsets;
  for (int i = 0; i < 4; ++i) {
    const int w = b.worker("w" + std::to_string(i), {}, {0, 2 + i});
    Program p;
    for (int j = 0; j < 2; ++j) {
      Fifo f;
      f.name = "f" + std::to_string(2 * i + j), f.element_bytes = 4, f.elements = 16;
      const int fifo = b.fifo(f);
      b.from_worker(fifo, w);
      p.acquire(fifo).release(fifo);
      if (parts.size() < 5) {
        parts.push_back(fifo);
        offsets.push_back(16 * static_cast<int>(offsets.size()));
      } else {
        b.to_worker(fifo, (i + 1) % 4);
      }
    }
    b.program(w, p);
  }
  Fifo whole;
  whole.name = "whole", whole.element_bytes = 4, whole.elements = 80;
  const int out = b.fifo(whole);
  b.join(parts, offsets, out);
  b.to_host(out);
  EXPECT_THAT(refusal(*b.finish(), one), HasSubstr("no free stream ports"));
}

TEST_F(CheckTest, SizesAndStrides) {
  d.sequence[1].pattern = {{64, 1 << 21}, {32, 1}};
  d.host[0].bytes = int64_t{1} << 40;
  EXPECT_THAT(refusal(d), HasSubstr("a stride of 2097152 words, 1048576 is the most"));
  d.sequence[1].pattern = {{2, 5000}, {1024, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("a dimension of 1024, 1023 is the most inside another"));
  d.sequence[1].pattern = {{2, 1024}, {1023, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("an object has 256"));  // the register is content now
  d.sequence[1].pattern = {{65, 10000}, {2, 4000}, {2, 1000}, {64, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("65 iterations, 64 is the most"));
  d.fifos[2].to_stream = {{16, 1}, {16, 16}};  // words: any order will do
  d.sequence[1].pattern = {{2048, 1}};
  EXPECT_EQ(refusal(d), "");
  for (Fifo& f : d.fifos) f.element_bytes = 1, f.elements = 1024, f.to_stream = {};
  d.sequence[0].pattern = d.sequence[1].pattern = {{8192, 1}};
  EXPECT_EQ(refusal(d), "");
  d.fifos[2].to_stream = {{32, 1}, {32, 32}};
  EXPECT_THAT(refusal(d), HasSubstr("runs of 1 bytes"));
  d.fifos[2].to_stream = {{4, 8}, {8, 4}, {8, 32}, {4, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("visits 1024 elements up to number"));
}

TEST_F(CheckTest, DimensionsOfACore) {
  d.fifos[3].to_stream = {{2, 64}, {2, 16}, {2, 128}, {2, 32}, {16, 1}};  // a core walks three
  EXPECT_THAT(refusal(d), HasSubstr("5 dimensions, 3 exist"));
}

TEST_F(CheckTest, DescriptorsOfASequence) {
  Builder b("tasks");
  Fifo f;
  f.name = "in", f.element_bytes = 4, f.elements = 16;
  const int in = b.fifo(f), out = b.fifo(f);
  b.from_host(in, 0).to_host(out, 0).forward(in, out);
  const int x = b.host("x", 64 * 17);
  const int drained = b.drain(out, x, {{16 * 16, 1}});
  for (int i = 0; i < 15; ++i) b.fill(in, x, {{16, 1}});
  b.fill(in, x, {{16, 1}});
  b.await(drained);
  EXPECT_THAT(refusal(*b.finish()), HasSubstr("descriptor 17 of 16"));
}

TEST_F(CheckTest, LengthsThatDisagree) {
  d.sequence[1].pattern = {{2047, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("moves 2047 elements, an object has 256"));
  d.sequence[1].pattern = {{1792, 1}};
  EXPECT_THAT(refusal(d), HasSubstr("objects are"));
}

TEST_F(CheckTest, ReachesBeyondAHostBuffer) {
  d.sequence[1].offset = 1;
  EXPECT_THAT(refusal(d), HasSubstr("reaches byte 8196 of x, which has 8192"));
}

TEST_F(CheckTest, AcquiresMoreThanThereIs) {
  d.workers[0].steps[0].count = 3;
  EXPECT_THAT(refusal(d), HasSubstr("it would wait for ever; raise the depth"));
}

TEST_F(CheckTest, StackOfAKernel) {
  // The program's own: 64 bytes and the positions of two FIFOs.
  d.kernels[0].stack_bytes = 2048 - 64 - 2 * 4;
  EXPECT_EQ(refusal(d), "");
  ++d.kernels[0].stack_bytes;
  EXPECT_THAT(refusal(d), HasSubstr("the program 72, it has 2048; raise stack_bytes"));
}

TEST_F(CheckTest, BuffersAndNumbersOfACall) {
  Step& call = d.workers[0].steps[2];
  call.operands.push_back(call.operands[0]);
  EXPECT_THAT(refusal(d), HasSubstr("worker copier, step 2: copy is given 3 buffers and 1 numbers; it takes 2 and 1"));
  call.operands.resize(1);
  EXPECT_THAT(refusal(d), HasSubstr("copy is given 1 buffers and 1 numbers; it takes 2 and 1"));
  call.operands.push_back(call.operands[0]);
  call.numbers.push_back(literal(4));
  EXPECT_THAT(refusal(d), HasSubstr("copy is given 2 buffers and 2 numbers; it takes 2 and 1"));
  call.numbers.clear();
  EXPECT_THAT(refusal(d), HasSubstr("copy is given 2 buffers and 0 numbers; it takes 2 and 1"));
  call.numbers.push_back(literal(4));
  EXPECT_EQ(refusal(d), "");
}

// As its C function is declared.
TEST_F(CheckTest, BuffersAndNumbersOfACompiledKernel) {
  d.workers[0].stack_bytes = 4096;
  for (const auto& [name, takes] : {std::pair{"quantise_rows_f32", "3 and 4"}, {"zero_i32_16x16", "1 and 0"}}) {
    d.kernels[0] = *find_aie_kernel(name);
    EXPECT_THAT(refusal(d), HasSubstr(fmt::format("{} is given 2 buffers and 1 numbers; it takes {}", name, takes)));
  }
}

TEST_F(CheckTest, PartsOfBuffers) {
  d.buffers.push_back({.name = "own", .worker = 0, .bytes = 256, .initial = {}});
  const auto call = std::find_if(d.workers[0].steps.begin(), d.workers[0].steps.end(),
                                 [](const Step& s) { return s.op == Step::Op::call; });
  call->operands[1] = part(buffer(static_cast<int>(d.buffers.size()) - 1), 64, 192);
  EXPECT_EQ(refusal(d), "");
  call->operands[1].bytes = 193;
  EXPECT_THAT(refusal(d), HasSubstr("is given bytes 64 to 257 of a buffer of 256"));
  call->operands[1].bytes = 64, call->operands[1].offset = 48;
  EXPECT_THAT(refusal(d), HasSubstr("a part begins on a multiple of 32"));
  call->operands[1] = part(object(0), 32);
  EXPECT_THAT(refusal(d), HasSubstr("is given bytes 32 to 32 of a buffer of 0"));
}

TEST_F(CheckTest, HostBuffers) {
  d.host.resize(6);
  EXPECT_THAT(refusal(d), HasSubstr("6 host buffers, 5 is the most"));
}

TEST_F(CheckTest, WorkersThatWaitForEachOther) {
  Builder b("circle");
  const int v = b.worker("v"), w = b.worker("w");
  Fifo f;
  f.name = "there", f.element_bytes = 4, f.elements = 16;
  const int there = b.fifo(f);
  f.name = "back";
  const int back = b.fifo(f);
  b.from_worker(there, v).to_worker(there, w).from_worker(back, w).to_worker(back, v);
  b.program(v, Program().acquire(back).acquire(there).release(back).release(there));
  b.program(w, Program().acquire(there).acquire(back).release(there).release(back));
  EXPECT_THAT(refusal(*b.finish()), HasSubstr("deadlock: v <- w <- v"));
  // One that gives first starts the circle.
  Builder c("started");
  f.name = "there";
  c.fifo(f), f.name = "back", c.fifo(f), c.worker("v"), c.worker("w");
  c.from_worker(there, v).to_worker(there, w).from_worker(back, w).to_worker(back, v);
  c.program(v, Program().acquire(there).release(there).acquire(back).release(back));
  c.program(w, Program().acquire(there).acquire(back).release(there).release(back));
  EXPECT_EQ(refusal(*c.finish()), "");
}

TEST_F(CheckTest, WorkersThatNeverWait) {
  d.workers[0].steps = {d.workers[0].steps[2]};
  EXPECT_THAT(refusal(d), HasSubstr("never waits"));
}

TEST(Place, IsTheSameEveryTimeAndKeepsWhatIsFixed) {
  Design d = *Copy{}.build();
  d.workers[0].tile = {3, 4};
  const Placement a = *place(d, kNpu1), b = *place(d, kNpu1);
  EXPECT_EQ(a.workers[0], (Tile{3, 4}));
  EXPECT_EQ(a.relays[0].column, 3);
  EXPECT_EQ(a.host_columns[0], 3);
  ASSERT_EQ(a.regions.size(), b.regions.size());
  for (size_t i = 0; i < a.regions.size(); ++i) EXPECT_EQ(a.regions[i].address, b.regions[i].address);
}

TEST(Place, KeepsBuffersApart) {
  const Placement p = *place(*Copy{}.build(), kNpu1);
  for (const Region& a : p.regions) {
    EXPECT_LE(a.address + a.bytes, kNpu1.limits(a.tile).memory_bytes);
    for (const Region& b : p.regions) {
      if (&a == &b || !(a.tile == b.tile)) continue;
      EXPECT_TRUE(a.address + a.bytes <= b.address || b.address + b.bytes <= a.address) << a.name << " and " << b.name;
    }
  }
}

TEST(Place, KeepsAnAddressThatIsAskedFor) {
  auto placed = [](std::initializer_list<int> addresses) {
    Design d = *Copy{}.build();
    for (int address : addresses) d.buffers.push_back({"kept", 0, 4096, -1, address, {}});
    return place(d, kNpu1);
  };
  const Result<Placement> p = placed({20000, 24096, 65536 - 4096});
  ASSERT_TRUE(p.ok()) << p.error().message;
  EXPECT_EQ(p->regions[static_cast<size_t>(p->buffers[0])].address, 20000);
  EXPECT_EQ(p->regions[static_cast<size_t>(p->buffers[1])].address, 24096);
  EXPECT_EQ(p->regions[static_cast<size_t>(p->buffers[2])].banks, 1u << 3);
  for (auto addresses : {std::initializer_list<int>{20000, 24064}, {0}, {20016}, {65536 - 4064}}) {
    const Result<Placement> not_there = placed(addresses);
    ASSERT_FALSE(not_there.ok());
    EXPECT_THAT(not_there.error().message, HasSubstr("is asked for"));
  }
}

TEST(Device, PartsAndNeighbours) {
  EXPECT_EQ(find_device("npu1_2col")->columns, 2);
  EXPECT_FALSE(find_device("npu3").ok());
  EXPECT_FALSE(find_device("npu1_4col").ok());
  EXPECT_TRUE(can_address(kNpu1, {1, 3}, {0, 3}));   // west
  EXPECT_FALSE(can_address(kNpu1, {1, 3}, {2, 3}));  // east
  EXPECT_FALSE(can_address(kNpu1, {1, 2}, {1, 1}));  // the memory tile
  EXPECT_DOUBLE_EQ(peak_gops_i8(kNpu1, 1.8), 14745.6);
  EXPECT_DOUBLE_EQ(peak_gops_i8(*find_device("npu2"), 1.8), 58982.4);
}

}  // namespace
}  // namespace shorthand::npu
