// SPDX-License-Identifier: Apache-2.0
#include "compute.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/clock.h"
#include "engine/builtin.h"
#include "model/store.h"

namespace shorthand::cli {
namespace {

Result<Isa> resolve_isa(const std::string& name) {
  if (name.empty()) return best_isa();
  const Isa isa = SHORTHAND_TRY(parse_isa(name));
  if (!isa_supported(isa)) {
    return unsupported(
        fmt::format("--isa {}: this machine cannot run it; its highest is {} (`shorthand devices` shows all)", name,
                    isa_name(best_isa())));
  }
  return isa;
}

// Compute::array of `device`: empty for the CPU, which is what "auto" chooses until a device has been proven.
Result<std::string> resolve_device(const std::string& device) {
  if (device == "cpu" || device == "auto") return std::string();
  if (device == "npu-sim" || device == "npu-sim:npu1") return std::string("npu1");
  if (device == "npu-sim:npu2") return std::string("npu2");
  if (device == "npu") {
    const NpuPresence npu = look_for_npu();
    if (npu.usable) return std::string("npu");
    return unsupported(
        fmt::format("--device npu: {}. `shorthand devices` shows what this machine has; --device cpu runs now, npu-sim "
                    "simulates one",
                    npu.what));
  }
  return usage_error(
      fmt::format("unknown device '{}'; give auto, cpu, npu, npu-sim, npu-sim:npu1 or npu-sim:npu2", device));
}

}  // namespace

void add_compute_options(CLI::App& command, ComputeOptions& o) {
  command
      .add_option("-m,--model", o.model,
                  "Model: a file, a directory, or the name of an installed one [the built-in model]")
      ->envname("SHORTHAND_MODEL")
      ->type_name("MODEL");
  command
      .add_option(
          "--device", o.device,
          "auto, cpu, npu-sim[:npu1|:npu2], or npu, which wants what `shorthand npu build encoder` and make left in "
          "$SHORTHAND_NPU_DIR or in $XDG_DATA_HOME/shorthand/npu/encoder-LAYERSxWIDTH-MELS")
      ->capture_default_str()
      ->type_name("DEVICE");
  command.add_option("--compute-type", o.compute_type, "auto (int8), int8, float32")
      ->capture_default_str()
      ->type_name("TYPE");
  command
      .add_option("--isa", o.isa, "Highest instruction set to use: scalar, avx2, avxvnni, avx512vnni, amx [the best]")
      ->envname("SHORTHAND_ISA")
      ->type_name("ISA");
  command.add_option("-t,--threads", o.threads, "Threads [physical cores]")
      ->envname("SHORTHAND_THREADS")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

Result<std::unique_ptr<Compute>> open_compute(const ComputeOptions& options) {
  const std::string array = SHORTHAND_TRY(resolve_device(options.device));
  const Isa isa = SHORTHAND_TRY(resolve_isa(options.isa));
  const ComputeType type = SHORTHAND_TRY(parse_compute_type(options.compute_type));
  auto compute =
      std::make_unique<Compute>(choose_kernels(isa), options.threads > 0 ? options.threads : physical_cores());

  compute->array = array;
  const Stopwatch loading;
  compute->builtin =
      options.model.empty() || (options.model == kBuiltinName && !std::filesystem::exists(options.model));
  if (compute->builtin) {
    compute->model =
        SHORTHAND_TRY(Model::from_bytes(builtin_model_bytes(), std::string(kBuiltinName), type, compute->pool));
  } else {
    compute->model = SHORTHAND_TRY(
        Model::open(SHORTHAND_TRY(SHORTHAND_TRY(Store::of_user()).resolve(options.model)), type, compute->pool));
  }
  compute->load_ms = loading.elapsed_ms();
  return compute;
}

}  // namespace shorthand::cli
