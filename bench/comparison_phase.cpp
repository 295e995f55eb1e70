// SPDX-License-Identifier: Apache-2.0
// Phase 4: A against B on the same work, in alternation, so that what the machine does meanwhile happens to both.
#include <fmt/format.h>

#include <algorithm>

#include "runs.h"

namespace shorthand::bench {
namespace {

struct Contestant {
  std::string name;
  std::vector<std::string> command;  // of a peer; empty = ours, by `work`
  EqualWork work;
  Samples wall;
  std::string failure;
};

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

std::vector<std::string> peer_command(const Peer& peer, const RandomModelFiles& model, const EqualWork& work) {
  std::string line = peer.command;
  // whisper.cpp: greedy, no second attempts, no timestamps, no context from window to window.
  if (peer.name == "whisper-cli")
    line = fmt::format("'{}' -m {{model_q8_0}} -f {{audio}} -t {{threads}} -l en -nt -nf -bs 1 -bo 1 -mc 0 -np",
                       peer.command);
  std::vector<std::string> words = split_command(line);
  for (std::string& word : words) {
    replace_all(word, "{audio}", work.audio);
    replace_all(word, "{model_q8_0}", model.ggml_q8_0);
    replace_all(word, "{model}", model.ggml);
    replace_all(word, "{threads}", std::to_string(work.threads));
    replace_all(word, "{batch}", std::to_string(work.batch));
    replace_all(word, "{tokens}", std::to_string(kTokensAWindow));
  }
  return words;
}

void run_round(Bench& bench, std::vector<Contestant>& contestants, bool counts) {
  for (Contestant& c : contestants) {
    if (!c.failure.empty()) continue;
    bench.say(c.name);
    if (c.command.empty()) {
      const auto run = run_once(bench, c.work);
      if (!run.ok()) {
        c.failure = run.error().message;
      } else if (counts) {
        c.wall.ms.push_back(run->finished.wall_ms);
      }
      continue;
    }
    const auto run = run_child(c.command);
    if (!run.ok() || run->status != 0) {
      c.failure =
          run.ok() ? fmt::format("ended with {}: {}", run->status, run->err.substr(0, 300)) : run.error().message;
    } else if (counts) {
      c.wall.ms.push_back(run->wall_ms);
    }
  }
}

// The first contestant is what the others are measured against.
void compare(Bench& bench, std::vector<Contestant> contestants, int rounds, double audio_s, const std::string& title,
             PhaseReport& report) {
  run_round(bench, contestants, false);
  for (int i = 0; i < rounds; ++i) run_round(bench, contestants, true);
  Table table{title, {"what", "wall, ms", "spread", "realtime", "time over the first's"}, {}, 3, ""};
  for (const Contestant& c : contestants) {
    if (!c.failure.empty()) {
      report.failures.push_back(fmt::format("{}: {}", c.name, c.failure));
      table.rows.push_back({c.name, "FAILED", "", "", ""});
      continue;
    }
    Samples ratio;  // round by round
    if (contestants[0].failure.empty()) {
      for (size_t i = 0; i < c.wall.ms.size(); ++i) ratio.ms.push_back(c.wall.ms[i] / contestants[0].wall.ms[i]);
    }
    table.rows.push_back(
        {c.name, fmt::format("{:.0f}", c.wall.median()), fmt::format("{:.0f} %", 100 * c.wall.spread()),
         fmt::format("{:.1f}x", 1000 * audio_s / c.wall.median()),
         ratio.ms.empty()
             ? "?"
             : fmt::format("{:.2f} ({:.2f} to {:.2f})", ratio.median(), ratio.quantile(0), ratio.quantile(1))});
    report.data.push_back({{"comparison", title}, {"name", c.name}, {"wall_ms", c.wall.ms}, {"ratio", ratio.ms}});
  }
  report.tables.push_back(std::move(table));
}

Result<void> compare_all(Bench& bench, PhaseReport& report) {
  const SuiteOptions& o = bench.options;
  const bool needs_q8_0 = std::ranges::any_of(o.peers, [](const Peer& p) {
    return p.name == "whisper-cli" || p.command.find("{model_q8_0}") != std::string::npos;
  });
  const RandomModelFiles model = SHORTHAND_TRY(make_random_model(bench, o.model, needs_q8_0));
  const double seconds = o.quick ? 30 : 60;
  const int windows = windows_of(seconds), rounds = o.quick ? 2 : 5;
  const std::string audio = SHORTHAND_TRY(make_recording(bench, seconds));
  const EqualWork best{model.native, audio, o.threads, windows, o.isa};
  const auto ours = [&](std::string name, auto&& change) {
    Contestant c{std::move(name), {}, best, {}, {}};
    change(c.work);
    return c;
  };

  std::vector<Contestant> ladder{ours(fmt::format("{} (as shipped)", isa_name(o.isa)), [](EqualWork&) {})};
  for (const Isa isa : kAllIsas) {
    if (isa < o.isa && isa_supported(isa) && (isa != Isa::scalar || !o.quick))
      ladder.push_back(ours(std::string(isa_name(isa)), [&](EqualWork& w) { w.isa = isa; }));
  }
  compare(bench, std::move(ladder), o.quick ? 1 : 3, seconds,
          fmt::format("Our own instruction sets, {} {:.0f} s", o.model, seconds), report);

  std::vector<Contestant> steps{
      ours(fmt::format("{} threads, batch {}, packed file", o.threads, windows), [](EqualWork&) {})};
  if (o.threads > 1) steps.push_back(ours("one thread", [](EqualWork& w) { w.threads = 1; }));
  if (windows > 1) steps.push_back(ours("batch 1", [](EqualWork& w) { w.batch = 1; }));
  steps.push_back(ours("packed at every start (ggml f16)", [&](EqualWork& w) { w.model = model.ggml; }));
  compare(bench, std::move(steps), rounds, seconds, fmt::format("Our own steps, {} {:.0f} s", o.model, seconds),
          report);

  if (o.peers.empty()) return {};
  const double long_seconds = o.quick ? 60 : 300;
  EqualWork work = best;
  work.audio = SHORTHAND_TRY(make_recording(bench, long_seconds));
  work.batch = 16;
  std::vector<Contestant> peers{{"shorthand", {}, work, {}, {}}};
  for (const Peer& peer : o.peers) peers.push_back({peer.name, peer_command(peer, model, work), work, {}, {}});
  compare(bench, std::move(peers), o.quick ? 1 : 3, long_seconds,
          fmt::format("Peers on the same machine, {} {:.0f} s, {} threads, {} tokens a window", o.model, long_seconds,
                      o.threads, kTokensAWindow),
          report);
  return {};
}

}  // namespace

PhaseReport run_comparison(Bench& bench) {
  PhaseReport report;
  report.name = "comparison";
  if (const auto done = compare_all(bench, report); !done) report.failures.push_back(done.error().message);
  report.ran = !report.tables.empty();
  return report;
}

}  // namespace shorthand::bench
