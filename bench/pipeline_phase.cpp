// SPDX-License-Identifier: Apache-2.0
// Phase 2: whole runs of this program, from the shell to the last byte, by stage.
#include <fmt/format.h>

#include "runs.h"

namespace shorthand::bench {
namespace {

struct Case {
  double seconds;
  int batch;
  int runs;
  bool skip_padding = false;
};

std::vector<Case> cases_of(const SuiteOptions& o, bool main_model) {
  if (!main_model) return {{30, 1, 1}, {60, 2, 1}};
  if (o.quick) return {{1, 1, 2}, {11, 1, 2}, {11, 1, 2, true}, {30, 1, 2}, {300, 1, 1}, {300, 16, 2}};
  return {{1, 1, 5},  {1, 1, 5, true}, {5, 1, 5},   {5, 1, 5, true}, {11, 1, 5},   {11, 1, 5, true},
          {30, 1, 5}, {300, 1, 3},     {300, 8, 3}, {300, 16, 5},    {3600, 16, 1}};
}

constexpr double kLargeModelBytes = 512 << 20;

double stage_ms(const Json& stats, const char* name) { return stats["stages"][name]["ms"].get<double>(); }

Result<void> run_case(Bench& bench, const RandomModelFiles& model, const std::string& size, const Case& c, Table& table,
                      PhaseReport& report) {
  const SuiteOptions& o = bench.options;
  const std::string audio = SHORTHAND_TRY(make_recording(bench, c.seconds));
  const EqualWork work{model.native, audio, o.threads, c.batch, o.isa, c.skip_padding};
  const std::string name = fmt::format("{} {:.0f} s{}", size, c.seconds, c.skip_padding ? ", padding skipped" : "");
  std::vector<WholeRun> runs;
  Samples wall;
  for (int i = 0; i < c.runs + (c.seconds <= 300 ? 1 : 0); ++i) {
    bench.say(fmt::format("{}, batch {}: run {}", name, c.batch, i));
    WholeRun run = SHORTHAND_TRY(run_once(bench, work));
    if (i == 0 && c.seconds <= 300) continue;  // files were cold
    wall.ms.push_back(run.finished.wall_ms);
    runs.push_back(std::move(run));
  }
  const auto median_of = [&](auto&& field) {
    Samples s;
    for (const WholeRun& run : runs) s.ms.push_back(field(run));
    return s.median();
  };
  const int windows = windows_of(c.seconds);
  const Work ops = work_of(model.config);
  const double int8 = bench.roofs.int8_macs(o.isa, o.threads), reads = bench.roofs.read_bytes(kNearBytes, o.threads);
  const bool has_roof = int8 > 0 && reads > 0 && !c.skip_padding;  // the roof's operations are of whole windows
  const double roof = has_roof ? roof_ms(ops, windows, kTokensAWindow, c.batch, int8, reads) : 0;
  const double total = wall.median();
  const double encode = median_of([](const WholeRun& r) { return stage_ms(r.stats, "encode"); });
  const double decode = median_of([](const WholeRun& r) { return stage_ms(r.stats, "decode_text"); });
  const double encode_roof = has_roof ? 1000 * windows * ops.encoder_ops / (2 * int8) : 0;
  const double decode_roof = roof - encode_roof;
  const auto cell = [](double ms) { return fmt::format("{:.4g}", ms); };
  const auto share = [](double of, double ms) {
    return of > 0 ? fmt::format("{:.0f} %", 100 * of / ms) : std::string("-");
  };
  const double peak = median_of([](const WholeRun& r) { return r.stats["peak_rss_bytes"].get<double>(); });
  table.rows.push_back({name, std::to_string(c.batch), fmt::format("{:.1f}x", 1000 * c.seconds / total),
                        share(roof, total), cell(total), fmt::format("{:.0f} %", 100 * wall.spread()),
                        cell(median_of([](const WholeRun& r) { return r.stats["load_ms"].get<double>(); })),
                        cell(median_of([](const WholeRun& r) { return stage_ms(r.stats, "decode_audio"); })),
                        cell(median_of([](const WholeRun& r) { return stage_ms(r.stats, "log_mel"); })),
                        fmt::format("{} ({})", cell(encode), share(encode_roof, encode)),
                        fmt::format("{} ({})", cell(decode), share(decode_roof, decode)),
                        cell(median_of([](const WholeRun& r) { return r.stats["first_text_ms"].get<double>(); })),
                        fmt::format("{:.0f}", peak / 1048576), fmt::format("{:.2f}", peak / model.native_bytes)});
  // A large model is mapped as it is, and what is computed with it is small beside it. Every further window of a batch
  // has keys and values of its own.
  if (c.batch == 1 && model.native_bytes >= kLargeModelBytes && peak > model.native_bytes * 4 / 3) {
    report.failures.push_back(fmt::format("{}: a peak of {:.0f} MiB is more than 4/3 of the model's {:.0f}", name,
                                          peak / 1048576, model.native_bytes / 1048576));
  }
  if (is_above_roof(encode_roof, encode)) {
    report.failures.push_back(
        fmt::format("{}: {:.0f} ms for what takes {:.0f} at the int8 rate measured before: something else ran then; "
                    "measure again on a machine at rest",
                    name, encode, encode_roof));
  }
  Json row{{"model", size},
           {"audio_s", c.seconds},
           {"windows", windows},
           {"batch", c.batch},
           {"threads", o.threads},
           {"isa", isa_name(o.isa)},
           {"tokens_a_window", kTokensAWindow},
           {"skip_padding", c.skip_padding},
           {"model_bytes", model.native_bytes},
           {"wall_ms", wall.ms},
           {"roof_ms", roof},
           {"encode_roof_ms", encode_roof},
           {"realtime_factor", 1000 * c.seconds / total},
           {"stats", Json::array()}};
  for (const WholeRun& run : runs) row["stats"].push_back(run.stats);
  report.data.push_back(std::move(row));
  return {};
}

}  // namespace

PhaseReport run_pipeline(Bench& bench) {
  const SuiteOptions& o = bench.options;
  PhaseReport report;
  report.name = "pipeline";
  Table table{
      "Whole runs, int8, milliseconds by stage",
      {"recording", "batch", "realtime", "share of roof", "total", "spread", "load", "decode audio", "log-mel",
       "encode (share)", "decode text (share)", "first text", "peak MiB", "peak / model"},
      {},
      2,
      fmt::format(
          "Random weights; every window of 30 s, a shorter one padded to it but where padding is said to be skipped, "
          "gives {} tokens. Total is the whole "
          "process, less the hashing of the model file that --stats asks for. Roof: operations at the int8 rate plus "
          "bytes at the rate of reading {} MiB, both measured "
          "in this run with {} threads.",
          kTokensAWindow, kNearBytes >> 20, o.threads)};
  std::vector<std::string> sizes{o.model};
  if (!o.quick) {
    for (const char* other :
         {"tiny", "small", "medium", "distil-small.en", "distil-large-v3", "large-v3-turbo", "large-v3"}) {
      if (other != o.model) sizes.emplace_back(other);
    }
  }
  for (const std::string& size : sizes) {
    const auto model = make_random_model(bench, size, false);
    if (!model.ok()) {
      report.failures.push_back(model.error().message);
      continue;
    }
    for (const Case& c : cases_of(o, size == o.model)) {
      if (const auto done = run_case(bench, *model, size, c, table, report); !done)
        report.failures.push_back(
            fmt::format("{} {:.0f} s batch {}: {}", size, c.seconds, c.batch, done.error().message));
    }
    if (size != o.model) {  // gigabytes
      std::filesystem::remove(model->ggml);
      std::filesystem::remove(model->native);
    }
  }
  report.ran = !table.rows.empty();
  report.tables.push_back(std::move(table));
  return report;
}

}  // namespace shorthand::bench
