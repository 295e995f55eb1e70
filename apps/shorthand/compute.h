// SPDX-License-Identifier: Apache-2.0
// The options that say which model runs on what, and what they stand for once they are resolved.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "engine/backend.h"
#include "kernels/kernels.h"
#include "model/choice.h"
#include "model/model.h"

namespace shorthand::cli {

struct ComputeOptions {
  std::string model;  // file, directory or name; empty = as model/choice.h says
  std::string device = "cpu";
  std::string compute_type = "auto";
  std::string isa;  // empty = the best
  int threads = 0;  // 0 = physical cores
};

void add_compute_options(CLI::App& command, ComputeOptions& options);

// Which model runs, and on whose word.
struct ChosenModel {
  std::string name;                           // as it was named, or as the choice names it
  std::optional<std::filesystem::path> path;  // none: the model in the program
  std::string_view chosen_by;                 // "option", "environment", "default", "best installed", ...
  std::string why;                            // a sentence for standard error; empty where an option said it
};

// The model of -m, else of $SHORTHAND_MODEL, else the choice of model/choice.h. Errors: no such model, or those of the
// choice.
Result<ChosenModel> find_model(const std::string& option, const Wanted& wanted);

// A model by path or name, the built-in one included.
Result<std::shared_ptr<const Model>> open_model(const std::optional<std::filesystem::path>& path, ComputeType type,
                                                ThreadPool& pool, EncoderRows rows = EncoderRows::mixed);

// A model ready to run, and what it runs on. Kept in one place: contexts point into it.
struct Compute {
  Kernels kernels;
  ThreadPool pool;
  ChosenModel chosen;
  std::shared_ptr<const Model> model;
  std::string
      array;  // what the encoder runs on: a simulated one, "npu1" or "npu2", or "npu", this machine's; empty = the CPU
  double load_ms = 0;

  Compute(Kernels k, int threads) : kernels(k), pool(threads) {}
  Context context() { return {&kernels, &pool}; }
  bool builtin() const { return !chosen.path; }
  bool simulated() const { return !array.empty() && array != "npu"; }
  // Errors: a model that the array cannot hold; artefacts that are missing or are not this model's.
  Result<std::unique_ptr<Backend>> backend() {
    if (array.empty()) return make_cpu_backend(model->weights(), context());
    return simulated() ? make_npu_sim_backend(model->weights(), array) : make_npu_backend(model->weights());
  }
};

// `spoken`: what is known of the language, for the choice of a model where none is named. Errors: an unknown or missing
// device, instruction set or model; a model that cannot be read.
Result<std::unique_ptr<Compute>> open_compute(const ComputeOptions& options,
                                              Wanted::Language spoken = Wanted::Language::unknown);

}  // namespace shorthand::cli
