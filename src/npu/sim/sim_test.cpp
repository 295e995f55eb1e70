// SPDX-License-Identifier: Apache-2.0
// Data against plain loops, the report's own sums, and what is said of designs that stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

using testing::HasSubstr;

const Device kNpu1 = *find_device("npu1");

Fifo words(std::string name, int elements, Pattern to_stream = {}, Pattern from_stream = {}) {
  Fifo f;
  f.name = std::move(name), f.element_bytes = 4, f.elements = elements;
  f.to_stream = std::move(to_stream), f.from_stream = std::move(from_stream);
  return f;
}

uint32_t word(const std::vector<std::byte>& bytes, size_t i) {
  uint32_t v;
  std::memcpy(&v, bytes.data() + 4 * i, 4);
  return v;
}

TEST(Sim, CopiesThroughTheArray) {
  for (bool relays : {false, true}) {
    const Design d = *Copy{.through_relays = relays}.build();
    std::vector<std::vector<std::byte>> host{random_bytes(8 * 1024, 1), std::vector<std::byte>(8 * 1024)};
    const SimReport r = run(d, kNpu1, {}, host);
    EXPECT_EQ(host[0], host[1]);
    EXPECT_EQ(r.bytes_read, 8 * 1024);
    EXPECT_EQ(r.bytes_written, 8 * 1024);
  }
}

// Every layout against the loops that define it: the task's, the relay's on both sides, and the core's.
TEST(Sim, LayoutsOnTheWay) {
  Builder b("layouts");
  const int k = b.kernel(copy_kernel());
  const Pattern blocks = {{4, 32}, {2, 4}, {4, 8}, {4, 1}};  // [16, 8] in blocks of 4 x 4
  const Pattern halves = {{8, 8}, {2, 64}, {8, 1}};          // [2, 8, 8] with its first two dimensions exchanged
  const int in = b.fifo(words("in", 128));
  const int to_core = b.fifo(words("to_core", 128, blocks, halves));
  const int out = b.fifo(words("out", 128));
  const int w = b.worker("w");
  b.from_host(in).forward(in, to_core);
  b.to_worker(to_core, w).from_worker(out, w).to_host(out);
  b.program(w, Program()
                   .acquire(to_core)
                   .acquire(out)
                   .call(k, {object(to_core), object(out)}, {literal(512)})
                   .release(to_core)
                   .release(out));
  const int x = b.host("x", 4 * 4096), y = b.host("y", 4 * 1024);
  const Pattern task = {{2, 64}, {4, 8}, {16, 128}, {8, 1}};
  const int done = b.drain(out, y, {{1024, 1}});
  b.fill(in, x, task, 5);
  b.await(done);
  const Design d = *b.finish();
  std::vector<std::vector<std::byte>> host{random_bytes(4 * 4096, 2), std::vector<std::byte>(4 * 1024)};
  run(d, kNpu1, {}, host);
  std::vector<size_t> read;
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 4; ++j)
      for (size_t l = 0; l < 16; ++l)
        for (size_t n = 0; n < 8; ++n) read.push_back(5 + i * 64 + j * 8 + l * 128 + n);
  for (size_t object = 0; object < 8; ++object) {
    size_t sent = 0;
    std::vector<size_t> stream;
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 2; ++j)
        for (size_t l = 0; l < 4; ++l)
          for (size_t n = 0; n < 4; ++n) stream.push_back(read[object * 128 + i * 32 + j * 4 + l * 8 + n]);
    for (size_t i = 0; i < 8; ++i)
      for (size_t j = 0; j < 2; ++j)
        for (size_t l = 0; l < 8; ++l) {
          ASSERT_EQ(word(host[1], object * 128 + i * 8 + j * 64 + l), word(host[0], stream[sent++]));
        }
  }
}

// In parts to four workers and together again; and one object to all of them.
TEST(Sim, DistributesJoinsAndBroadcasts) {
  for (bool broadcast : {false, true}) {
    Builder b("parts");
    const int k = b.kernel(copy_kernel());
    const int in = b.fifo(words("in", broadcast ? 32 : 128)), out = b.fifo(words("out", 128));
    const int shared = b.fifo(words("shared", 32));
    b.from_host(in).to_host(out);
    std::vector<int> to, from, offsets;
    for (int i = 0; i < 4; ++i) {
      const int w = b.worker("w" + std::to_string(i));
      to.push_back(broadcast ? shared : b.fifo(words("to" + std::to_string(i), 32)));
      from.push_back(b.fifo(words("from" + std::to_string(i), 32)));
      offsets.push_back(32 * i);
      const auto p = static_cast<size_t>(i);
      b.to_worker(to[p], w).from_worker(from[p], w);
      b.program(w, Program()
                       .acquire(to[p])
                       .acquire(from[p])
                       .call(k, {object(to[p]), object(from[p])}, {literal(128)})
                       .release(to[p])
                       .release(from[p]));
    }
    if (broadcast) {
      b.forward(in, shared);
    } else {
      b.split(in, to, offsets);
      b.from_host(shared).to_worker(shared, b.worker("unused"));
      b.program(4, Program().acquire(shared).release(shared));
    }
    b.join(from, offsets, out);
    const int64_t n = broadcast ? 32 * 10 : 128 * 10;
    const int x = b.host("x", n * 4), y = b.host("y", 128 * 10 * 4);
    const int done = b.drain(out, y, {{1280, 1}});
    b.fill(in, x, {{n, 1}});
    b.await(done);
    const Result<Design> d = b.finish();
    ASSERT_TRUE(d.ok()) << d.error().message;
    std::vector<std::vector<std::byte>> host{random_bytes(static_cast<size_t>(n) * 4, 3),
                                             std::vector<std::byte>(1280 * 4)};
    run(*d, kNpu1, {}, host);
    for (size_t i = 0; i < 1280; ++i) {
      ASSERT_EQ(word(host[1], i), word(host[0], broadcast ? i / 128 * 32 + i % 32 : i)) << broadcast;
    }
  }
}

TEST(Sim, NeighboursShareMemory) {
  Builder b("pair");
  const int k = b.kernel(copy_kernel());
  const int in = b.fifo(words("in", 64)), mid = b.fifo(words("mid", 64)), out = b.fifo(words("out", 64));
  const int v = b.worker("v"), w = b.worker("w");
  b.from_host(in).to_worker(in, v).from_worker(mid, v).to_worker(mid, w).from_worker(out, w).to_host(out);
  b.program(
      v,
      Program().acquire(in).acquire(mid).call(k, {object(in), object(mid)}, {literal(256)}).release(in).release(mid));
  b.program(w, Program()
                   .acquire(mid)
                   .acquire(out)
                   .call(k, {object(mid), object(out)}, {literal(256)})
                   .release(mid)
                   .release(out));
  const int x = b.host("x", 2560), y = b.host("y", 2560);
  const int done = b.drain(out, y, {{640, 1}});
  b.fill(in, x, {{640, 1}});
  b.await(done);
  const Design d = *b.finish();
  std::vector<std::vector<std::byte>> host{random_bytes(2560, 4), std::vector<std::byte>(2560)};
  const SimReport r = run(d, kNpu1, {}, host);
  EXPECT_EQ(host[0], host[1]);
  for (const UnitReport& u : r.units) EXPECT_EQ(u.name.find("mid"), std::string::npos);  // no DMA carries it
}

// A parameter decides how often; a barrier holds the worker until it has been written; a signal lets it go.
TEST(Sim, ParametersAndBarriers) {
  Builder b("parameters");
  KernelType add = copy_kernel();
  add.run.numbers = 2;
  add.run.function = [](const KernelCall& c) {
    for (int i = 0; i < 16; ++i) {
      uint32_t v, s;  // modulo 2^32
      std::memcpy(&v, c.buffers[0] + 4 * i, 4);
      std::memcpy(&s, c.buffers[1] + 4 * i, 4);
      s += v * static_cast<uint32_t>(c.numbers[0]) + static_cast<uint32_t>(c.numbers[1]);
      std::memcpy(c.buffers[1] + 4 * i, &s, 4);
    }
  };
  const int k = b.kernel(add);
  const int in = b.fifo(words("in", 16)), out = b.fifo(words("out", 16));
  const int w = b.worker("w", {}, {}, {0, 0});
  b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
  b.program(w, Program()
                   .barrier()
                   .acquire(in)
                   .acquire(out)
                   .loop(parameter(0))
                   .call(k, {object(in), object(out)}, {parameter(1), counter()})
                   .end()
                   .release(in)
                   .release(out));
  const int x = b.host("x", 128), y = b.host("y", 128);
  for (int pass = 0; pass < 2; ++pass) {
    b.write(w, 0, 3 + pass).write(w, 1, 10 * (pass + 1)).signal(w);
    const int done = b.drain(out, y, {{16, 1}}, 16 * pass);
    b.fill(in, x, {{16, 1}}, 16 * pass);
    b.await(done);
  }
  const Design d = *b.finish();
  std::vector<std::vector<std::byte>> host{random_bytes(128, 5), std::vector<std::byte>(128)};
  run(d, kNpu1, {}, host);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(word(host[1], i), word(host[0], i) * 3 * 10 + 0 + 1 + 2);
    EXPECT_EQ(word(host[1], 16 + i), word(host[0], 16 + i) * 4 * 20 + 0 + 1 + 2 + 3);
  }
}

// In all trips but the first, and once where a parameter is not zero.
TEST(Sim, AnyIsOneWhereANumberIsNotZero) {
  Builder b("any");
  KernelType add = copy_kernel();
  add.name = "add";
  add.run.function = [](const KernelCall& c) {
    int32_t v;
    std::memcpy(&v, c.buffers[1], 4);
    v += c.numbers[0];
    std::memcpy(c.buffers[1], &v, 4);
  };
  const int k = b.kernel(add);
  const int in = b.fifo(words("in", 1)), out = b.fifo(words("out", 1));
  const int w = b.worker("w", {}, {}, {7, 0});
  b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
  Program p;
  p.acquire(in).acquire(out).call(b.kernel(copy_kernel()), {object(in), object(out)}, {literal(4)});
  p.loop(4).loop(any(counter())).call(k, {object(in), object(out)}, {counter(1)}).end().end();
  for (const auto& [n, value] : {std::pair{parameter(0), 100}, {parameter(1), 1000}, {literal(5), 10000}})
    p.loop(any(n)).call(k, {object(in), object(out)}, {literal(value)}).end();
  p.call(k, {object(in), object(out)}, {any(parameter(0))}).release(in).release(out);
  b.program(w, p);
  const int x = b.host("x", 4), y = b.host("y", 4);
  b.fill(in, x, {{1, 1}});
  b.await(b.drain(out, y, {{1, 1}}));
  std::vector<std::vector<std::byte>> host{random_bytes(4, 5), std::vector<std::byte>(4)};
  run(*b.finish(), kNpu1, {}, host);
  EXPECT_EQ(word(host[1], 0), word(host[0], 0) + 1 + 2 + 3 + 100 + 10000 + 1);
}

// What the sequence writes while a worker is at work is for after its next barrier.
TEST(Sim, ParametersAreTakenAtTheBarrier) {
  Builder b("parameters");
  KernelType add = copy_kernel();
  add.run.function = [](const KernelCall& c) {
    int32_t v;
    std::memcpy(&v, c.buffers[0], 4);
    v += c.numbers[0];
    std::memcpy(c.buffers[1], &v, 4);
  };
  const int k = b.kernel(add);
  const int in = b.fifo(words("in", 1)), out = b.fifo(words("out", 1));
  const int w = b.worker("w", {}, {}, {0});
  b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
  b.program(w, Program()
                   .barrier()
                   .loop(2)
                   .acquire(in)
                   .acquire(out)
                   .call(k, {object(in), object(out)}, {parameter(0)})
                   .release(in)
                   .release(out)
                   .end());
  const int x = b.host("x", 16), y = b.host("y", 16);
  b.write(w, 0, 100).signal(w);
  b.fill(in, x, {{1, 1}}, 0);
  b.await(b.drain(out, y, {{1, 1}}, 0));
  b.write(w, 0, 200).signal(w);  // the worker waits for the second of this pass
  b.fill(in, x, {{3, 1}}, 1);
  b.await(b.drain(out, y, {{3, 1}}, 1));
  const Design d = *b.finish();
  std::vector<std::vector<std::byte>> host{random_bytes(16, 5), std::vector<std::byte>(16)};
  run(d, kNpu1, {}, host);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(word(host[1], i), word(host[0], i) + (i < 2 ? 100 : 200)) << i;
}

TEST(Sim, EveryUnitsCyclesAddUp) {
  const Design d = *Copy{}.build();
  std::vector<std::vector<std::byte>> host{random_bytes(8192, 1), std::vector<std::byte>(8192)};
  const SimReport r = run(d, kNpu1, {}, host);
  for (const UnitReport& u : r.units) {
    EXPECT_EQ(std::accumulate(u.spent.begin(), u.spent.end(), Cycle{0}), r.cycles) << u.name;
    for (Cycle c : u.spent) EXPECT_GE(c, 0) << u.name;
    if (!u.core) {
      EXPECT_EQ(u.words, 2048) << u.name;
    }
  }
}

TEST(Sim, IsTheSameEveryTimeInEveryMode) {
  for (bool relays : {false, true}) {
    for (int depth : {1, 2, 3}) {
      const Design d = *Copy{.objects = 12, .elements = 96, .depth = depth, .through_relays = relays}.build();
      std::vector<std::vector<std::byte>> host{random_bytes(12 * 96 * 4, 1), std::vector<std::byte>(12 * 96 * 4)};
      SimOptions options;
      const std::string first = to_text(run(d, kNpu1, options, host), kNpu1);
      EXPECT_EQ(to_text(run(d, kNpu1, options, host), kNpu1), first);
      options.timing_only = true;
      EXPECT_EQ(to_text(run(d, kNpu1, options, host), kNpu1), first);
      options.word_by_word = true;
      EXPECT_EQ(to_text(run(d, kNpu1, options, host), kNpu1), first);
    }
  }
}

TEST(Sim, EveryLineSaysThatItIsASimulation) {
  const Design d = *Copy{}.build();
  std::vector<std::vector<std::byte>> host{random_bytes(8192, 1), std::vector<std::byte>(8192)};
  SimOptions options;
  options.trace = true;
  const SimReport r = run(d, kNpu1, options, host);
  const std::string text = to_text(r, kNpu1);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    EXPECT_EQ(text.compare(at, 15, "simulated (npu1"), 0);
  }
  EXPECT_THAT(trace_json(r, kNpu1), HasSubstr("simulated (npu1"));
  EXPECT_THAT(trace_json(r, kNpu1), HasSubstr("\"name\":\"copy\""));
}

TEST(Sim, ADeadlockIsToldAsWhoWaitsForWhom) {
  // A parameter that the sequence writes is beyond the checker: the worker wants two objects a pass, five come.
  Builder b("hungry");
  const int in = b.fifo(words("in", 16)), out = b.fifo(words("out", 16));
  const int w = b.worker("eater", {}, {}, {2});
  b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
  b.program(w, Program().acquire(out).loop(parameter(0)).acquire(in).release(in).end().release(out));
  const int x = b.host("x", 64 * 5), y = b.host("y", 64 * 3);
  b.write(w, 0, 2);
  const int done = b.drain(out, y, {{48, 1}});
  b.fill(in, x, {{80, 1}});
  b.await(done);
  const Design d = *b.finish();
  SimOptions options;
  options.timing_only = true;
  const Result<SimReport> r = simulate(d, kNpu1, options, {});
  ASSERT_FALSE(r.ok());
  EXPECT_THAT(r.error().message, HasSubstr("deadlock: the sequence waits for fifo out"));
  EXPECT_THAT(r.error().message, HasSubstr("worker eater waits for 1 objects of in"));
  EXPECT_THAT(r.error().message, HasSubstr("has no task: the sequence moves too few words here"));
}

TEST(Sim, CanariesCatchAKernelThatWritesOutside) {
  Copy c;
  c.kernel.run.function = [](const KernelCall& call) { call.buffers[1][call.numbers[0]] = std::byte{1}; };
  const Design d = *c.build();
  std::vector<std::vector<std::byte>> host{random_bytes(8192, 1), std::vector<std::byte>(8192)};
  std::vector<std::span<std::byte>> spans(host.begin(), host.end());
  const Result<SimReport> r = simulate(d, kNpu1, {}, spans);
  ASSERT_FALSE(r.ok());
  EXPECT_THAT(r.error().message, HasSubstr("copier: copy wrote outside out_core"));
}

}  // namespace
}  // namespace shorthand::npu
