// SPDX-License-Identifier: Apache-2.0
// The text against a golden one, against what was placed, and, where aie-opt is installed, against its own verifier.
#include "npu/mlir/emit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "npu/check.h"
#include "npu/designs/encoder.h"
#include "npu/designs/registry.h"
#include "npu/kernels/aie_kernels.h"
#include "npu/mlir/text.h"
#include "npu/test_designs.h"
#include "support/process.h"

namespace shorthand::npu {
namespace {

using ::testing::HasSubstr;

const Device kNpu1 = *find_device("npu1");

std::string emit(const Design& design, const Device& device = kNpu1) {
  const Result<Placement> placement = check(design, device);
  EXPECT_TRUE(placement.ok()) << (placement.ok() ? "" : placement.error().message);
  const Result<std::string> text = emit_mlir(design, device, *placement);
  EXPECT_TRUE(text.ok()) << (text.ok() ? "" : text.error().message);
  return text.ok() ? *text : "";
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t p = text.find(what); p != std::string::npos; p = text.find(what, p + what.size())) ++n;
  return n;
}

// What has a barrier, parameters, a table, counters and a buffer that two kernels see as different types.
Design everything() {
  Builder b("every thing");
  const int copy = b.kernel(copy_kernel());
  Fifo f;
  f.name = "in", f.element_bytes = 4, f.elements = 64, f.depth = 3;
  const int in = b.fifo(f);
  f.name = "out", f.depth = 2;
  const int out = b.fifo(f);
  const int w = b.worker("core", {}, {}, {7, -8});
  const int scratch = b.buffer("scratch", w, 256);
  b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
  b.program(w, Program()
                   .barrier()
                   .loop(parameter(0))
                   .acquire(in, 2)
                   .call(copy, {object(in, 1), buffer(scratch)}, {literal(256)})
                   .acquire(out)
                   .call(copy, {buffer(scratch), object(out)}, {counter()})
                   .release(out)
                   .release(in, 2)
                   .end());
  const int x = b.host("x", 64 * 8 * 4), y = b.host("y", 64 * 4 * 4);
  b.write(w, 0, 4);
  b.signal(w);
  b.fill(in, x, {{2, 0}, {64, 1}, {4, 64}});
  b.drain(out, y, {{128, 1}});
  b.await(b.drain(out, y, {{128, 1}}, 128));
  Design d = *b.finish();
  d.buffers[0].initial = {std::byte{0xAB}, std::byte{1}};
  return d;
}

TEST(Emit, ASmallDesignIsThisText) {
  Copy c;
  c.objects = 2, c.elements = 16, c.through_relays = false;
  EXPECT_EQ(emit(*c.build(), *find_device("npu1_1col")), R"(module {
  aie.device(npu1_1col) @copy {
    func.func private @copy(memref<16xi32>, memref<16xi32>, i32) attributes {link_with = "test.o"}
    %tile_0_0 = aie.tile(0, 0)
    %tile_0_2 = aie.tile(0, 2)
    %in_0_at_0_2 = aie.buffer(%tile_0_2) {address = 16384 : i32, sym_name = "in_0_at_0_2"} : memref<16xi32>
    %in_1_at_0_2 = aie.buffer(%tile_0_2) {address = 16448 : i32, sym_name = "in_1_at_0_2"} : memref<16xi32>
    %out_0_at_0_2 = aie.buffer(%tile_0_2) {address = 32768 : i32, sym_name = "out_0_at_0_2"} : memref<16xi32>
    %out_1_at_0_2 = aie.buffer(%tile_0_2) {address = 32832 : i32, sym_name = "out_1_at_0_2"} : memref<16xi32>
    %in_free_at_0_2 = aie.lock(%tile_0_2, 0) {init = 2 : i32, sym_name = "in_free_at_0_2"}
    %in_full_at_0_2 = aie.lock(%tile_0_2, 1) {init = 0 : i32, sym_name = "in_full_at_0_2"}
    %out_free_at_0_2 = aie.lock(%tile_0_2, 2) {init = 2 : i32, sym_name = "out_free_at_0_2"}
    %out_full_at_0_2 = aie.lock(%tile_0_2, 3) {init = 0 : i32, sym_name = "out_full_at_0_2"}
    aie.flow(%tile_0_0, DMA : 0, %tile_0_2, DMA : 0)  // in
    aie.flow(%tile_0_2, DMA : 0, %tile_0_0, DMA : 0)  // out
    aie.shim_dma_allocation @in(%tile_0_0, MM2S, 0)
    aie.shim_dma_allocation @out(%tile_0_0, S2MM, 0)
    %dma_0_2 = aie.mem(%tile_0_2) {
      aie.dma_start(S2MM, 0, ^bd0, ^channel1)
    ^bd0:  // in
      aie.use_lock(%in_free_at_0_2, AcquireGreaterEqual, 1)
      aie.dma_bd(%in_0_at_0_2 : memref<16xi32>, 0, 16)
      aie.use_lock(%in_full_at_0_2, Release, 1)
      aie.next_bd ^bd1
    ^bd1:  // in
      aie.use_lock(%in_free_at_0_2, AcquireGreaterEqual, 1)
      aie.dma_bd(%in_1_at_0_2 : memref<16xi32>, 0, 16)
      aie.use_lock(%in_full_at_0_2, Release, 1)
      aie.next_bd ^bd0
    ^channel1:
      aie.dma_start(MM2S, 0, ^bd2, ^end)
    ^bd2:  // out
      aie.use_lock(%out_full_at_0_2, AcquireGreaterEqual, 1)
      aie.dma_bd(%out_0_at_0_2 : memref<16xi32>, 0, 16)
      aie.use_lock(%out_free_at_0_2, Release, 1)
      aie.next_bd ^bd3
    ^bd3:  // out
      aie.use_lock(%out_full_at_0_2, AcquireGreaterEqual, 1)
      aie.dma_bd(%out_1_at_0_2 : memref<16xi32>, 0, 16)
      aie.use_lock(%out_free_at_0_2, Release, 1)
      aie.next_bd ^bd2
    ^end:
      aie.end
    }
    %core_copier = aie.core(%tile_0_2) {
      %i0 = arith.constant 0 : index
      %i1 = arith.constant 1 : index
      %i2 = arith.constant 2 : index
      %i9223372036854775807 = arith.constant 9223372036854775807 : index
      %w64 = arith.constant 64 : i32
      %for_ever:2 = scf.for %pass = %i0 to %i9223372036854775807 step %i1 iter_args(%v0 = %i0, %v1 = %i0) -> (index, index) {
        aie.use_lock(%in_full_at_0_2, AcquireGreaterEqual, 1)
        aie.use_lock(%out_free_at_0_2, AcquireGreaterEqual, 1)
        %v2 = scf.index_switch %v0 -> memref<16xi32>
        case 0 {
          scf.yield %in_0_at_0_2 : memref<16xi32>
        }
        default {
          scf.yield %in_1_at_0_2 : memref<16xi32>
        }
        %v3 = scf.index_switch %v1 -> memref<16xi32>
        case 0 {
          scf.yield %out_0_at_0_2 : memref<16xi32>
        }
        default {
          scf.yield %out_1_at_0_2 : memref<16xi32>
        }
        func.call @copy(%v2, %v3, %w64) : (memref<16xi32>, memref<16xi32>, i32) -> ()
        aie.use_lock(%in_free_at_0_2, Release, 1)
        %v4 = arith.addi %v0, %i1 : index
        %v5 = arith.cmpi sge, %v4, %i2 : index
        %v6 = arith.subi %v4, %i2 : index
        %v7 = arith.select %v5, %v6, %v4 : index
        aie.use_lock(%out_full_at_0_2, Release, 1)
        %v8 = arith.addi %v1, %i1 : index
        %v9 = arith.cmpi sge, %v8, %i2 : index
        %v10 = arith.subi %v8, %i2 : index
        %v11 = arith.select %v9, %v10, %v8 : index
        scf.yield %v7, %v11 : index, index
      }
      aie.end
    } {stack_size = 2048 : i32}
    aie.runtime_sequence @run(%host_x: memref<32xi32>, %host_y: memref<32xi32>) {
      %task0 = aiex.dma_configure_task_for @out {
        aie.dma_bd(%host_y : memref<32xi32>, 0, 32)
        aie.end
      } {issue_token = true}
      aiex.dma_start_task(%task0)
      %task1 = aiex.dma_configure_task_for @in {
        aie.dma_bd(%host_x : memref<32xi32>, 0, 32)
        aie.end
      }
      aiex.dma_start_task(%task1)
      aiex.dma_await_task(%task0)
      aiex.dma_free_task(%task1)
    }
  }
}
)");
}

// Every name that is used has been defined, everything that was opened is closed, and every block exists.
void expect_whole(const std::string& text) {
  std::set<std::string> values, symbols, blocks;
  for (const auto& [pattern, set] : {std::pair{std::regex(R"((%\w+)(:\d+)? =)"), &values},
                                     {std::regex(R"(scf\.for (%\w+))"), &values},
                                     {std::regex(R"((%\w+): memref)"), &values},
                                     {std::regex(R"(sym_name = "(\w+)\")"), &symbols},
                                     {std::regex(R"(aie\.shim_dma_allocation @(\w+))"), &symbols},
                                     {std::regex(R"(func\.func private @(\w+))"), &symbols}}) {
    for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i) set->insert((*i)[1]);
  }
  const std::regex use(R"(%\w+)"), symbol(R"((rtp_write\(|task_for |func\.call )@(\w+))");
  for (std::sregex_iterator i(text.begin(), text.end(), use), end; i != end; ++i) {
    EXPECT_TRUE(values.contains(i->str())) << i->str() << " is used and not defined";
  }
  for (std::sregex_iterator i(text.begin(), text.end(), symbol), end; i != end; ++i) {
    EXPECT_TRUE(symbols.contains((*i)[2])) << (*i)[2] << " is no symbol";
  }
  for (const char* pair : {"()", "{}", "[]", "<>"}) {
    std::string without = std::regex_replace(text, std::regex("->"), "");
    EXPECT_EQ(std::count(without.begin(), without.end(), pair[0]), std::count(without.begin(), without.end(), pair[1]));
  }
}

// Every chain of descriptors is a circle of its own, and no descriptor is outside of one.
void expect_circles(const std::string& text) {
  // Not to the end of the block: std::regex takes stack for every character of a match.
  const std::regex memory(R"(aie\.(mem|memtile_dma)\()"), start(R"(dma_start\(\w+, \d+, \^bd(\d+),)");
  const std::regex link(R"(\^bd(\d+):[^^]*next_bd \^bd(\d+))");
  for (std::sregex_iterator m(text.begin(), text.end(), memory), end; m != end; ++m) {
    const auto from = static_cast<size_t>(m->position()), to = text.find("^end:", from);
    ASSERT_NE(to, std::string::npos);
    const std::string body = text.substr(from, to - from);
    std::map<int, int> next;
    for (std::sregex_iterator i(body.begin(), body.end(), link); i != end; ++i) {
      next[std::stoi((*i)[1])] = std::stoi((*i)[2]);
    }
    size_t seen = 0;
    for (std::sregex_iterator i(body.begin(), body.end(), start); i != end; ++i) {
      const int first = std::stoi((*i)[1]);
      int at = first;
      do {
        ASSERT_TRUE(next.contains(at)) << "no block bd" << at;
        at = next[at];
        ASSERT_LE(++seen, next.size());
      } while (at != first);
    }
    EXPECT_EQ(seen, next.size());
  }
}

void expect_descriptors_in_limits(const std::string& text) {
  const std::regex bd(R"(aie\.dma_bd\(%\w+ : memref<(\d+)xi\d+>, (\d+), (\d+)(, \[[^\]]*\])?\))");
  const std::regex dim(R"(size = (\d+), stride = (\d+))");
  int found = 0;
  for (std::sregex_iterator i(text.begin(), text.end(), bd), end; i != end; ++i, ++found) {
    int64_t last = std::stoll((*i)[2]);
    const std::string dims = (*i)[4];
    int n = 0;
    for (std::sregex_iterator d(dims.begin(), dims.end(), dim); d != std::sregex_iterator(); ++d, ++n) {
      EXPECT_GE(std::stoll((*d)[2]), 1) << i->str();
      last += (std::stoll((*d)[1]) - 1) * std::stoll((*d)[2]);
    }
    if (n == 0) last += std::stoll((*i)[3]) - 1;
    EXPECT_LE(n, 4) << i->str();
    EXPECT_LT(last, std::stoll((*i)[1])) << i->str() << " reaches past its buffer";
  }
  EXPECT_GT(found, 0);
}

TEST(Emit, EveryDesignOfTheListIsWholeAndSaysWhatWasPlaced) {
  for (const DesignEntry& e : design_entries()) {
    for (const char* name : {"npu1", "npu1_2col", "npu2"}) {
      SCOPED_TRACE(fmt::format("{} on {}", e.name, name));
      const Device device = *find_device(name);
      DesignRequest request;
      request.model.layers = 1;
      const Design design = e.build(device, request)->design;
      const Placement placement = *check(design, device);
      const std::string text = emit(design, device);
      EXPECT_EQ(text, emit(design, device));
      EXPECT_THAT(text, HasSubstr(fmt::format("aie.device({}) @", name)));
      expect_whole(text);
      expect_circles(text);
      expect_descriptors_in_limits(text);
      for (const Fifo& f : design.fifos) EXPECT_THAT(text, HasSubstr(f.name));
      size_t sinks = 0, chains = 0, descriptors = 0, tasks = 0;
      for (const Stream& s : placement.streams) sinks += s.sinks.size();
      for (const Channel& c : placement.channels) chains += c.chain.empty() ? 0 : 1, descriptors += c.chain.size();
      for (const Action& a : design.sequence) tasks += a.op == Action::Op::start ? 1 : 0;
      EXPECT_EQ(count(text, "aie.flow("), sinks);
      EXPECT_EQ(count(text, "aie.dma_start("), chains);
      EXPECT_EQ(count(text, "aie.next_bd "), descriptors);
      EXPECT_EQ(count(text, "aie.dma_bd("), descriptors + tasks);
      EXPECT_EQ(count(text, "= aie.lock("), placement.locks.size());
      EXPECT_EQ(count(text, "= aie.core("), design.workers.size());
      EXPECT_EQ(count(text, "aiex.dma_start_task("), tasks);
      EXPECT_EQ(count(text, "aiex.dma_await_task(") + count(text, "aiex.dma_free_task("), tasks);
    }
  }
}

// 1 where a number is not 0: a counter's as a trip count, a parameter's as a kernel's number.
TEST(Emit, SaysWhetherANumberIsZero) {
  Builder b("whether");
  const int copy = b.kernel(copy_kernel());
  Fifo f;
  f.name = "in", f.element_bytes = 4, f.elements = 64;
  const int in = b.fifo(f);
  const int w = b.worker("core", {}, {}, {7});
  const int scratch = b.buffer("scratch", w, 256);
  b.from_host(in).to_worker(in, w);
  b.program(w, Program()
                   .acquire(in)
                   .loop(3)
                   .loop(any(counter()))
                   .call(copy, {object(in), buffer(scratch)}, {any(parameter(0))})
                   .end()
                   .end()
                   .release(in));
  b.await(b.fill(in, b.host("x", 256), {{64, 1}}));
  const std::string text = emit(*b.finish(), *find_device("npu1_1col"));
  expect_whole(text);
  EXPECT_TRUE(std::regex_search(
      text, std::regex(R"((%v\d+) = arith.minui %trip0, %i1 : index\n *scf.for %trip1 = %i0 to \1 step %i1)")))
      << text;
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(= arith.minui %v\d+, %w1 : i32\n)"))) << text;
}

TEST(Emit, SaysBarriersParametersTablesAndViews) {
  const std::string text = emit(everything());
  expect_whole(text);
  expect_descriptors_in_limits(text);
  EXPECT_THAT(text, HasSubstr("@every_thing {"));
  EXPECT_THAT(text, HasSubstr("memref<2xi32> = dense<[7, -8]>"));
  EXPECT_THAT(text, HasSubstr("= dense<\"0xAB0100"));
  EXPECT_THAT(text, HasSubstr("aiex.npu.rtp_write(@core_parameters_at_0_2, 0, 4)"));
  EXPECT_THAT(text, HasSubstr("aiex.set_lock(%core_barrier_at_0_2, 1)"));
  // What the core takes at the barrier, and does not look at again while the sequence writes the next.
  EXPECT_THAT(text, HasSubstr("aie.use_lock(%core_barrier_at_0_2, AcquireGreaterEqual, 1)\n        %v2 = memref.load "
                              "%core_parameters_at_0_2[%i0] : memref<2xi32>"));
  EXPECT_EQ(count(text, "memref.load"), 1u);
  EXPECT_THAT(text, HasSubstr("aie.use_lock(%in_full_at_0_2, AcquireGreaterEqual, 2)"));
  EXPECT_THAT(text, HasSubstr("memref.view %scratch_at_0_2[%i0][] : memref<256xi8> to memref<64xi32>"));
  EXPECT_THAT(text, HasSubstr("repeat_count = 1 : i32"));
  EXPECT_THAT(text, HasSubstr("aiex.dma_await_task(%task4)\n      aiex.dma_free_task(%task3)\n"));
  // The object behind the oldest.
  const std::string flat = std::regex_replace(text, std::regex(R"(\s+)"), " ");
  EXPECT_THAT(flat, HasSubstr("case 0 { scf.yield %in_1_at_0_2 : memref<64xi32> } case 1 { scf.yield %in_2_at_0_2 : "
                              "memref<64xi32> } default { scf.yield %in_0_at_0_2 : memref<64xi32> }"));
  EXPECT_EQ(count(text, "case "), 3u);  // two of `in`'s three objects and one of `out`'s two
}

// Rows too wide for several to share a result: another form of the same program.
TEST(Emit, EncodersOfEveryWidthHaveAText) {
  for (const Device& device : {kNpu1, *find_device("npu2")}) {
    for (int d : {384, 512, 768, 1024, 1280}) {
      const Result<Design> design = encoder_design(device, {.d = d, .heads = d / 64, .layers = 1}, {});
      ASSERT_TRUE(design.ok()) << design.error().message;
      const Result<std::string> text = emit_mlir(*design, device, *check(*design, device));
      EXPECT_TRUE(text.ok()) << device.name << ", " << d << " wide: " << text.error().message;
    }
  }
}

TEST(Emit, RefusesHandsThatDifferFromPassToPass) {
  Design d = everything();
  auto is_release = [&](const Step& s) { return s.op == Step::Op::release && s.count == 2; };
  std::find_if(d.workers[0].steps.begin(), d.workers[0].steps.end(), is_release)->count = 1;
  const Placement placement = *place(d, kNpu1);
  const Result<std::string> text = emit_mlir(d, kNpu1, placement);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("a pass of a loop leaves 1 objects of in in hand, it began with 0"));
}

TEST(Emit, WalksOverSmallerElementsVisitTheSameBytes) {
  EXPECT_EQ(mlir::over_smaller({{4, 64}, {16, 1}}, 4), (Pattern{{4, 256}, {64, 1}}));
  EXPECT_EQ(mlir::over_smaller({{4, 64}}, 4), (Pattern{{4, 256}, {4, 1}}));
}

TEST(Emit, NamesAreSymbols) {
  EXPECT_EQ(mlir::identifier("a [0]"), "a_0");
  EXPECT_EQ(mlir::identifier("4x4 tile"), "_4x4_tile");
  EXPECT_EQ(mlir::identifier("%!"), "_");
}

// aie-opt parses and verifies what it is given before it runs any pass.
TEST(Emit, TheToolchainAcceptsIt) {
  if (std::system("command -v aie-opt >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "aie-opt of mlir-aie is not installed; its verifier has not seen the text";
  }
  const shorthand::testing::TemporaryFolder folder;
  std::vector<Design> designs{everything()};
  for (const DesignEntry& e : design_entries()) designs.push_back(e.build(kNpu1, {})->design);
  for (const Design& d : designs) {
    const std::filesystem::path path = folder / "design.mlir";
    std::ofstream(path) << emit(d);
    EXPECT_EQ(std::system(fmt::format("aie-opt --verify-each '{}' -o /dev/null", path.string()).c_str()), 0) << d.name;
  }
}

TEST(BuildSteps, NameEveryObjectAndTheTarget) {
  const Device strix = *find_device("npu2");
  const BuiltDesign built = *find_design("gemm")->build(strix, {});
  const std::string steps = build_steps(built.design, strix, "/src");
  EXPECT_THAT(steps, HasSubstr("--target=aie2p-none-unknown-elf"));
  EXPECT_THAT(steps, HasSubstr("gemm_i8.o: $(SOURCES)/kernels/gemm_i8/aie2.cc\n\t$(CXX)"));
  EXPECT_THAT(steps, HasSubstr("gemm.mlir gemm_i8.o\n"));
}

// make finds every source, and compiles each once for the objects that the cores link.
TEST(BuildSteps, AreCompleteForEveryDesign) {
  if (std::system("command -v make >/dev/null 2>&1") != 0) GTEST_SKIP() << "make is not installed";
  for (const DesignEntry& e : design_entries()) {
    SCOPED_TRACE(e.name);
    DesignRequest request;
    request.model.layers = 1;
    const Design design = e.build(kNpu1, request)->design;
    const shorthand::testing::TemporaryFolder folder;
    const std::string text = emit(design);
    std::ofstream(folder / (design.name + ".mlir")) << text;
    std::ofstream(folder / (design.name + ".txt")) << "description";
    std::ofstream(folder / "Makefile") << build_steps(design, kNpu1, SHORTHAND_REPO_DIR "/src");
    const std::string dir = (folder / ".").string(), log = (folder / "log").string();
    ASSERT_EQ(
        std::system(
            fmt::format("make -n -C '{}' PEANO_INSTALL_DIR=/p MLIR_AIE_INSTALL_DIR=/m >'{}' 2>&1", dir, log).c_str()),
        0)
        << shorthand::testing::contents(log);
    const std::string log_text = shorthand::testing::contents(log);
    std::set<std::string> objects;
    const std::regex link(R"~(link_with = "([^"]*)")~");
    for (std::sregex_iterator i(text.begin(), text.end(), link), end; i != end; ++i) objects.insert((*i)[1]);
    EXPECT_EQ(count(log_text, "/aie2.cc -o "), objects.size());
    for (const std::string& o : objects) EXPECT_EQ(count(log_text, "/aie2.cc -o " + o), 1u) << o;
    EXPECT_EQ(count(log_text, "--npu-insts-name=insts.bin " + design.name + ".mlir"), 1u);
    EXPECT_EQ(count(log_text, "cp " + design.name + ".txt artefacts.txt"), 1u);
  }
}

// What the cores call is what src/npu/kernels binds, which tools/check_aie_kernels holds to the sources.
TEST(BuildSteps, EveryKernelOfADesignHasASource) {
  DesignRequest request;
  request.model.layers = 1;
  for (const DesignEntry& e : design_entries()) {
    const Design design = e.build(kNpu1, request)->design;
    for (const KernelType& k : design.kernels) {
      const KernelType* known = find_aie_kernel(k.name);
      ASSERT_NE(known, nullptr) << e.name << ": " << k.name;
      EXPECT_EQ(known->object, k.object) << k.name;
    }
  }
}

}  // namespace
}  // namespace shorthand::npu
