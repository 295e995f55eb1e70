// SPDX-License-Identifier: Apache-2.0
// shorthand devices: what this machine can run on, and why not the rest.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/cpu.h"
#include "cli.h"
#include "engine/backend.h"
#include "kernels/kernels.h"

namespace shorthand::cli {
namespace {

template <class Variants>
std::string variant_names(const Variants& variants) {
  std::string names;
  for (const auto& v : variants) names += fmt::format("{}{}", names.empty() ? "" : " ", isa_name(v.isa));
  return names;
}

int show(const std::string& format) {
  struct Family {
    const char* name;
    std::string variants;
  };
  const Family families[] = {{"gemm_i8", variant_names(gemm_i8::variants())},
                             {"gemm_f32", variant_names(gemm_f32::variants())},
                             {"attention", variant_names(attention::variants())},
                             {"rowwise", variant_names(rowwise::variants())},
                             {"log_mel", variant_names(log_mel::variants())}};
  const NpuPresence npu = look_for_npu();

  if (format == "json") {
    nlohmann::ordered_json out;
    out["cpu"] = {{"model", cpu_model_name()}, {"physical_cores", physical_cores()}, {"best", isa_name(best_isa())}};
    for (Isa isa : kAllIsas)
      out["isas"].push_back({{"name", isa_name(isa)}, {"built_in", true}, {"usable", isa_supported(isa)}});
    for (const Family& f : families) out["kernels"][f.name] = f.variants;
    out["npu"] = {{"present", npu.present}, {"usable", npu.usable}, {npu.usable ? "what" : "why", npu.what}};
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  fmt::print("cpu    {}, {} cores\n", cpu_model_name(), physical_cores());
  for (Isa isa : kAllIsas) {
    fmt::print("  {:<11}{}\n", isa_name(isa),
               isa == best_isa()    ? "usable, the default"
               : isa_supported(isa) ? "usable"
                                    : "not on this machine");
  }
  fmt::print("npu    {}{}\n", npu.usable ? "usable with a model's artefacts: " : "not usable: ", npu.what);
  fmt::print("kernels\n");
  for (const Family& f : families) fmt::print("  {:<11}{}\n", f.name, f.variants);
  return kDone;
}

}  // namespace

void add_devices(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("devices", "Show the instruction sets and accelerators of this machine");
  auto format = std::make_shared<std::string>("text");
  command->add_option("--format", *format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([format, &status] { status = show(*format); });
}

}  // namespace shorthand::cli
