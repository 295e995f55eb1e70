// SPDX-License-Identifier: Apache-2.0
// Phase 1: every family, variant and shape on one core; nothing is timed before it has been compared with scalar.
#include <fmt/format.h>

#include "base/clock.h"
#include "kernel_cases.h"
#include "samples.h"
#include "suite.h"

namespace shorthand::bench {
namespace {

std::vector<Isa> rungs_to_run(const Bench& bench, const Shape& shape) {
  std::vector<Isa> rungs;
  for (const Isa isa : rungs_of(shape.family)) {
    if (isa <= bench.options.isa) rungs.push_back(isa);
  }
  // The meaning is not a contestant at full size, and in a hurry only the best is.
  if (rungs.size() > 1 && (bench.options.quick || shape.sizes[0] > 100)) std::erase(rungs, Isa::scalar);
  if (bench.options.quick && rungs.size() > 1) rungs.erase(rungs.begin(), rungs.end() - 1);
  return rungs;
}

void run_shape(Bench& bench, const Shape& shape, Isa isa, Table& table, PhaseReport& report) {
  const KernelCase kernel = make_case(shape, isa);
  const std::string name = fmt::format("{} {}", shape.text(), isa_name(isa));
  bench.say(name);
  const bool right = isa == Isa::scalar || kernel.verify();
  if (!right) report.failures.push_back(fmt::format("{} differs from scalar", name));
  const Samples t = measure(kernel.run, {.budget_ms = bench.options.quick ? 60.0 : 200.0});
  const double seconds = t.median() / 1000;
  const double roof = kernel.floats ? bench.roofs.float_macs(isa) : bench.roofs.int8_macs(isa);
  const double memory_roof = shape.streamed ? bench.roofs.read_bytes(kStreamedBytes) : 0;
  Json row{{"family", shape.family}, {"what", shape.what}, {"sizes", shape.sizes}, {"isa", isa_name(isa)},
           {"verified", right},      {"ms", t.ms},         {"macs", kernel.macs},  {"bytes", kernel.bytes}};
  std::string rate, share;
  double best_share = 0;
  if (kernel.macs > 0) {
    rate = fmt::format("{:.1f} GOP/s", 2e-9 * kernel.macs / seconds);
    if (roof > 0) best_share = kernel.macs / seconds / roof;
  }
  if (kernel.bytes > 0) {
    if (!rate.empty()) rate += ", ";
    rate += fmt::format("{:.1f} GB/s", 1e-9 * kernel.bytes / seconds);
    if (memory_roof > 0) best_share = std::max(best_share, kernel.bytes / seconds / memory_roof);
  }
  if (best_share > 0) {
    share = fmt::format("{:.0f} %", 100 * best_share);
    row["share_of_roof"] = best_share;
  }
  table.rows.push_back({shape.text(), std::string(isa_name(isa)),
                        right ? kernel.exact ? "same bits" : "close" : "WRONG",
                        fmt::format("{:.4g}", 1000 * t.median()), fmt::format("{:.4g}", 1000 * t.p95()),
                        fmt::format("{:.0f} %", 100 * t.spread()), rate, share});
  report.data.push_back(std::move(row));
}

Table roofs_table(Bench& bench) {
  Table t{"Roofs of this machine, measured in this run",
          {"what", "1 thread", fmt::format("{} threads", bench.options.threads)},
          {},
          -1,
          ""};
  for (const Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512vnni, Isa::amx}) {
    if (!isa_supported(isa) || isa > bench.options.isa) continue;
    t.rows.push_back({fmt::format("int8, {}", isa_name(isa)),
                      fmt::format("{:.0f} GOP/s", 2e-9 * bench.roofs.int8_macs(isa)),
                      fmt::format("{:.0f} GOP/s", 2e-9 * bench.roofs.int8_macs(isa, bench.options.threads))});
  }
  t.rows.push_back(
      {"float32", fmt::format("{:.0f} GFLOP/s", 2e-9 * bench.roofs.float_macs(bench.options.isa)),
       fmt::format("{:.0f} GFLOP/s", 2e-9 * bench.roofs.float_macs(bench.options.isa, bench.options.threads))});
  for (const size_t bytes : {size_t{256} << 10, size_t{8} << 20, kNearBytes, kStreamedBytes}) {
    t.rows.push_back({fmt::format("read {:.0f} KiB", static_cast<double>(bytes) / 1024),
                      fmt::format("{:.1f} GB/s", 1e-9 * bench.roofs.read_bytes(bytes)),
                      fmt::format("{:.1f} GB/s", 1e-9 * bench.roofs.read_bytes(bytes, bench.options.threads))});
  }
  return t;
}

}  // namespace

PhaseReport run_kernels(Bench& bench) {
  PhaseReport report;
  report.name = "kernels";
  bench.say("roofs");
  report.tables.push_back(roofs_table(bench));
  for (const std::string& name : {bench.options.model, std::string("report")}) {
    const auto shapes = shapes_of(name);
    if (!shapes.ok()) {
      report.failures.push_back(shapes.error().message);
      continue;
    }
    Table table{
        name == "report" ? "The original report's cases, one core" : fmt::format("Kernels of {}, one core", name),
        {"shape", "rung", "against scalar", "median, us", "p95, us", "spread", "rate", "share of its roof"},
        {},
        7,
        name == "report" ? "Single tiles: none of these says how fast a recording is transcribed." : ""};
    for (const Shape& shape : *shapes) {
      for (const Isa isa : rungs_to_run(bench, shape)) run_shape(bench, shape, isa, table, report);
    }
    report.tables.push_back(std::move(table));
  }
  report.ran = true;
  return report;
}

}  // namespace shorthand::bench
