// SPDX-License-Identifier: Apache-2.0
// The options that say which model runs on what, and what they stand for once they are resolved.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/thread_pool.h"
#include "engine/backend.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace shorthand::cli {

struct ComputeOptions {
  std::string model;  // file, directory or installed name; empty = the built-in model
  std::string device = "cpu";
  std::string compute_type = "auto";
  std::string isa;  // empty = the best
  int threads = 0;  // 0 = physical cores
};

void add_compute_options(CLI::App& command, ComputeOptions& options);

// A model ready to run, and what it runs on. Kept in one place: contexts point into it.
struct Compute {
  Kernels kernels;
  ThreadPool pool;
  std::shared_ptr<const Model> model;
  bool builtin = false;
  std::string
      array;  // what the encoder runs on: a simulated one, "npu1" or "npu2", or "npu", this machine's; empty = the CPU
  double load_ms = 0;

  Compute(Kernels k, int threads) : kernels(k), pool(threads) {}
  Context context() { return {&kernels, &pool}; }
  bool simulated() const { return !array.empty() && array != "npu"; }
  // Errors: a model that the array cannot hold; artefacts that are missing or are not this model's.
  Result<std::unique_ptr<Backend>> backend() {
    if (array.empty()) return make_cpu_backend(model->weights(), context());
    return simulated() ? make_npu_sim_backend(model->weights(), array) : make_npu_backend(model->weights());
  }
};

// Errors: an unknown or missing device, instruction set or model; a model that cannot be read.
Result<std::unique_ptr<Compute>> open_compute(const ComputeOptions& options);

}  // namespace shorthand::cli
