// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "npu/check.h"
#include "npu/sim/machine.h"

namespace shorthand::npu {
namespace {

constexpr std::array<std::string_view, kSpentKinds> kSpentNames = {"working", "overhead", "input",   "output", "lock",
                                                                   "banks",   "ddr",      "barrier", "idle"};

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string_view to_string(Spent spent) { return kSpentNames[static_cast<size_t>(spent)]; }

std::array<Cycle, kSpentKinds> SimReport::core_cycles() const {
  std::array<Cycle, kSpentKinds> sums = {};
  for (const UnitReport& u : units) {
    for (size_t i = 0; u.core && i < sums.size(); ++i) sums[i] += u.spent[i];
  }
  return sums;
}

double SimReport::utilisation() const {
  const Cycle cores = std::count_if(units.begin(), units.end(), [](const UnitReport& u) { return u.core; });
  const Cycle working = core_cycles()[static_cast<size_t>(Spent::working)];
  return cores * cycles == 0 ? 0 : static_cast<double>(working) / static_cast<double>(cores * cycles);
}

std::string constants_line(const SimReport& report, const Device& device) {
  const std::string ddr = device.ddr_shared
                              ? fmt::format("{:g} GB/s both ways", device.ddr_read_gbps)
                              : fmt::format("{:g}+{:g} GB/s", device.ddr_read_gbps, device.ddr_write_gbps);
  return fmt::format("simulated ({}, {:.2f} GHz, DDR {}, launch {:g} us)", report.device, report.clock_ghz, ddr,
                     report.launch_us);
}

std::string to_text(const SimReport& report, const Device& device, bool units) {
  const std::string head = constants_line(report, device);
  std::string out = fmt::format("{}: {}: {} cycles, {:.1f} us on the array, {:.1f} us with the launch\n", head,
                                report.design, report.cycles, report.array_us(), report.total_us());
  out += fmt::format("{}: {} bytes read, {} bytes written\n", head, report.bytes_read, report.bytes_written);
  const std::array<Cycle, kSpentKinds> spent = report.core_cycles();
  const Cycle all = std::max<Cycle>(1, std::accumulate(spent.begin(), spent.end(), Cycle{0}));
  out += fmt::format("{}: of the cores' cycles", head);
  const char* between = " ";
  for (size_t i = 0; i < spent.size(); ++i) {
    if (spent[i] == 0) continue;
    out += fmt::format("{}{} {:.1f} %", std::exchange(between, ", "), kSpentNames[i],
                       100 * static_cast<double>(spent[i]) / static_cast<double>(all));
  }
  out += '\n';
  for (const UnitReport& u : report.units) {
    if (!units) break;
    out += fmt::format("{}: {}:", head, u.name);
    for (int i = 0; i < kSpentKinds; ++i) {
      if (u.spent[static_cast<size_t>(i)] != 0)
        out += fmt::format(" {} {}", kSpentNames[static_cast<size_t>(i)], u.spent[static_cast<size_t>(i)]);
    }
    out += u.core ? fmt::format(", {} calls\n", u.calls) : fmt::format(", {} words\n", u.words);
  }
  return out;
}

std::string trace_json(const SimReport& report, const Device& device) {
  std::string out =
      fmt::format("{{\"otherData\":{{\"what\":\"{}\"}},\"traceEvents\":[", escaped(constants_line(report, device)));
  for (size_t i = 0; i < report.units.size(); ++i) {
    const UnitReport& u = report.units[i];
    const int process = u.tile.column * 16 + u.tile.row + 1;
    out += fmt::format(
        "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{},\"args\":{{\"name\":\"simulated tile {}\"}}}},", process,
        to_string(u.tile));
    out +=
        fmt::format("{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":\"{}\"}}}},\n",
                    process, i, escaped(u.name));
  }
  for (const SimReport::Slice& s : report.slices) {
    const UnitReport& u = report.units[static_cast<size_t>(s.unit)];
    out += fmt::format("{{\"ph\":\"X\",\"name\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{}}},\n",
                       escaped(s.name), u.tile.column * 16 + u.tile.row + 1, s.unit, s.start, s.end - s.start);
  }
  out += fmt::format("{{\"ph\":\"M\",\"name\":\"end\",\"pid\":0,\"args\":{{\"cycles\":{}}}}}]}}\n", report.cycles);
  return out;
}

Result<SimReport> simulate(const Design& design, const Device& device, const SimOptions& options,
                           std::span<const std::span<std::byte>> host) {
  Placement placement = SHORTHAND_TRY(check(design, device));
  if (!options.timing_only) {
    if (host.size() != design.host.size()) {
      return usage_error(
          fmt::format("{}: {} host buffers given, {} wanted", design.name, host.size(), design.host.size()));
    }
    for (size_t i = 0; i < host.size(); ++i) {
      if (host[i].size() >= static_cast<size_t>(design.host[i].bytes)) continue;
      return usage_error(fmt::format("{}: host buffer {} has {} bytes, {} wanted", design.name, design.host[i].name,
                                     host[i].size(), design.host[i].bytes));
    }
  }
  return Machine(design, device, options, std::move(placement), host).run();
}

}  // namespace shorthand::npu
