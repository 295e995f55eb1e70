// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/embedded.h"
#include "base/file.h"

SHORTHAND_EMBEDDED(report_html);

namespace shorthand::bench {
namespace {

std::string in_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string in_markdown(std::string text) {
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.replace(at, 1, "\\|");
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string machine_line(const Json& machine) {
  std::string line;
  for (const auto& [key, value] : machine.items())
    line += fmt::format("{}{}: {}", line.empty() ? "" : "; ", key,
                        value.is_string() ? value.get<std::string>() : value.dump());
  return line;
}

// What stands at the top: every phase that was asked for, and how it went.
std::vector<std::pair<std::string, std::string>> verdicts(const Report& report) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& name : report.asked) {
    const auto phase = std::ranges::find(report.phases, name, &PhaseReport::name);
    if (phase == report.phases.end()) {
      all.emplace_back(name, "FAILED: did not run");
    } else {
      all.emplace_back(name, phase->ok() ? fmt::format("ok ({:.0f} s)", phase->seconds)
                                         : fmt::format("{} ({} failures)", phase->verdict(), phase->failures.size()));
    }
  }
  return all;
}

std::string table_in_markdown(const Table& table) {
  std::string out = fmt::format("### {}\n\n|", table.title);
  for (const std::string& column : table.columns) out += fmt::format(" {} |", in_markdown(column));
  out += "\n|";
  for (size_t i = 0; i < table.columns.size(); ++i) out += "---|";
  out += "\n";
  for (const auto& row : table.rows) {
    out += "|";
    for (const std::string& cell : row) out += fmt::format(" {} |", in_markdown(cell));
    out += "\n";
  }
  if (!table.note.empty()) out += fmt::format("\n{}\n", table.note);
  return out + "\n";
}

std::string table_in_html(const Table& table) {
  std::string out = fmt::format("<h3>{}</h3>\n<div class=scroll><table><tr>", in_html(table.title));
  for (const std::string& column : table.columns) out += fmt::format("<th>{}</th>", in_html(column));
  const bool plotted = table.plotted >= 0;
  out += plotted ? "<th></th></tr>\n" : "</tr>\n";
  double largest = 0;
  const auto number = [&](const std::vector<std::string>& row) {
    return std::strtod(row[static_cast<size_t>(table.plotted)].c_str(), nullptr);
  };
  if (plotted) {
    for (const auto& row : table.rows) largest = std::max(largest, number(row));
  }
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (const std::string& cell : row)
      out += fmt::format("<td{}>{}</td>", cell == "FAILED" || cell == "WRONG" ? " class=failed" : "", in_html(cell));
    if (plotted && largest > 0)
      out += fmt::format("<td class=bar><div style=\"width:{:.1f}%\"></div></td>", 100 * number(row) / largest);
    out += "</tr>\n";
  }
  out += "</table></div>\n";
  if (!table.note.empty()) out += fmt::format("<p class=note>{}</p>\n", in_html(table.note));
  return out;
}

}  // namespace

bool Report::ok() const {
  return std::ranges::all_of(asked, [&](const std::string& name) {
    const auto phase = std::ranges::find(phases, name, &PhaseReport::name);
    return phase != phases.end() && phase->ok();
  });
}

std::string as_markdown(const Report& report) {
  std::string out = fmt::format("# Shorthand benchmark: {}\n\n", report.ok() ? "ok" : "FAILED");
  for (const auto& [name, verdict] : verdicts(report)) out += fmt::format("- {}: {}\n", name, verdict);
  for (const PhaseReport& phase : report.phases) {
    for (const std::string& failure : phase.failures)
      out += fmt::format("  - FAILED, {}: {}\n", phase.name, in_markdown(failure));
  }
  out += fmt::format("\n{}\n\n", machine_line(report.machine));
  if (!report.target.rows.empty()) out += table_in_markdown(report.target);
  for (const PhaseReport& phase : report.phases) {
    out += fmt::format("## {}: {}\n\n", phase.name, phase.verdict());
    for (const Table& table : phase.tables) out += table_in_markdown(table);
  }
  return out;
}

Json as_json(const Report& report) {
  Json out{{"ok", report.ok()}, {"machine", report.machine}, {"phases", Json::object()}};
  for (const std::string& name : report.asked) out["phases"][name] = {{"ran", false}, {"ok", false}};
  for (const PhaseReport& phase : report.phases) {
    out["phases"][phase.name] = {{"ran", phase.ran},
                                 {"ok", phase.ok()},
                                 {"seconds", phase.seconds},
                                 {"failures", phase.failures},
                                 {"measurements", phase.data}};
  }
  return out;
}

std::string as_html(const Report& report) {
  std::string body =
      fmt::format("<h1>Shorthand benchmark</h1>\n<p class={0}>{1}</p>\n<ul>", report.ok() ? "ok" : "failed",
                  report.ok() ? "Every phase ran and passed its checks." : "FAILED: see below.");
  for (const auto& [name, verdict] : verdicts(report))
    body += fmt::format("<li>{}: <span class={}>{}</span></li>\n", in_html(name),
                        verdict.starts_with("ok") ? "ok" : "failed", in_html(verdict));
  for (const PhaseReport& phase : report.phases) {
    for (const std::string& failure : phase.failures)
      body += fmt::format("<li class=failed>{}: {}</li>\n", in_html(phase.name), in_html(failure));
  }
  body += fmt::format("</ul>\n<p class=note>{}</p>\n", in_html(machine_line(report.machine)));
  if (!report.target.rows.empty()) body += table_in_html(report.target);
  for (const PhaseReport& phase : report.phases) {
    body += fmt::format("<h2>{}</h2>\n", in_html(phase.name));
    for (const Table& table : phase.tables) body += table_in_html(table);
  }
  std::string page(embedded_report_html());
  constexpr std::string_view kHole = "{{body}}";
  page.replace(page.find(kHole), kHole.size(), body);
  return page;
}

Result<void> write_report(const Report& report, const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return io_error(fmt::format("{}: cannot make this folder: {}", folder.string(), failure.message()));
  SHORTHAND_TRY(write_file(folder / "LATEST.md", as_markdown(report)));
  SHORTHAND_TRY(
      write_file(folder / "LATEST.json", as_json(report).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return write_file(folder / "LATEST.html", as_html(report));
}

}  // namespace shorthand::bench
