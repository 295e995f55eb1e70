// SPDX-License-Identifier: Apache-2.0
// shorthand dump: one window's tensors, for those who compare implementations. No decoding rule is applied.
#include <fmt/format.h>

#include <algorithm>

#include "audio/recording.h"
#include "base/npy.h"
#include "cli.h"
#include "compute.h"
#include "engine/piece_mel.h"
#include "model/decoder.h"

namespace shorthand::cli {
namespace {

struct Arguments {
  std::string input, output_dir, forced_ids;
  ComputeOptions compute;
  int window = 0, greedy = 0;
  bool skip_padding = false;
};

// The window's frames as they come out of the front end, silence included: [frames, n_mels]. Without its padding they
// are what `transcribe --skip-padding` gives the encoder.
Result<AlignedBuffer<float>> window_mel(Compute& compute, const Arguments& a) {
  const Config& c = compute.model->config();
  const LogMel log_mel(*compute.kernels.log_mel, compute.model->filter_bank());
  Recording recording = SHORTHAND_TRY(open_recording(a.input, {}));
  const int64_t samples = SHORTHAND_TRY(recording.scan()).samples;
  PieceMel piece(recording, log_mel, compute.pool, 0, samples);
  const int frames = 2 * c.n_audio_ctx;
  if (a.window * frames > piece.frames())
    return usage_error(fmt::format("--window {}: {} ends before it", a.window, a.input));
  const int sounding = std::min(frames, piece.frames() - a.window * frames);
  const int heard = a.skip_padding ? heard_frames(sounding, frames) : frames;
  AlignedBuffer<float> mel(static_cast<size_t>(heard) * static_cast<size_t>(c.n_mels));
  StageTimes times;
  SHORTHAND_TRY(piece.window(a.window * frames, a.skip_padding ? sounding : frames, mel.span(), times));
  return mel;
}

// Row 0 after the prompt, row k after k more ids: those of `forced`, or the likeliest text token each time.
std::vector<float> run_decoder(Decoder& decoder, const Tokenizer& tokenizer, const std::vector<int>& forced, int greedy,
                               std::vector<int32_t>& tokens) {
  const SpecialTokens& s = tokenizer.special();
  std::vector<int> ids{s.sot};
  if (s.is_multilingual()) ids.insert(ids.end(), {s.first_language, s.transcribe});
  ids.push_back(s.notimestamps);
  std::vector<DecoderRow> rows;
  for (size_t i = 0; i < ids.size(); ++i) rows.push_back({0, 0, static_cast<int>(i), ids[i], i + 1 == ids.size()});
  std::span<const float> logits = decoder.forward(rows);
  std::vector<float> all(logits.begin(), logits.end());
  const size_t steps = forced.empty() ? static_cast<size_t>(greedy) : forced.size();
  for (size_t i = 0; i < steps; ++i) {
    const int token = forced.empty()
                          ? static_cast<int>(std::max_element(logits.begin(), logits.begin() + s.eot) - logits.begin())
                          : forced[i];
    tokens.push_back(token);
    const DecoderRow row{0, 0, static_cast<int>(ids.size() + i), token, true};
    logits = decoder.forward({&row, 1});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

Result<void> dump(const Arguments& a) {
  const std::vector<int> forced = a.forced_ids.empty() ? std::vector<int>() : SHORTHAND_TRY(read_npy_ids(a.forced_ids));
  const auto compute = SHORTHAND_TRY(open_compute(a.compute));
  if (!compute->chosen.why.empty()) complain(compute->chosen.why);
  const Config& c = compute->model->config();
  const int steps = forced.empty() ? a.greedy : static_cast<int>(forced.size());
  if (4 + steps > c.n_text_ctx)
    return usage_error(fmt::format("{} tokens are more than this model can hold ({})", steps, c.n_text_ctx));
  for (int id : forced) {
    if (id < 0 || id >= c.n_vocab)
      return usage_error(fmt::format("{}: id {} is not in the vocabulary of {}", a.forced_ids, id, c.n_vocab));
  }

  const AlignedBuffer<float> mel = SHORTHAND_TRY(window_mel(*compute, a));
  EncoderOutput encoded(c);
  const std::unique_ptr<Backend> backend = SHORTHAND_TRY(compute->backend());
  SHORTHAND_TRY(backend->encode(mel.span(), encoded));
  Decoder decoder(compute->model->weights(), compute->context(), 1, 1);
  decoder.set_audio(0, encoded);
  std::vector<int32_t> tokens;
  const std::vector<float> logits = run_decoder(decoder, compute->model->tokenizer(), forced, a.greedy, tokens);

  const size_t n_mels = static_cast<size_t>(c.n_mels), frames = mel.size() / n_mels;
  std::vector<float> transposed(mel.size());
  for (size_t t = 0; t < frames; ++t) {
    for (size_t m = 0; m < n_mels; ++m) transposed[m * frames + t] = mel[t * n_mels + m];
  }
  const std::filesystem::path folder(a.output_dir);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return io_error(fmt::format("{}: cannot make this folder: {}", a.output_dir, failure.message()));
  SHORTHAND_TRY(write_npy(folder / "mel.npy", transposed, {n_mels, frames}));
  SHORTHAND_TRY(write_npy(folder / "encoder.npy",
                          encoded.data.span().first(static_cast<size_t>(encoded.positions * encoded.width)),
                          {static_cast<size_t>(encoded.positions), static_cast<size_t>(encoded.width)}));
  SHORTHAND_TRY(write_npy(folder / "logits.npy", logits,
                          {logits.size() / static_cast<size_t>(c.n_vocab), static_cast<size_t>(c.n_vocab)}));
  return write_npy(folder / "tokens.npy", tokens, {tokens.size()});
}

}  // namespace

void add_dump(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("dump", "For developers: write one window's tensors as .npy files");
  auto a = std::make_shared<Arguments>();
  command->add_option("AUDIO", a->input, "Recording")->required();
  command->add_option("-o,--output-dir", a->output_dir, "Folder for mel.npy, encoder.npy, logits.npy, tokens.npy")
      ->required();
  command->add_option("--window", a->window, "Which window of 30 s, from 0")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  auto* greedy = command->add_option("--greedy", a->greedy, "Tokens to decode by bare arg-max over the text tokens")
                     ->check(CLI::Range(0, 4096));
  command->add_flag("--skip-padding", a->skip_padding, "Encode the sound and two seconds behind it; CPU only");
  command->add_option("--forced-ids", a->forced_ids, "Tokens to decode instead: an .npy array of ids")
      ->excludes(greedy);
  add_compute_options(*command, a->compute);
  command->callback([a, &status] {
    const Result<void> done = dump(*a);
    if (done) return;
    complain(done.error());
    status = status_of(done.error());
  });
}

}  // namespace shorthand::cli
