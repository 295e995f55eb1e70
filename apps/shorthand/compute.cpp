// SPDX-License-Identifier: Apache-2.0
#include "compute.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/environment.h"
#include "engine/builtin.h"
#include "model/library.h"

namespace shorthand::cli {
namespace {

constexpr const char* kModelVariable = "SHORTHAND_MODEL";

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

// The line that tells what was chosen where the user named nothing.
std::string explain(const Choice& choice) {
  const std::string how = "-m or `shorthand models default NAME` chooses another";
  if (choice.path)
    return fmt::format("using {}{}, {}; {}", choice.name, choice.english_only ? " (English only)" : "",
                       reason_of(choice), how);
  if (choice.why == Choice::Why::set_as_default)
    return fmt::format("using the built-in model, {}; {}", reason_of(choice), how);
  const std::string others =
      choice.unreadable == 0 ? "" : " (`shorthand models list` says what is wrong with those that are here)";
  return fmt::format(
      "using the built-in model, {}{}: English digits, numbers, dates, commands and coffee orders; for any speech: "
      "`shorthand models pull base`",
      reason_of(choice), others);
}

Result<ChosenModel> named_model(const std::string& name, std::string_view chosen_by) {
  ChosenModel chosen{name, {}, chosen_by, {}};
  std::error_code ignored;
  if (name != kBuiltinName || std::filesystem::exists(name, ignored)) chosen.path = SHORTHAND_TRY(resolve_model(name));
  return chosen;
}

}  // namespace

Result<ChosenModel> find_model(const std::string& option, const Wanted& wanted) {
  if (!option.empty()) return named_model(option, "option");
  if (const auto name = environment(kModelVariable)) {
    auto chosen = named_model(*name, "environment");
    if (!chosen.ok()) return Error{chosen.error().kind, fmt::format("{}: {}", kModelVariable, chosen.error().message)};
    chosen->why = fmt::format("using {}, as {} says", *name, kModelVariable);
    return chosen;
  }
  constexpr std::string_view kChosenBy[] = {"default", "best installed", "best cached", "builtin"};
  // Where there is no place for models, there is none: a service may have no HOME.
  const auto library = Library::of_user();
  Choice choice = library.ok() ? SHORTHAND_TRY(choose_model(*library, wanted)) : Choice();
  std::string why = explain(choice);
  return ChosenModel{std::move(choice.name), std::move(choice.path), kChosenBy[static_cast<size_t>(choice.why)],
                     std::move(why)};
}

Result<std::shared_ptr<const Model>> open_model(const std::optional<std::filesystem::path>& path, ComputeType type,
                                                ThreadPool& pool, EncoderRows rows) {
  if (path) return Model::open(*path, type, pool, rows);
  return Model::from_bytes(builtin_model_bytes(), std::string(kBuiltinName), type, pool, rows);
}

void add_compute_options(CLI::App& command, ComputeOptions& o) {
  command
      .add_option("-m,--model", o.model,
                  "Model: a file, a directory, the name of an installed one, OWNER/REPO of Hugging Face's cache, or "
                  "builtin [SHORTHAND_MODEL, or what `shorthand models default` says]")
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

Result<std::unique_ptr<Compute>> open_compute(const ComputeOptions& options, Wanted::Language spoken) {
  const std::string array = SHORTHAND_TRY(resolve_device(options.device));
  const Isa isa = SHORTHAND_TRY(resolve_isa(options.isa));
  const ComputeType type = SHORTHAND_TRY(parse_compute_type(options.compute_type));
  auto compute =
      std::make_unique<Compute>(choose_kernels(isa), options.threads > 0 ? options.threads : physical_cores());

  compute->array = array;
  const Stopwatch loading;
  compute->chosen = SHORTHAND_TRY(find_model(options.model, {.type = type, .language = spoken}));
  const EncoderRows rows = array.empty() ? EncoderRows::mixed : EncoderRows::plain;
  compute->model = SHORTHAND_TRY(open_model(compute->chosen.path, type, compute->pool, rows));
  compute->load_ms = loading.elapsed_ms();
  return compute;
}

}  // namespace shorthand::cli
