// SPDX-License-Identifier: Apache-2.0
// shorthand bench: five phases, one report (bench/).
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "../../bench/suite.h"
#include "base/cpu.h"
#include "cli.h"
#include "terminal.h"
#include "version.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  bool quick = false;
  std::vector<std::string> phases, peers;
  std::string model = "base", isa, output_dir = "bench-results", data = SHORTHAND_DATA_DIR, work, weights, recordings;
  int threads = 0;
};

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line.empty() ? "not told" : line;
}

bench::Json machine_facts(const bench::SuiteOptions& o) {
  return {{"cpu", cpu_model_name()},
          {"isa", isa_name(o.isa)},
          {"threads", o.threads},
          {"governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
          {"load at the start", first_line("/proc/loadavg")},
          {"date", fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
          {"version", SHORTHAND_VERSION},
          {"commit", SHORTHAND_COMMIT},
          {"compiler", SHORTHAND_COMPILER}};
}

Result<std::vector<std::string>> phases_of(const Arguments& a) {
  std::vector<std::string> phases;
  for (const std::string& given : a.phases) {
    for (const std::string& name : split_commas(given)) {
      if (name == "report") continue;  // always written
      if (std::ranges::find(bench::kPhases, name) == std::end(bench::kPhases))
        return usage_error(fmt::format("--phase: '{}' is none of {}, report", name, fmt::join(bench::kPhases, ", ")));
      phases.push_back(name);
    }
  }
  if (a.phases.empty()) phases.assign(std::begin(bench::kPhases), std::end(bench::kPhases));
  return phases;
}

// A folder of our own, gone when this is.
class WorkFolder {
 public:
  static Result<WorkFolder> make(const std::string& under) {
    std::string pattern =
        (fs::path(under.empty() ? fs::temp_directory_path() : fs::path(under)) / "shorthand-bench-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      return io_error(fmt::format("{}: cannot make a folder: {}", pattern, std::strerror(errno)));
    return WorkFolder(pattern);
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~WorkFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit WorkFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

Result<bool> run_bench(const Arguments& a) {
  bench::SuiteOptions o;
  o.phases = SHORTHAND_TRY(phases_of(a));
  o.quick = a.quick;
  o.model = a.model;
  o.threads = a.threads > 0 ? a.threads : physical_cores();
  o.isa = a.isa.empty() ? best_isa() : SHORTHAND_TRY(parse_isa(a.isa));
  if (!isa_supported(o.isa)) return unsupported(fmt::format("--isa {}: this machine cannot run it", a.isa));
  for (const std::string& peer : a.peers) {
    const size_t equals = peer.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == peer.size())
      return usage_error(fmt::format("--peer: '{}' is not NAME=COMMAND", peer));
    o.peers.push_back({peer.substr(0, equals), peer.substr(equals + 1)});
  }
  o.program = fs::read_symlink("/proc/self/exe").string();
  o.data = a.data;
  o.weights = a.weights;
  o.recordings = a.recordings;
  const WorkFolder work = SHORTHAND_TRY(WorkFolder::make(a.work));
  o.work = work.path();
  const bool on_terminal = isatty(STDERR_FILENO);
  if (on_terminal) {
    o.progress = [](const std::string& what) {
      fmt::print(stderr, "\r\x1b[K{}", what.substr(0, 100)), std::fflush(stderr);
    };
  }
  const bench::Report report = bench::run_suite(o, machine_facts(o));
  if (on_terminal) fmt::print(stderr, "\r\x1b[K");
  SHORTHAND_TRY(bench::write_report(report, a.output_dir));
  fmt::print("{}", bench::as_markdown(report));
  fmt::print(stderr, "shorthand: written to {0}/LATEST.md, .json and .html\n", a.output_dir);
  return report.ok();
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "bench",
      "Measure this machine: kernels, whole runs, accuracy, comparisons, and a report of them\n\nExamples:\n"
      "  shorthand bench --quick                                        two minutes\n"
      "  shorthand bench --phase pipeline --model small\n"
      "  shorthand bench --peer whisper-cli=/opt/whisper.cpp/whisper-cli    beside another engine\n");
  auto a = std::make_shared<Arguments>();
  command->add_flag("--quick", a->quick, "Fewer cases and runs");
  command->add_option("--phase", a->phases, "Comma list of kernels, pipeline, accuracy, comparison [all]")
      ->type_name("PHASE,...");
  command
      ->add_option("-m,--model", a->model,
                   "Size: tiny, base, small, medium, large-v3, large-v3-turbo; weights are random")
      ->capture_default_str();
  command
      ->add_option("--peer", a->peers,
                   "whisper-cli=PATH, or NAME=COMMAND with {audio} {model} {model_q8_0} {threads} {batch} {tokens}")
      ->type_name("NAME=COMMAND");
  command->add_option("-o,--output-dir", a->output_dir, "Folder of LATEST.md, LATEST.json, LATEST.html")
      ->capture_default_str();
  command->add_option("-t,--threads", a->threads, "Threads [physical cores]")
      ->envname("SHORTHAND_THREADS")
      ->check(CLI::Range(1, 1024));
  command->add_option("--isa", a->isa, "Highest instruction set to use [the best]")->envname("SHORTHAND_ISA");
  command->add_option("--data", a->data, "Folder with recordings and golden tensors: the repository's tests/data")
      ->capture_default_str();
  auto* weights =
      command->add_option("--weights", a->weights, "A model to measure in phase accuracy, in int8 beside float32");
  auto* recordings = command->add_option(
      "--recordings", a->recordings, "... on the recordings of this folder, listed with their languages in index.tsv");
  weights->needs(recordings);
  recordings->needs(weights);
  command->add_option("--work-dir", a->work,
                      "Where models are made meanwhile; large ones take gigabytes [the temporary folder]");
  command->callback([a, &status] {
    const Result<bool> done = run_bench(*a);
    if (done.ok()) {
      status = *done ? kDone : kFailed;
      return;
    }
    complain(done.error());
    status = status_of(done.error());
  });
}

}  // namespace shorthand::cli
