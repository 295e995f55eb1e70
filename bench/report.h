// SPDX-License-Identifier: Apache-2.0
// What a run of the suite found out, and how it is written down.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace shorthand::bench {

using Json = nlohmann::ordered_json;

// For people; the numbers behind it are in PhaseReport::data.
struct Table {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  int plotted = -1;  // the column that the page draws as bars
  std::string note;
};

struct PhaseReport {
  std::string name;
  bool ran = false;
  std::vector<std::string> failures;  // of checks; one is enough to fail the phase
  std::vector<Table> tables;
  Json data = Json::array();  // one object a measurement, raw samples included
  double seconds = 0;

  bool ok() const { return ran && failures.empty(); }
  const char* verdict() const { return !ran ? "FAILED: did not run" : failures.empty() ? "ok" : "FAILED"; }
};

struct Report {
  Json machine;                     // CPU, instruction set, threads, governor, load, commit
  std::vector<std::string> asked;   // phases that should have run
  std::vector<PhaseReport> phases;  // in their order
  Table target;                     // progress to 220x realtime, from measured values only

  bool ok() const;
};

std::string as_markdown(const Report& report);
Json as_json(const Report& report);
std::string as_html(const Report& report);  // one page that needs nothing else

// LATEST.md, LATEST.json and LATEST.html in `folder`, which is made. Error: it cannot be written.
Result<void> write_report(const Report& report, const std::filesystem::path& folder);

}  // namespace shorthand::bench
