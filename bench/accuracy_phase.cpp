// SPDX-License-Identifier: Apache-2.0
// Phase 3: what the text is worth. The built-in model against golden tensors of an independent program, int8 against
// float32 layer by layer, tokens over forced text, and wrong words on recordings it has not been trained on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "audio/recording.h"
#include "base/npy.h"
#include "engine/builtin.h"
#include "engine/piece_mel.h"
#include "engine/transcriber.h"
#include "suite.h"
#include "text/english_normalizer.h"
#include "text/words.h"
#include "tsv.h"

namespace shorthand::bench {
namespace {

constexpr const char* kGoldenRecording = "short-02.flac";
constexpr double kMostRelativeError = 1e-4;  // of float32 against the golden tensors

struct Difference {
  double signal = 0, error = 0, dot = 0, other = 0;
  Difference(std::span<const float> reference, std::span<const float> got) {
    for (size_t i = 0; i < reference.size(); ++i) {
      const double r = reference[i], g = got[i];
      signal += r * r, other += g * g, dot += r * g, error += (r - g) * (r - g);
    }
  }
  double relative() const { return std::sqrt(error / signal); }
  double snr_db() const { return 10 * std::log10(signal / error); }
  double cosine() const { return dot / std::sqrt(signal * other); }
};

// One engine with the built-in model.
struct Engine {
  Kernels kernels;
  ThreadPool pool;
  std::shared_ptr<const Model> model;
  Engine(const SuiteOptions& o, ComputeType type)
      : kernels(choose_kernels(o.isa)),
        pool(o.threads),
        model(*Model::from_bytes(builtin_model_bytes(), std::string(kBuiltinName), type, pool)) {}
  Context context() { return {&kernels, &pool}; }
};

struct Tensors {
  std::vector<float> mel, encoder, logits;  // [frames, n_mels], [positions, d], [1 + forced, n_vocab]
  std::vector<std::vector<float>> layers;
};

Result<Tensors> tensors_of(Engine& engine, const std::filesystem::path& audio, const std::vector<int>& forced) {
  const Config& c = engine.model->config();
  const LogMel log_mel(*engine.kernels.log_mel, engine.model->filter_bank());
  Recording recording = SHORTHAND_TRY(open_recording(audio));
  const int64_t samples = SHORTHAND_TRY(recording.scan()).samples;
  Tensors t;
  t.mel.resize(static_cast<size_t>(2 * c.n_audio_ctx) * static_cast<size_t>(c.n_mels));
  PieceMel piece(recording, log_mel, engine.pool, 0, samples + kWindowSamples);
  StageTimes times;
  SHORTHAND_TRY(piece.window(0, 2 * c.n_audio_ctx, t.mel, times));
  Encoder encoder(engine.model->weights(), engine.context());
  encoder.after_layer = [&](int, std::span<const float> x) { t.layers.emplace_back(x.begin(), x.end()); };
  EncoderOutput encoded(c);
  encoder.run(t.mel, encoded);
  t.encoder.assign(encoded.data.span().begin(), encoded.data.span().end());

  Decoder decoder(engine.model->weights(), engine.context(), 1, 1);
  decoder.set_audio(0, encoded);
  const SpecialTokens& s = engine.model->tokenizer().special();
  std::vector<int> ids{s.sot};
  if (s.is_multilingual()) ids.insert(ids.end(), {s.first_language, s.transcribe});
  ids.push_back(s.notimestamps);
  const size_t prompt = ids.size();
  ids.insert(ids.end(), forced.begin(), forced.end());
  for (size_t i = 0; i < ids.size(); ++i) {
    const DecoderRow row{0, 0, static_cast<int>(i), ids[i], i + 1 >= prompt};
    const auto logits = decoder.forward({&row, 1});
    t.logits.insert(t.logits.end(), logits.begin(), logits.end());
  }
  return t;
}

// Rows 0, 10, 20, ...: what the golden files hold of long tensors.
std::vector<float> every_tenth(const std::vector<float>& rows, size_t width) {
  std::vector<float> kept;
  for (size_t at = 0; at + width <= rows.size(); at += 10 * width)
    kept.insert(kept.end(), rows.begin() + static_cast<ptrdiff_t>(at),
                rows.begin() + static_cast<ptrdiff_t>(at + width));
  return kept;
}

// Share of rows whose largest text logit is the same.
double agreement(const std::vector<float>& a, const std::vector<float>& b, int n_vocab, int n_text) {
  const size_t width = static_cast<size_t>(n_vocab), rows = a.size() / width;
  size_t same = 0;
  for (size_t r = 0; r < rows; ++r) {
    const auto best = [&](const std::vector<float>& v) {
      const auto row = v.begin() + static_cast<ptrdiff_t>(r * width);
      return std::max_element(row, row + n_text) - row;
    };
    same += best(a) == best(b);
  }
  return static_cast<double>(same) / static_cast<double>(rows);
}

Result<void> compare_tensors(Bench& bench, PhaseReport& report) {
  const SuiteOptions& o = bench.options;
  const std::filesystem::path golden = o.data / "golden";
  const FloatArray mel = SHORTHAND_TRY(read_npy_floats(golden / "builtin.mel.npy"));
  const FloatArray encoder = SHORTHAND_TRY(read_npy_floats(golden / "builtin.encoder.npy"));
  const FloatArray logits = SHORTHAND_TRY(read_npy_floats(golden / "builtin.logits.npy"));
  const std::vector<int> ids = SHORTHAND_TRY(read_npy_ids(golden / "builtin.tokens.npy"));
  Engine float32(o, ComputeType::float32), int8(o, ComputeType::int8);
  const Tensors f = SHORTHAND_TRY(tensors_of(float32, o.data / "speech" / kGoldenRecording, ids));
  const Tensors q = SHORTHAND_TRY(tensors_of(int8, o.data / "speech" / kGoldenRecording, ids));

  Table table{"Built-in model: float32 against golden tensors, int8 against float32",
              {"tensor", "float32: relative L2 to golden", "int8: relative L2", "int8: SNR", "int8: cosine"},
              {},
              -1,
              "Golden tensors come from an independent NumPy program with the same weights."};
  const auto add = [&](const std::string& name, double relative, std::span<const float> reference,
                       std::span<const float> got) {
    const Difference d(reference, got);
    table.rows.push_back(
        {name, relative < 0 ? "" : fmt::format("{:.1e}", relative), fmt::format("{:.4f}", d.relative()),
         d.error == 0 ? "same bits" : fmt::format("{:.1f} dB", d.snr_db()), fmt::format("{:.6f}", d.cosine())});
    report.data.push_back({{"tensor", name},
                           {"relative_to_golden", relative < 0 ? Json() : Json(relative)},
                           {"int8_relative", d.relative()},
                           {"int8_snr_db", d.error == 0 ? Json() : Json(d.snr_db())},
                           {"int8_cosine", d.cosine()}});
    if (relative > kMostRelativeError)
      report.failures.push_back(fmt::format("{}: float32 is {:.1e} from the golden tensor, not within {:.0e}", name,
                                            relative, kMostRelativeError));
  };
  const auto golden_mel = every_tenth(f.mel, static_cast<size_t>(float32.model->config().n_mels));
  const auto golden_encoder = every_tenth(f.encoder, static_cast<size_t>(float32.model->config().n_audio_state));
  if (mel.values.size() != golden_mel.size() || encoder.values.size() != golden_encoder.size() ||
      logits.values.size() != f.logits.size())
    return bad_input(fmt::format("{}: tensors of another model than the built-in one", golden.string()));
  const size_t n_mels = mel.shape[0], frames = golden_mel.size() / n_mels;
  std::vector<float> by_frame(golden_mel.size());  // the file is [n_mels, frames]
  for (size_t m = 0; m < n_mels; ++m) {
    for (size_t t = 0; t < frames; ++t) by_frame[t * n_mels + m] = mel.values[m * frames + t];
  }
  add("log-mel", Difference(by_frame, golden_mel).relative(), f.mel, q.mel);
  for (size_t i = 0; i < f.layers.size(); ++i) add(fmt::format("encoder layer {}", i), -1, f.layers[i], q.layers[i]);
  add("encoder output", Difference(encoder.values, golden_encoder).relative(), f.encoder, q.encoder);
  add("logits over forced text", Difference(logits.values, f.logits).relative(), f.logits, q.logits);
  report.tables.push_back(std::move(table));

  const Config& c = float32.model->config();
  const double same = agreement(f.logits, q.logits, c.n_vocab, float32.model->tokenizer().special().eot);
  report.tables.push_back(
      {"Token agreement",
       {"what", "share"},
       {{"int8 and float32 choose the same token over forced text",
         fmt::format("{:.1f} % of {}", 100 * same, f.logits.size() / static_cast<size_t>(c.n_vocab))}},
       -1,
       ""});
  report.data.push_back({{"token_agreement", same}});
  return {};
}

Result<void> count_wrong_words(Bench& bench, PhaseReport& report) {
  const std::filesystem::path folder = bench.options.data / "speech";
  const auto texts = SHORTHAND_TRY(read_tsv(folder / "texts.tsv", 4, "--data names the folder tests/data"));
  std::map<std::string, std::map<std::string, WordErrors>> errors;  // by kind, by compute type
  Engine float32(bench.options, ComputeType::float32), int8(bench.options, ComputeType::int8);
  for (const std::vector<std::string>& fields : texts) {
    bench.say(fmt::format("wrong words: {}", fields[0]));
    for (Engine* engine : {&float32, &int8}) {
      Recording recording = SHORTHAND_TRY(open_recording(folder / fields[0]));
      Transcriber transcriber(engine->model, true, engine->context(),
                              make_cpu_backend(engine->model->weights(), engine->context()));
      const Transcript transcript = SHORTHAND_TRY(transcriber.run(recording, {}, {}));
      if (transcriber.facts().damage) return *transcriber.facts().damage;
      errors[fields[3]][engine == &int8 ? "int8" : "float32"] +=
          word_errors(normalize_english(fields[1]), normalize_english(transcript.text));
    }
  }
  Table table{"Built-in model: wrong words on held-out recordings (Whisper's English normaliser)",
              {"recordings", "words", "float32", "int8"},
              {},
              -1,
              ""};
  for (auto& [kind, by_type] : errors) {
    table.rows.push_back({kind, std::to_string(by_type["int8"].reference_words),
                          fmt::format("{:.1f} %", 100 * by_type["float32"].rate()),
                          fmt::format("{:.1f} %", 100 * by_type["int8"].rate())});
    report.data.push_back({{"recordings", kind},
                           {"words", by_type["int8"].reference_words},
                           {"float32_word_error_rate", by_type["float32"].rate()},
                           {"int8_word_error_rate", by_type["int8"].rate()}});
  }
  report.tables.push_back(std::move(table));
  return {};
}

}  // namespace

PhaseReport run_accuracy(Bench& bench) {
  PhaseReport report;
  report.name = "accuracy";
  bench.say("golden tensors");
  report.ran = true;
  for (const auto& part : {compare_tensors, count_wrong_words, compare_on_recordings}) {
    if (const auto done = part(bench, report); !done) {
      report.failures.push_back(done.error().message);
      report.ran = report.ran && !report.tables.empty();
    }
  }
  return report;
}

}  // namespace shorthand::bench
