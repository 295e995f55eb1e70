// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"

namespace shorthand::bench {
namespace {

using Phase = PhaseReport (*)(Bench&);
constexpr std::pair<std::string_view, Phase> kRunners[] = {
    {"kernels", run_kernels}, {"pipeline", run_pipeline}, {"accuracy", run_accuracy}, {"comparison", run_comparison}};

// 220x realtime, sound to text: what the project inherited as its aim. Only whole runs count.
Table target_of(const std::vector<PhaseReport>& phases) {
  Table table{"On the way to 220x realtime, sound to text", {"whole run", "realtime", "of 220x"}, {}, -1, ""};
  for (const PhaseReport& phase : phases) {
    if (phase.name != "pipeline") continue;
    for (const Json& row : phase.data) {
      const double factor = row["realtime_factor"].get<double>();
      table.rows.push_back({fmt::format("{} {:.0f} s, batch {}", row["model"].get<std::string>(),
                                        row["audio_s"].get<double>(), row["batch"].get<int>()),
                            fmt::format("{:.1f}x", factor), fmt::format("{:.0f} %", 100 * factor / 220)});
    }
  }
  return table;
}

}  // namespace

Report run_suite(const SuiteOptions& options, Json machine) {
  Bench bench{options, {}};
  Report report;
  report.machine = std::move(machine);
  report.asked = options.phases;
  for (const auto& [name, run] : kRunners) {
    if (std::ranges::find(options.phases, name) == options.phases.end()) continue;
    const Stopwatch watch;
    report.phases.push_back(run(bench));
    report.phases.back().seconds = watch.elapsed_ms() / 1000;
  }
  report.target = target_of(report.phases);
  return report;
}

}  // namespace shorthand::bench
