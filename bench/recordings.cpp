// SPDX-License-Identifier: Apache-2.0
// A model given by --weights on recordings: what int8 loses. Wrong words are counted by bench/accuracy.py.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "losses.h"
#include "suite.h"
#include "tsv.h"

namespace shorthand::bench {
namespace {

// What the goals of docs/numerics.md are counted by.
constexpr double kGoodDb = 30, kGoodPositionDb = 35;

// One measure over all recordings.
struct Decibels {
  double sum = 0, least = INFINITY;
  int n = 0, good = 0;
  void add(double db, double enough) { sum += db, least = std::min(least, db), good += db >= enough, ++n; }
  std::string text(double enough) const {
    return fmt::format("{:.1f} dB, least {:.1f}; {} of {} at {:.0f} or more", sum / n, least, good, n, enough);
  }
};

struct Totals {
  Decibels whole, position;
  double divergence = 0;
  int tokens = 0, flips = 0;
};

}  // namespace

Result<void> compare_on_recordings(Bench& bench, PhaseReport& report) {
  const SuiteOptions& o = bench.options;
  if (o.weights.empty()) return {};
  // A line: file, seconds, language ("-" where nobody speaks), ...
  const auto clips =
      SHORTHAND_TRY(read_tsv(o.recordings / "index.tsv", 3, "--recordings names the folder that holds it"));
  LossMeter meter = SHORTHAND_TRY(LossMeter::open(o.weights, o.threads, o.isa));
  const bool multilingual = meter.model(ComputeType::int8)->tokenizer().special().is_multilingual();

  Table losses{fmt::format("{}: int8 against float32, first window", o.weights.filename().string()),
               {"recording", "encoder", "median position", "tokens", "mean KL, 1e-3 nats", "other choices"},
               {},
               -1,
               "Over float32's own greedy tokens, encoder and decoder in int8."};
  Totals t;
  for (size_t i = 0; i < clips.size(); i += o.quick ? 6 : 1) {
    const std::string &file = clips[i][0], &language = clips[i][2];
    if (!multilingual && language != "en" && language != "-") continue;
    bench.say(fmt::format("int8 and float32: {}", file));
    const Loss l = SHORTHAND_TRY(meter.measure(o.recordings / file, language));
    t.whole.add(l.encoder_db, kGoodDb), t.position.add(l.encoder_row_db, kGoodPositionDb);
    t.divergence += l.divergence, t.tokens += l.tokens, t.flips += l.flips;
    losses.rows.push_back({file, fmt::format("{:.1f} dB", l.encoder_db), fmt::format("{:.1f} dB", l.encoder_row_db),
                           std::to_string(l.tokens), fmt::format("{:.2f}", 1e3 * l.divergence / l.tokens),
                           std::to_string(l.flips)});
    report.data.push_back({{"recording", file},
                           {"encoder_db", l.encoder_db},
                           {"encoder_row_db", l.encoder_row_db},
                           {"tokens", l.tokens},
                           {"divergence", l.divergence},
                           {"flips", l.flips}});
  }
  if (t.tokens == 0)
    return bad_input(fmt::format("{}: lists no recording for this model", (o.recordings / "index.tsv").string()));
  losses.rows.push_back({"mean, or all together", t.whole.text(kGoodDb), t.position.text(kGoodPositionDb),
                         std::to_string(t.tokens), fmt::format("{:.2f}", 1e3 * t.divergence / t.tokens),
                         fmt::format("{} ({:.2f} %)", t.flips, 100.0 * t.flips / t.tokens)});
  report.tables.push_back(std::move(losses));
  return {};
}

}  // namespace shorthand::bench
