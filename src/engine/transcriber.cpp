// SPDX-License-Identifier: Apache-2.0
#include "engine/transcriber.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/clock.h"
#include "decoding/decode.h"
#include "engine/piece.h"
#include "engine/plan.h"
#include "text/languages.h"

namespace shorthand {

// A piece that has been started, and the place in the decoder where its audio stands.
struct Transcriber::Lane {
  Piece piece;
  PieceMel mel;
  int audio;  // -1 once the piece is done
};

struct Transcriber::Run {
  Run(Recording& r, const TranscribeOptions& o, const Progress& p)
      : recording(r), options(o), progress(p), decoding(o.decoding) {}

  Recording& recording;
  const TranscribeOptions& options;
  const Progress& progress;
  Plan plan;
  PieceOptions piece_options;
  DecodingOptions decoding;
  Stopwatch clock;

  size_t next_piece = 0;   // of the plan, to start
  std::deque<Lane> lanes;  // started and not yet handed on, in the order of time
  size_t handed_on = 0;    // segments of the first lane that the caller has seen
  double done_s = 0;
  Transcript transcript;
  std::vector<int> tokens;  // of all segments handed on
};

Transcriber::Transcriber(std::shared_ptr<const Model> model, bool builtin, const Context& context,
                         std::unique_ptr<Backend> backend)
    : model_(std::move(model)),
      builtin_(builtin),
      context_(context),
      log_mel_(*context.kernels->log_mel, model_->filter_bank()),
      backend_(std::move(backend)),
      encoded_(model_->config()),
      mel_(static_cast<size_t>(2 * model_->config().n_audio_ctx) * static_cast<size_t>(model_->config().n_mels)) {}

void Transcriber::plan_decoder(int batch, int best_of) {
  const int sequences = std::max(batch, best_of);
  if (decoder_ && decoder_audios_ >= batch && decoder_->max_sequences() >= sequences) return;
  decoder_.reset();
  decoder_ = std::make_unique<Decoder>(model_->weights(), context_, batch, sequences);
  decoder_audios_ = batch;
}

Result<Transcript> Transcriber::run(Recording& recording, const TranscribeOptions& options, const Progress& progress) {
  facts_ = {};
  Run run(recording, options, progress);
  run.plan = SHORTHAND_TRY(make_plan(recording, log_mel_, *context_.pool, builtin_, 2 * model_->config().n_audio_ctx,
                                     options, facts_.times));
  facts_.layout = run.plan.layout;
  facts_.skip_padding = options.skip_padding;
  facts_.audio_s = run.plan.audio_s;
  facts_.damage = run.plan.damage;
  facts_.clock_jump = run.plan.clock_jump;

  const bool samples = std::ranges::any_of(options.decoding.temperatures, [](double t) { return t > 0; });
  const int pieces = static_cast<int>(std::max<size_t>(run.plan.pieces.size(), 1));
  plan_decoder(std::min(run.plan.batch_size, pieces), samples ? options.decoding.best_of : 1);

  run.transcript.language = SHORTHAND_TRY(find_language(run));
  run.piece_options = SHORTHAND_TRY(piece_options(*model_, options, run.transcript.language));
  run.decoding.max_tokens = run.piece_options.max_tokens;
  run.decoding.suppress_tokens = suppressed_tokens(*model_, builtin_, options);

  while (run.next_piece < run.plan.pieces.size() || !run.lanes.empty()) {
    if (progress.cancelled && progress.cancelled()) return Error{Error::Kind::cancelled, "stopped"};
    start_lanes(run);
    auto decoded = decode_lanes(run);
    hand_on(run, !decoded);
    if (decoded) continue;
    facts_.damage = std::move(decoded).error();
    break;
  }
  if (facts_.damage && run.transcript.segments.empty()) return *facts_.damage;
  run.transcript.text = model_->tokenizer().decode(run.tokens);
  facts_.encoded_on = backend_->ran_on();
  facts_.decoded_on = {"cpu", std::string(isa_name(context_.kernels->isa)), false};
  return std::move(run.transcript);
}

// The language that was asked for, if the model has it; or the one that the decoder hears at the start.
Result<std::string> Transcriber::find_language(const Run& run) {
  const TranscribeOptions& options = run.options;
  const SpecialTokens& special = model_->tokenizer().special();
  if (options.language != "auto") {
    const std::string code(SHORTHAND_TRY(parse_language(options.language)));
    const bool known = special.is_multilingual() ? language_token(special, code).has_value() : code == "en";
    if (known) return code;
    return usage_error(fmt::format("{}: this model does not know {} ({}); {}", model_->name(), language_name(code),
                                   code,
                                   special.is_multilingual() && special.n_languages > 1
                                       ? "a newer multilingual one does"
                                       : "it knows English only; give a multilingual one with -m"));
  }
  if (!special.is_multilingual()) return std::string("en");
  if (special.n_languages == 1) return std::string(kLanguages[0].code);
  if (run.plan.pieces.empty()) return std::string(kLanguages[0].code);
  // The reference hears the file's first 30 s, silence after its end included.
  const PlannedPiece& first = run.plan.pieces.front();
  PieceMel start(run.recording, log_mel_, *context_.pool, first.first_sample, first.last_sample);
  if (run.plan.loudest) start.set_loudest(*run.plan.loudest);
  SHORTHAND_TRY(start.window(0, 2 * model_->config().n_audio_ctx, mel_.span(), facts_.times));
  const Stopwatch encoding;
  SHORTHAND_TRY(backend_->encode(mel_.span(), encoded_));
  facts_.times.encode_ms += encoding.elapsed_ms();
  const Stopwatch decoding;
  decoder_->set_audio(0, encoded_);
  const LanguageGuess guess =
      detect_language(*decoder_, model_->tokenizer(), *context_.kernels->rowwise, 0, options.languages);
  facts_.times.decode_text_ms += decoding.elapsed_ms();
  return guess.code;
}

// Pieces start in order, each in a free place of the decoder.
void Transcriber::start_lanes(Run& run) {
  std::vector<bool> taken(static_cast<size_t>(run.plan.batch_size));
  for (const Lane& lane : run.lanes) {
    if (lane.audio >= 0) taken[static_cast<size_t>(lane.audio)] = true;
  }
  for (size_t audio = 0; audio < taken.size() && run.next_piece < run.plan.pieces.size(); ++audio) {
    if (taken[audio]) continue;
    const PlannedPiece& planned = run.plan.pieces[run.next_piece++];
    PieceMel mel(run.recording, log_mel_, *context_.pool, planned.first_sample, planned.last_sample);
    if (run.plan.loudest) mel.set_loudest(*run.plan.loudest);
    Piece piece(run.piece_options, planned.first_sample, mel.frames(), planned.clips);
    run.lanes.push_back({std::move(piece), std::move(mel), static_cast<int>(audio)});
  }
}

// One window of every piece that is on its way.
Result<void> Transcriber::decode_lanes(Run& run) {
  std::vector<WindowRequest> requests;
  std::vector<Lane*> waiting;
  for (Lane& lane : run.lanes) {
    if (lane.audio < 0) continue;
    const std::optional<Piece::Window> window = lane.piece.next();
    if (!window) {  // an empty clip
      lane.audio = -1;
      continue;
    }
    const int all = 2 * model_->config().n_audio_ctx;
    const int frames = run.options.skip_padding ? heard_frames(window->frames, all) : all;
    const std::span<float> mel =
        mel_.span().first(static_cast<size_t>(frames) * static_cast<size_t>(model_->config().n_mels));
    SHORTHAND_TRY(lane.mel.window(window->seek, window->frames, mel, facts_.times));
    const Stopwatch encoding;
    SHORTHAND_TRY(backend_->encode(mel, encoded_));
    facts_.times.encode_ms += encoding.elapsed_ms();
    const Stopwatch attending;
    decoder_->set_audio(lane.audio, encoded_);
    facts_.times.decode_text_ms += attending.elapsed_ms();
    const int64_t start = lane.piece.start_sample() + int64_t{window->seek} * kHop;
    requests.push_back({lane.audio, window->prompt, window->sot_index, static_cast<uint64_t>(start)});
    waiting.push_back(&lane);
  }

  facts_.batch_size = std::max(facts_.batch_size, static_cast<int>(requests.size()));
  const Stopwatch decoding;
  const std::vector<DecodedWindow> decoded = decode_windows(*decoder_, model_->tokenizer(), *context_.kernels->rowwise,
                                                            *context_.pool, requests, run.decoding);
  facts_.times.decode_text_ms += decoding.elapsed_ms();
  for (size_t i = 0; i < decoded.size(); ++i) {
    ++facts_.windows;
    facts_.tokens += static_cast<int>(decoded[i].tokens.size());
    facts_.fallbacks += decoded[i].attempts > 1 ? 1 : 0;
    Lane& lane = *waiting[i];
    Piece& piece = lane.piece;
    const int seek = piece.seek();
    piece.accept(decoded[i]);
    run.done_s += static_cast<double>(std::min(piece.seek(), piece.frames()) - seek) / kFramesPerSecond;
    if (!piece.next()) lane.audio = -1;
  }
  return {};
}

// Gives the caller what stands, in the order of time: a piece waits until those before it are done, unless `all` is to
// go.
void Transcriber::hand_on(Run& run, bool all) {
  while (!run.lanes.empty()) {
    const Lane& first = run.lanes.front();
    const std::span<const Segment> fresh = std::span(first.piece.segments()).subspan(run.handed_on);
    if (!fresh.empty()) {
      if (run.transcript.segments.empty()) facts_.first_text_ms = run.clock.elapsed_ms();
      run.transcript.segments.insert(run.transcript.segments.end(), fresh.begin(), fresh.end());
      run.handed_on += fresh.size();
      if (run.progress.segments) run.progress.segments(fresh);
    }
    if (first.audio >= 0 && !all) break;
    run.tokens.insert(run.tokens.end(), first.piece.tokens().begin(), first.piece.tokens().end());
    run.lanes.pop_front();
    run.handed_on = 0;
  }
  if (run.progress.position) run.progress.position(run.done_s, run.plan.audio_s);
}

}  // namespace shorthand
