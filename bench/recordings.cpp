// SPDX-License-Identifier: Apache-2.0
// A model given by --weights on recordings: what int8 loses. Wrong words are counted by bench/accuracy.py.
#include <fmt/format.h>

#include <fstream>

#include "losses.h"
#include "suite.h"

namespace shorthand::bench {
namespace {

// A line of index.tsv: file, seconds, language ("-" where nobody speaks), ...
struct Clip {
  std::string file, language;
};

Result<std::vector<Clip>> read_index(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line))
    return io_error(fmt::format("{}: not found; --recordings names a folder that has it", path.string()));
  std::vector<Clip> clips;
  while (std::getline(in, line)) {
    std::vector<std::string> fields;
    for (size_t at = 0; at <= line.size();) {
      const size_t tab = std::min(line.find('\t', at), line.size());
      fields.push_back(line.substr(at, tab - at));
      at = tab + 1;
    }
    if (fields.size() < 3) return bad_input(fmt::format("{}: a line of {} fields", path.string(), fields.size()));
    clips.push_back({fields[0], fields[2]});
  }
  return clips;
}

struct Totals {
  double least_db = INFINITY, least_row_db = INFINITY, divergence = 0;
  int tokens = 0, flips = 0;
};

}  // namespace

Result<void> compare_on_recordings(Bench& bench, PhaseReport& report) {
  const SuiteOptions& o = bench.options;
  if (o.weights.empty()) return {};
  const std::vector<Clip> clips = SHORTHAND_TRY(read_index(o.recordings / "index.tsv"));
  LossMeter meter = SHORTHAND_TRY(LossMeter::open(o.weights, o.threads, o.isa));
  const bool multilingual = meter.model(ComputeType::int8)->tokenizer().special().is_multilingual();

  Table losses{fmt::format("{}: int8 against float32, first window", o.weights.filename().string()),
               {"recording", "encoder", "median position", "tokens", "mean KL, 1e-3 nats", "other choices"},
               {},
               -1,
               "Over float32's own greedy tokens, encoder and decoder in int8."};
  Totals t;
  for (size_t i = 0; i < clips.size(); i += o.quick ? 6 : 1) {
    const Clip& clip = clips[i];
    if (!multilingual && clip.language != "en" && clip.language != "-") continue;
    bench.say(fmt::format("int8 and float32: {}", clip.file));
    const Loss l = SHORTHAND_TRY(meter.measure(o.recordings / clip.file, clip.language));
    t.least_db = std::min(t.least_db, l.encoder_db), t.least_row_db = std::min(t.least_row_db, l.encoder_row_db);
    t.divergence += l.divergence, t.tokens += l.tokens, t.flips += l.flips;
    losses.rows.push_back({clip.file, fmt::format("{:.1f} dB", l.encoder_db),
                           fmt::format("{:.1f} dB", l.encoder_row_db), std::to_string(l.tokens),
                           fmt::format("{:.2f}", 1e3 * l.divergence / l.tokens), std::to_string(l.flips)});
    report.data.push_back({{"recording", clip.file},
                           {"encoder_db", l.encoder_db},
                           {"encoder_row_db", l.encoder_row_db},
                           {"tokens", l.tokens},
                           {"divergence", l.divergence},
                           {"flips", l.flips}});
  }
  losses.rows.push_back({"least, or all together", fmt::format("{:.1f} dB", t.least_db),
                         fmt::format("{:.1f} dB", t.least_row_db), std::to_string(t.tokens),
                         fmt::format("{:.2f}", 1e3 * t.divergence / t.tokens),
                         fmt::format("{} ({:.2f} %)", t.flips, 100.0 * t.flips / t.tokens)});
  report.tables.push_back(std::move(losses));

  return {};
}

}  // namespace shorthand::bench
