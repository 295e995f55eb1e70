// SPDX-License-Identifier: Apache-2.0
#include "losses.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "audio/recording.h"
#include "engine/piece_mel.h"
#include "text/languages.h"

namespace shorthand::bench {
namespace {

constexpr int kMostTokens = 120;  // an answer of 30 s has fewer

double decibels(double signal, double error) { return error == 0 ? INFINITY : 10 * std::log10(signal / error); }

void compare_encoders(const EncoderOutput& want, const EncoderOutput& got, Loss& loss) {
  const size_t width = static_cast<size_t>(want.width);
  double signal = 0, error = 0;
  std::vector<double> rows;
  for (size_t at = 0; at < static_cast<size_t>(want.positions) * width; at += width) {
    double row_signal = 0, row_error = 0;
    for (size_t i = at; i < at + width; ++i) {
      const double w = static_cast<double>(want.data[i]), d = static_cast<double>(got.data[i]) - w;
      row_signal += w * w, row_error += d * d;
    }
    signal += row_signal, error += row_error;
    rows.push_back(decibels(row_signal, row_error));
  }
  const auto middle = rows.begin() + static_cast<ptrdiff_t>(rows.size() / 2);
  std::nth_element(rows.begin(), middle, rows.end());
  loss.encoder_db = decibels(signal, error);
  loss.encoder_row_db = *middle;
}

// log-softmax in double precision
std::vector<double> log_probabilities(std::span<const float> logits) {
  const double largest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (float l : logits) sum += std::exp(static_cast<double>(l) - largest);
  std::vector<double> p;
  p.reserve(logits.size());
  for (float l : logits) p.push_back(static_cast<double>(l) - largest - std::log(sum));
  return p;
}

void compare_logits(std::span<const float> want, std::span<const float> got, Loss& loss) {
  const std::vector<double> p = log_probabilities(want), q = log_probabilities(got);
  for (size_t i = 0; i < p.size(); ++i) loss.divergence += std::exp(p[i]) * (p[i] - q[i]);
  const auto best = [](std::span<const float> l) { return std::ranges::max_element(l) - l.begin(); };
  loss.flips += best(want) != best(got);
  ++loss.tokens;
}

// A decoder that has heard the sound.
class Reader {
 public:
  Reader(const Model& model, const Context& context, const EncoderOutput& heard)
      : decoder_(model.weights(), context, 1, 1) {
    decoder_.set_audio(0, heard);
  }
  std::span<const float> read(int token) {
    const DecoderRow row{0, 0, position_++, token, true};
    return decoder_.forward({&row, 1});
  }

 private:
  Decoder decoder_;
  int position_ = 0;
};

}  // namespace

Result<LossMeter> LossMeter::open(const std::filesystem::path& model, int threads, Isa isa) {
  LossMeter meter;
  meter.kernels_ = std::make_unique<Kernels>(choose_kernels(isa));
  meter.pool_ = std::make_unique<ThreadPool>(threads);
  meter.float32_ = SHORTHAND_TRY(Model::open(model, ComputeType::float32, *meter.pool_));
  meter.int8_ = SHORTHAND_TRY(Model::open(model, ComputeType::int8, *meter.pool_));
  return meter;
}

Result<AlignedBuffer<float>> LossMeter::first_window(const std::filesystem::path& path) {
  const Config& c = float32_->config();
  const LogMel log_mel(*kernels_->log_mel, float32_->filter_bank());
  Recording recording = SHORTHAND_TRY(open_recording(path, {}));
  const int64_t samples = SHORTHAND_TRY(recording.scan()).samples;
  PieceMel piece(recording, log_mel, *pool_, 0, samples);
  const int frames = 2 * c.n_audio_ctx;
  AlignedBuffer<float> mel(static_cast<size_t>(frames) * static_cast<size_t>(c.n_mels));
  StageTimes times;
  SHORTHAND_TRY(piece.window(0, frames, mel.span(), times));
  return mel;
}

EncoderOutput LossMeter::encode(const Model& model, std::span<const float> mel) {
  EncoderOutput out(model.config());
  Encoder(model.weights(), context()).run(mel, out);
  return out;
}

Result<Loss> LossMeter::measure(const std::filesystem::path& recording, std::string_view language) {
  const AlignedBuffer<float> mel = SHORTHAND_TRY(first_window(recording));
  const EncoderOutput want = encode(*float32_, mel.span()), got = encode(*int8_, mel.span());
  Loss loss;
  compare_encoders(want, got, loss);

  const SpecialTokens& s = float32_->tokenizer().special();
  std::vector<int> prompt{s.sot};
  if (s.is_multilingual()) {
    const int index = language_index(language == "-" ? "en" : language);
    if (index < 0) return usage_error(fmt::format("{}: '{}' is no language", recording.string(), language));
    prompt.insert(prompt.end(), {s.first_language + index, s.transcribe});
  }
  Reader exact(*float32_, context(), want), rough(*int8_, context(), got);
  for (int token : prompt) exact.read(token), rough.read(token);
  for (int token = s.notimestamps; token != s.eot && loss.tokens < kMostTokens;) {
    const std::span<const float> wanted = exact.read(token);
    compare_logits(wanted, rough.read(token), loss);
    token = static_cast<int>(std::max_element(wanted.begin(), wanted.begin() + s.eot + 1) - wanted.begin());
  }
  return loss;
}

}  // namespace shorthand::bench
