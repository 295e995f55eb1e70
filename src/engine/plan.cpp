// SPDX-License-Identifier: Apache-2.0
#include "engine/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "audio/pauses.h"
#include "base/clock.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

constexpr int kBatchOfPieces = 8;

// start, end, start, ... in frames; the reference's rounding (half to even) and its end for an odd number of times.
Result<std::vector<Clip>> clips_in_frames(const std::vector<double>& times_s, int frames) {
  std::vector<int> points;
  for (double t : times_s) {
    if (!(t >= 0) || t > 1e7) return usage_error(fmt::format("clip time {} is not a time within a recording", t));
    points.push_back(static_cast<int>(std::nearbyint(t * kFramesPerSecond)));
  }
  if (points.empty()) points.push_back(0);
  if (points.size() % 2 == 1) points.push_back(frames);
  std::vector<Clip> clips;
  for (size_t i = 0; i < points.size(); i += 2) clips.push_back({points[i], points[i + 1]});
  return clips;
}

void add_piece(std::vector<PlannedPiece>& pieces, int64_t first, int64_t last) {
  if (last - first < kHop) return;
  pieces.push_back({first, last, {{0, static_cast<int>((last - first) / kHop)}}});
}

// Pieces no longer than a window inside [first, last).
void add_pieces(std::vector<PlannedPiece>& pieces, const Scan& scan, Layout layout, bool merge, int64_t first,
                int64_t last, int64_t longest) {
  if (layout == Layout::fixed) {
    for (int64_t start = first; start < last; start += longest)
      add_piece(pieces, start, std::min(start + longest, last));
    return;
  }
  std::vector<Stretch> stretches;
  for (const Stretch& s : cut_at_pauses(scan.energies, scan.samples)) {
    const Stretch inside{std::max(s.first, first), std::min(s.last, last)};
    if (inside.first >= inside.last) continue;
    // A model for open speech hears better in long windows: neighbours share one while they fit.
    if (merge && !stretches.empty() && inside.last - stretches.back().first <= longest) {
      stretches.back().last = inside.last;
    } else {
      stretches.push_back(inside);
    }
  }
  for (const Stretch& s : stretches) {
    for (const Stretch& part : split_long(s, scan.energies, longest)) add_piece(pieces, part.first, part.last);
  }
}

}  // namespace

Result<Plan> make_plan(Recording& recording, const LogMel& log_mel, ThreadPool& pool, bool builtin, int window_frames,
                       const TranscribeOptions& options, StageTimes& times) {
  Plan plan;
  plan.layout = options.layout != Layout::automatic ? options.layout : builtin ? Layout::pauses : Layout::sequential;
  const bool whole = plan.layout == Layout::sequential;
  plan.batch_size = whole ? 1 : options.batch_size > 0 ? options.batch_size : kBatchOfPieces;

  const Stopwatch scanning;
  const Scan scan = SHORTHAND_TRY(recording.scan(whole ? &log_mel : nullptr, &pool));
  times.log_mel_ms += scan.log_mel_ms;
  times.decode_audio_ms += scanning.elapsed_ms() - scan.log_mel_ms;
  plan.damage = scan.damage;  // what is there is worth its text
  plan.clock_jump = scan.clock_jump;
  plan.audio_s = scan.seconds();
  if (whole) plan.loudest = scan.loudest;

  const int frames = static_cast<int>(scan.samples / kHop);
  std::vector<Clip> clips = SHORTHAND_TRY(clips_in_frames(options.clips_s, frames));
  if (whole) {
    plan.pieces.push_back({0, scan.samples, std::move(clips)});
    return plan;
  }
  for (const Clip& clip : clips) {
    const int64_t last = clip.last >= frames ? scan.samples : int64_t{clip.last} * kHop;
    add_pieces(plan.pieces, scan, plan.layout, !builtin, int64_t{clip.first} * kHop, last,
               int64_t{window_frames} * kHop);
  }
  return plan;
}

Result<PieceOptions> piece_options(const Model& model, const TranscribeOptions& options, const std::string& language) {
  const Tokenizer& tokenizer = model.tokenizer();
  const SpecialTokens& special = tokenizer.special();
  PieceOptions p;
  p.tokenizer = &tokenizer;
  p.n_text_ctx = model.config().n_text_ctx;
  p.window_frames = 2 * model.config().n_audio_ctx;
  p.sot_sequence.push_back(special.sot);
  if (special.is_multilingual()) {
    p.sot_sequence.push_back(*language_token(special, language));
    p.sot_sequence.push_back(options.task == Task::translate ? special.translate : special.transcribe);
  } else if (options.task == Task::translate) {
    return usage_error(
        fmt::format("{}: an English-only model cannot translate; give a multilingual one with -m", model.name()));
  }
  if (!options.decoding.timestamps) p.sot_sequence.push_back(special.notimestamps);

  const int most = p.n_text_ctx / 2;
  p.max_tokens = options.max_tokens > 0 ? options.max_tokens : most;
  if (p.max_tokens > most) {
    return usage_error(
        fmt::format("{} tokens a window are more than this model can hold; it has room for {}", p.max_tokens, most));
  }
  const auto encode = [&](const std::string& text) { return tokenizer.encode(" " + std::string(utf8::strip(text))); };
  if (!options.prefix.empty()) p.prefix = encode(options.prefix);
  if (!options.initial_prompt.empty()) p.initial_prompt = encode(options.initial_prompt);
  p.carry_initial_prompt = options.carry_initial_prompt;
  p.condition_on_previous_text = options.condition_on_previous_text;
  p.logprob_threshold = options.decoding.logprob_threshold;
  p.no_speech_threshold = options.decoding.no_speech_threshold;
  p.end_as_reference = options.end_as_reference;
  return p;
}

std::vector<int> suppressed_tokens(const Model& model, bool builtin, const TranscribeOptions& options) {
  if (options.suppress.empty()) return {};
  std::vector<int> ids = options.suppress;
  if (builtin) std::erase(ids, -1);
  return model.tokenizer().suppressed_tokens(ids);
}

}  // namespace shorthand
