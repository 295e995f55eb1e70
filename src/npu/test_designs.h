// SPDX-License-Identifier: Apache-2.0
// Small designs and kernels that several tests share. The kernels are plain C++ with costs chosen for easy sums.
#pragma once

#include <gtest/gtest.h>

#include <cstring>

#include "base/philox.h"
#include "npu/builder.h"
#include "npu/sim/simulate.h"

namespace shorthand::npu {

// in, out, bytes: copies. 100 cycles.
inline KernelType copy_kernel(int stack_bytes = 256) {
  return {
      "copy",
      "test.o",
      {[](const KernelCall& c) { std::memcpy(c.buffers[1], c.buffers[0], static_cast<size_t>(c.numbers[0])); }, 2, 1},
      [](Generation, std::span<const int32_t>) -> int64_t { return 100; },
      stack_bytes,
      0,
      0};
}

inline std::vector<std::byte> random_bytes(size_t n, uint32_t seed) {
  std::vector<std::byte> out(n);
  for (size_t i = 0; i < n; ++i) {
    out[i] = std::byte(philox({static_cast<uint32_t>(i), 0, 0, 0}, {seed, 7})[0] & 0xFF);
  }
  return out;
}

// Host -> worker -> host through one FIFO each way; each object copied.
struct Copy {
  int objects = 8, elements = 256, depth = 2;
  bool through_relays = true;
  KernelType kernel = copy_kernel();

  Result<Design> build() const {
    Builder b("copy");
    const int k = b.kernel(kernel);
    const int in = b.fifo({.name = "in",
                           .element_bytes = 4,
                           .elements = elements,
                           .producer = {},
                           .consumers = {},
                           .depth = depth,
                           .to_stream = {},
                           .from_stream = {}});
    const int out = b.fifo({.name = "out",
                            .element_bytes = 4,
                            .elements = elements,
                            .producer = {},
                            .consumers = {},
                            .depth = depth,
                            .to_stream = {},
                            .from_stream = {}});
    const int w = b.worker("copier");
    int first = in, last = out;
    if (through_relays) {
      first = b.fifo({.name = "in_core",
                      .element_bytes = 4,
                      .elements = elements,
                      .producer = {},
                      .consumers = {},
                      .depth = depth,
                      .to_stream = {},
                      .from_stream = {}});
      last = b.fifo({.name = "out_core",
                     .element_bytes = 4,
                     .elements = elements,
                     .producer = {},
                     .consumers = {},
                     .depth = depth,
                     .to_stream = {},
                     .from_stream = {}});
      b.forward(in, first);
      b.forward(last, out);
    }
    b.from_host(in).to_host(out).to_worker(first, w).from_worker(last, w);
    b.program(w, Program()
                     .acquire(first)
                     .acquire(last)
                     .call(k, {object(first), object(last)}, {literal(elements * 4)})
                     .release(first)
                     .release(last));
    const int64_t n = int64_t{objects} * elements;
    const int x = b.host("x", n * 4), y = b.host("y", n * 4);
    const int done = b.drain(out, y, {{n, 1}});
    b.fill(in, x, {{n, 1}});
    b.await(done);
    return b.finish();
  }
};

inline SimReport run(const Design& design, const Device& device, const SimOptions& options,
                     std::vector<std::vector<std::byte>>& host) {
  std::vector<std::span<std::byte>> spans(host.begin(), host.end());
  Result<SimReport> report = simulate(design, device, options, spans);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  return report.ok() ? *report : SimReport{};
}

}  // namespace shorthand::npu
