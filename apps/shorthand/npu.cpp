// SPDX-License-Identifier: Apache-2.0
// shorthand npu: the designs of the array: which there are, whether they fit, what the simulator says, what is built.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "engine/backend.h"
#include "engine/builtin.h"
#include "model/checkpoint.h"
#include "model/library.h"
#include "model/native.h"
#include "model/random.h"
#include "npu/check.h"
#include "npu/designs/ladder.h"
#include "npu/designs/registry.h"
#include "npu/mlir/emit.h"
#include "npu/mlir/insts.h"
#include "npu/sim/simulate.h"
#include "output.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using npu::BuiltDesign;
using npu::Device;
using npu::SimReport;
using npu::Spent;
using npu::TileKind;

struct Arguments {
  std::string design, model, shape, device = "npu1", format = "text", output;
  double clock_ghz = 0;
  int columns = 0, buffers = 2;
  bool units = false;
};

// A request with its device, as all commands but `list` begin.
struct Chosen {
  Device device;
  double clock_ghz = 0;
  BuiltDesign built;
};

Result<npu::EncoderSizes> sizes_of(const std::string& model) {
  Config c;
  const std::vector<std::string_view> sizes = random_sizes();
  if (std::find(sizes.begin(), sizes.end(), model) != sizes.end()) {
    c = SHORTHAND_TRY(random_config(model, 1));
  } else if (model == kBuiltinName && !fs::exists(model)) {
    c = SHORTHAND_TRY(parse_checkpoint(builtin_model_bytes(), kBuiltinName)).config;
  } else {
    const fs::path path = SHORTHAND_TRY(resolve_model(model));
    bool native = false;
    if (!fs::is_directory(path)) {
      const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
      native = is_native(file.bytes());
      if (native) c = SHORTHAND_TRY(parse_native(file.bytes(), path.string())).header.config;
    }
    if (!native) c = SHORTHAND_TRY(open_checkpoint(path)).config;
  }
  return npu::EncoderSizes{c.n_audio_layer, c.n_audio_state, c.n_audio_head, c.n_mels, c.n_audio_ctx};
}

// "MxKxN": A is [M, K], B [K, N].
Result<void> parse_shape(const std::string& text, npu::DesignRequest& request) {
  constexpr int kLargest = 1 << 20;  // beyond any product of Whisper's, and int arithmetic is safe
  int* const parts[] = {&request.m, &request.k, &request.n};
  const char *at = text.data(), *const end = at + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, *parts[i]);
    const bool more = i < 2;
    if (error != std::errc{} || *parts[i] < 1 || *parts[i] > kLargest ||
        (more ? next == end || *next != 'x' : next != end))
      return usage_error(fmt::format("--shape: '{}' is not MxKxN; for example 1500x512x2048", text));
    at = next + (more ? 1 : 0);
  }
  if (int64_t{request.m} * request.k > (int64_t{1} << 31) || int64_t{request.k} * request.n > (int64_t{1} << 31) ||
      int64_t{request.m} * request.n > (int64_t{1} << 29))
    return usage_error(fmt::format("--shape: {}: a matrix of more than 2 GB; use a smaller shape", text));
  return {};
}

Result<Chosen> choose(const Arguments& a) {
  const npu::DesignEntry entry = SHORTHAND_TRY(npu::find_design(a.design));
  Chosen c;
  c.device = SHORTHAND_TRY(npu::find_device(a.device));
  if (a.columns > 0) {
    if (a.columns > c.device.columns) {
      return usage_error(fmt::format("--columns: {} has {} columns, not {}", a.device, c.device.columns, a.columns));
    }
    c.device.columns = a.columns;
  }
  c.clock_ghz = a.clock_ghz > 0 ? a.clock_ghz : c.device.clock_ghz;
  npu::DesignRequest request;
  request.buffers = a.buffers;
  if (!a.model.empty()) request.model = SHORTHAND_TRY(sizes_of(a.model));
  if (!a.shape.empty()) SHORTHAND_TRY(parse_shape(a.shape, request));
  c.built = SHORTHAND_TRY(entry.build(c.device, request));
  return c;
}

Result<void> list(const std::string& format) {
  if (format == "json") {
    Json out = Json::array();
    for (const npu::DesignEntry& e : npu::design_entries()) out.push_back({{"name", e.name}, {"what", e.what}});
    return write_stdout(out.dump(2) + "\n");
  }
  std::string text;
  for (const npu::DesignEntry& e : npu::design_entries()) text += fmt::format("{:<14} {}\n", e.name, e.what);
  return write_stdout(text);
}

// What the fullest tile of a kind carries.
struct Fullest {
  int64_t bytes = 0;
  int channels = 0, descriptors = 0, locks = 0;
};

std::map<TileKind, Fullest> fullest(const npu::Placement& placement) {
  std::map<std::pair<int, int>, Fullest> tiles;
  auto of = [&](npu::Tile t) -> Fullest& { return tiles[{t.row, t.column}]; };
  for (const npu::Region& r : placement.regions) of(r.tile).bytes += r.bytes;
  for (const npu::Lock& l : placement.locks) ++of(l.tile).locks;
  for (const npu::Channel& c : placement.channels) {
    of(c.tile).channels = std::max(of(c.tile).channels, c.index + 1);
    of(c.tile).descriptors += static_cast<int>(c.chain.size());
  }
  std::map<TileKind, Fullest> out;
  for (const auto& [where, f] : tiles) {
    Fullest& most = out[npu::kind_of({where.second, where.first})];
    most = {std::max(most.bytes, f.bytes), std::max(most.channels, f.channels),
            std::max(most.descriptors, f.descriptors), std::max(most.locks, f.locks)};
  }
  return out;
}

const char* kind_name(TileKind kind) {
  return kind == TileKind::core ? "core" : kind == TileKind::memory ? "memory tile" : "shim";
}

Result<void> check(const Arguments& a) {
  const Chosen c = SHORTHAND_TRY(choose(a));
  const npu::Placement placement = SHORTHAND_TRY(npu::check(c.built.design, c.device));
  const std::string device = npu::device_name(c.device);
  if (a.format == "json") {
    Json out = {{"design", a.design}, {"device", device}, {"fits", true}, {"shape", c.built.shape}};
    for (const auto& [kind, f] : fullest(placement)) {
      out["fullest"][kind_name(kind)] = {
          {"bytes", f.bytes}, {"channels", f.channels}, {"descriptors", f.descriptors}, {"locks", f.locks}};
    }
    return write_stdout(out.dump(2) + "\n");
  }
  std::string text = fmt::format("{} fits {}: {}\n", a.design, device, c.built.shape);
  for (const auto& [kind, f] : fullest(placement)) {
    const npu::TileLimits& limit = c.device.limits(kind);
    text += fmt::format(
        "  fullest {:<12} {:>6} of {} bytes, {} of {} channels a direction, {} of {} descriptors, {} of "
        "{} locks\n",
        kind_name(kind), f.bytes, limit.memory_bytes, f.channels, limit.channels, f.descriptors, limit.bds, f.locks,
        limit.locks);
  }
  return write_stdout(text);
}

Result<SimReport> simulated(const Chosen& c, bool trace) {
  npu::SimOptions options;
  options.clock_ghz = c.clock_ghz;
  options.timing_only = true;
  options.trace = trace;
  return npu::simulate(c.built.design, c.device, options, {});
}

// The constants that the figures stand on.
Json constants(const Chosen& c, const SimReport& r) {
  return {{"device", npu::device_name(c.device)},
          {"clock_ghz", c.clock_ghz},
          {"ddr_read_gbps", c.device.ddr_read_gbps},
          {"ddr_write_gbps", c.device.ddr_write_gbps},
          {"ddr_shared", c.device.ddr_shared},
          {"launch_us", r.launch_us},
          {"int8_macs_per_core_and_cycle", c.device.macs.i8_i8},
          {"cores", c.device.cores()}};
}

// Cycles by cause, of all cores together.
Json stalls(const SimReport& r) {
  const std::array<npu::Cycle, npu::kSpentKinds> sums = r.core_cycles();
  Json out = Json::object();
  for (size_t i = 0; i < sums.size(); ++i) {
    const auto spent = static_cast<Spent>(i);
    if (spent != Spent::working && spent != Spent::lock && spent != Spent::ddr)  // those two are causes of channels
      out[std::string(to_string(spent))] = sums[i];
  }
  return out;
}

Result<void> simulate(const Arguments& a) {
  const Chosen c = SHORTHAND_TRY(choose(a));
  const SimReport r = SHORTHAND_TRY(simulated(c, false));
  const double gops = c.built.operations / (r.total_us() * 1e3);
  const double percent = 100 * gops / npu::peak_gops_i8(c.device, c.clock_ghz);
  if (a.format == "json") {
    const Json out = {{"simulated", true},
                      {"design", a.design},
                      {"shape", c.built.shape},
                      {"buffers", a.buffers},
                      {"cycles", r.cycles},
                      {"ms", r.total_us() / 1e3},
                      {"gops", gops},
                      {"percent_of_peak", percent},
                      {"bytes", {{"read", r.bytes_read}, {"written", r.bytes_written}}},
                      {"utilisation", r.utilisation()},
                      {"stalls", stalls(r)},
                      {"constants", constants(c, r)}};
    return write_stdout(out.dump(2) + "\n");
  }
  const std::string head = npu::constants_line(r, c.device);
  std::string text = fmt::format("{}: {}: {}\n", head, a.design, c.built.shape);
  if (c.built.operations > 0)
    text += fmt::format("{}: {:.3f} ms with the launch: {:.0f} GOPS, {:.1f} % of the int8 peak\n", head,
                        r.total_us() / 1e3, gops, percent);
  return write_stdout(text + npu::to_text(r, c.device, a.units));
}

Result<void> write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return io_error(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
  return {};
}

Result<void> trace(const Arguments& a) {
  const Chosen c = SHORTHAND_TRY(choose(a));
  const SimReport r = SHORTHAND_TRY(simulated(c, true));
  const std::string json = npu::trace_json(r, c.device);
  if (a.output.empty() || a.output == "-") return write_stdout(json);
  return write_file(a.output, json);
}

Result<void> build(const Arguments& a) {
  const Chosen c = SHORTHAND_TRY(choose(a));
  const npu::Placement placement = SHORTHAND_TRY(npu::check(c.built.design, c.device));
  const std::string text = SHORTHAND_TRY(npu::emit_mlir(c.built.design, c.device, placement));
  if (a.output == "-") return write_stdout(text);
  const fs::path folder = a.output.empty() ? fs::path("npu-" + a.design) : fs::path(a.output);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io_error(fmt::format("{}: cannot make the folder: {}", folder.string(), error.message()));
  const fs::path mlir = folder / (c.built.design.name + ".mlir"), steps = folder / "Makefile";
  const fs::path description = folder / (c.built.design.name + ".txt");
  SHORTHAND_TRY(write_file(mlir, text));
  SHORTHAND_TRY(
      write_file(description, npu::to_text(describe_artefacts(c.built.design, c.device, c.built.shape, text))));
  SHORTHAND_TRY(write_file(steps, npu::build_steps(c.built.design, c.device, SHORTHAND_SOURCE_DIR "/src")));
  return write_stdout(fmt::format("{}\n{}\n{}\n", mlir.string(), description.string(), steps.string()));
}

Result<void> insts(const Arguments& a) {
  const Chosen c = SHORTHAND_TRY(choose(a));
  const npu::Placement placement = SHORTHAND_TRY(npu::check(c.built.design, c.device));
  std::string bytes;
  for (uint32_t word : SHORTHAND_TRY(npu::instructions(c.built.design, c.device, placement))) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(word >> 8 * i);
  }
  if (a.output == "-") return write_stdout(bytes);
  return write_file(a.output.empty() ? "insts.bin" : a.output, bytes);
}

Json json_of(const char* work, const npu::LadderRow& r) {
  return {{"work", work},
          {"group", r.group},
          {"step", r.step},
          {"cores", r.cores},
          {"launches", r.launches},
          {"array_ms", r.array_ms},
          {"launch_ms", r.launch_ms},
          {"ms", r.total_ms()},
          {"gops", r.gops},
          {"percent_of_peak", r.percent_of_peak}};
}

// The first product of the model's feed-forward part, or --shape, and the model's encoder.
Result<void> ladder(const Arguments& a) {
  const Device device = SHORTHAND_TRY(npu::find_device(a.device));
  const double clock_ghz = a.clock_ghz > 0 ? a.clock_ghz : device.clock_ghz;
  npu::DesignRequest request;
  if (!a.model.empty()) request.model = SHORTHAND_TRY(sizes_of(a.model));
  const npu::EncoderSizes& s = request.model;
  request.m = s.positions, request.k = s.width, request.n = 4 * s.width;
  if (!a.shape.empty()) SHORTHAND_TRY(parse_shape(a.shape, request));
  auto up = [](int value, int block) { return (value + block - 1) / block * block; };
  const int m = up(request.m, 64 * device.core_rows), n = up(request.n, 64 * device.columns), k = up(request.k, 64);
  const auto product = SHORTHAND_TRY(npu::product_ladder(device, m, n, k, clock_ghz));
  const auto encoder =
      SHORTHAND_TRY(npu::encoder_ladder(device, {s.mels, s.positions, s.width, s.heads, s.layers}, clock_ghz));
  if (a.format == "json") {
    Json rungs = Json::array();
    for (const npu::LadderRow& r : product) rungs.push_back(json_of("product", r));
    for (const npu::LadderRow& r : encoder) rungs.push_back(json_of("encoder", r));
    const Json out = {{"simulated", true},
                      {"device", npu::device_name(device)},
                      {"clock_ghz", clock_ghz},
                      {"launch_us", device.dispatch.launch_us},
                      {"launch_in_list_us", device.dispatch.launch_in_list_us},
                      {"product", {{"m", m}, {"k", k}, {"n", n}}},
                      {"encoder", {{"layers", s.layers}, {"width", s.width}, {"positions", s.positions}}},
                      {"rungs", rungs}};
    return write_stdout(out.dump(2) + "\n");
  }
  SimReport head;
  head.device = device.name, head.clock_ghz = clock_ghz, head.launch_us = device.dispatch.launch_us;
  const std::string constants = npu::constants_line(head, device);
  return write_stdout(fmt::format("{}: one product, {}x{}x{}, weights of int8\n{}{}: the encoder, {} layers of {}\n{}",
                                  constants, m, k, n, npu::to_text(product, device, clock_ghz), constants, s.layers,
                                  s.width, npu::to_text(encoder, device, clock_ghz)));
}

void add_shape(CLI::App& command, Arguments& a) {
  command
      .add_option(
          "-m,--model", a.model,
          "Size (base, large-v3, ...), file or name of a model that gives the shape; builtin: the built-in one [base]")
      ->type_name("SIZE|FILE");
  command.add_option("--shape", a.shape, "Of a product: A [M, K] times B [K, N]")->type_name("MxKxN");
  command.add_option("--device", a.device, "npu1 (Phoenix, Hawk Point) or npu2 (Strix, Krackan)")
      ->check(CLI::IsMember({"npu1", "npu2"}))
      ->capture_default_str();
  command.add_option("--clock-ghz", a.clock_ghz, "Of the array [the device's]")->check(CLI::Range(0.1, 4.0));
}

void add_request(CLI::App& command, Arguments& a) {
  command.add_option("DESIGN", a.design, "A name of `shorthand npu list`")->required();
  add_shape(command, a);
  command.add_option("--columns", a.columns, "Columns to use [all]")->check(CLI::Range(1, 8));
  command.add_option("--buffers", a.buffers, "1: each FIFO holds one object; 2: the next comes while one is worked on")
      ->check(CLI::Range(1, 2))
      ->capture_default_str();
}

void add_format(CLI::App& command, std::string& format) {
  command.add_option("--format", format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
}

int finish(const Result<void>& done) {
  if (done) return kDone;
  complain(done.error());
  return status_of(done.error());
}

}  // namespace

void add_npu(CLI::App& app, int& status) {
  auto* npu =
      app.add_subcommand("npu",
                         "Designs for the XDNA array: list, check, simulate, trace and build them\n\nExamples:\n"
                         "  shorthand npu simulate gemm --shape 1500x512x2048 --clock-ghz 1.0\n"
                         "  shorthand npu simulate gemm --model large-v3 --device npu2 --format json\n"
                         "  shorthand npu trace gemm -o gemm.json          for https://ui.perfetto.dev\n"
                         "  shorthand npu ladder --clock-ghz 1.0           what each step is worth by itself\n"
                         "  shorthand npu build gemm -o gemm               MLIR-AIE text and a Makefile\n"
                         "  shorthand npu build encoder -m base.en -o DIR && make -C DIR\n"
                         "                                                 what SHORTHAND_NPU_DIR=DIR shorthand\n"
                         "                                                 transcribe --device npu runs\n"
                         "Every figure is a simulation; no device is used.\n");
  npu->require_subcommand(1);

  auto* list_command = npu->add_subcommand("list", "Designs that there are");
  auto list_format = std::make_shared<std::string>("text");
  add_format(*list_command, *list_format);
  list_command->callback([=, &status] { status = finish(list(*list_format)); });

  auto* ladder_command = npu->add_subcommand(
      "ladder", "What each step is worth on the same work: tiles, cores, buffers, launches (simulated)");
  auto rungs = std::make_shared<Arguments>();
  add_shape(*ladder_command, *rungs);
  add_format(*ladder_command, rungs->format);
  ladder_command->callback([=, &status] { status = finish(ladder(*rungs)); });

  struct Command {
    const char *name, *what;
    Result<void> (*run)(const Arguments&);
    bool has_format;
    const char* output;
  };
  constexpr Command commands[] = {
      {"check", "Whether a design fits the array, and how full it is", check, true, nullptr},
      {"simulate", "Cycles, speed, bytes and stalls of a design on the simulated array", simulate, true, nullptr},
      {"trace", "What every core and channel does when, for a trace viewer", trace, false, "File, or - [-]"},
      {"build", "Write the MLIR-AIE text and a Makefile that builds it", build, false,
       "Folder, or - for the text alone on standard output [npu-DESIGN]"},
      {"insts", "Write the controller's instructions alone, for a configuration that is built already", insts, false,
       "File, or - for standard output [insts.bin]"},
  };
  for (const Command& c : commands) {
    auto* command = npu->add_subcommand(c.name, c.what);
    auto a = std::make_shared<Arguments>();
    add_request(*command, *a);
    if (c.has_format) add_format(*command, a->format);
    if (c.run == simulate) command->add_flag("--units", a->units, "A line for every core and channel, too");
    if (c.output != nullptr) command->add_option("-o,--output", a->output, c.output);
    command->callback([a, run = c.run, &status] { status = finish(run(*a)); });
  }
}

}  // namespace shorthand::cli
