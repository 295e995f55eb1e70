// SPDX-License-Identifier: Apache-2.0
// The five phases: kernels, pipeline, accuracy, comparison, report. A phase returns what it measured; whatever keeps it
// from measuring is a failure in its report, never a number.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "report.h"
#include "roofs.h"

namespace shorthand::bench {

// An engine to compare with: NAME=COMMAND. "whisper-cli" takes the path of whisper.cpp's program; any other name a
// command line in which {audio} {model} {threads} {tokens} {batch} are replaced.
struct Peer {
  std::string name, command;
};

struct SuiteOptions {
  std::vector<std::string> phases;  // of kPhases
  bool quick = false;
  std::string model = "base";  // a size with random weights
  int threads = 0;             // 0 = physical cores
  Isa isa = Isa::scalar;       // the highest to use
  std::vector<Peer> peers;
  std::string program;                        // this program, which the phases start
  std::filesystem::path data;                 // tests/data: recordings with their texts, golden tensors
  std::filesystem::path weights, recordings;  // for accuracy: a model, and a folder with index.tsv; or empty
  std::filesystem::path work;                 // where models and recordings are made; emptied by its owner
  std::function<void(std::string)> progress;  // what is being done; may be empty
};

inline constexpr std::string_view kPhases[] = {"kernels", "pipeline", "accuracy", "comparison"};

// What the phases share and measure once.
struct Bench {
  const SuiteOptions& options;
  Roofs roofs;

  void say(std::string what) const {
    if (options.progress) options.progress(std::move(what));
  }
};

PhaseReport run_kernels(Bench& bench);
PhaseReport run_pipeline(Bench& bench);
PhaseReport run_accuracy(Bench& bench);
PhaseReport run_comparison(Bench& bench);

// A part of the accuracy phase: nothing without options.weights.
Result<void> compare_on_recordings(Bench& bench, PhaseReport& report);

// All that `options` asks for.
Report run_suite(const SuiteOptions& options, Json machine);

}  // namespace shorthand::bench
