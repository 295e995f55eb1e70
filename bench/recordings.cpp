// SPDX-License-Identifier: Apache-2.0
// A model given by --weights on recordings with transcripts: what int8 loses, and how many words both get wrong.
#include <fmt/format.h>

#include <fstream>
#include <map>

#include "engine/transcriber.h"
#include "losses.h"
#include "suite.h"
#include "text/english_normalizer.h"
#include "text/words.h"

namespace shorthand::bench {
namespace {

// A line of index.tsv: file, seconds, language ("-" where nobody speaks), kind, speaker, transcript ("?" where it is
// not known).
struct Clip {
  std::string file, language, transcript;
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
    if (fields.size() < 6) return bad_input(fmt::format("{}: a line of {} fields", path.string(), fields.size()));
    clips.push_back({fields[0], fields[2], fields[5]});
  }
  return clips;
}

// Languages that are written without spaces are counted by character.
std::string words_in(std::string_view text, std::string_view language) {
  const std::string plain = normalize_english(text);
  if (language != "zh" && language != "ja") return plain;
  std::string apart;
  for (const char c : plain) {
    const bool starts = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (starts && !apart.empty()) apart += ' ';
    if (c != ' ') apart += c;
  }
  return apart;
}

struct Counts {
  int files = 0;
  WordErrors float32, int8;
};

struct Totals {
  double least_db = INFINITY, least_row_db = INFINITY, divergence = 0;
  int tokens = 0, flips = 0, differing = 0;
};

Result<std::string> text_of(LossMeter& meter, ComputeType type, const std::filesystem::path& path,
                            const std::string& language) {
  Transcriber transcriber(meter.model(type), false, meter.context(),
                          make_cpu_backend(meter.model(type)->weights(), meter.context()));
  Recording recording = SHORTHAND_TRY(open_recording(path));
  TranscribeOptions options;
  options.language = language == "-" || !meter.model(type)->tokenizer().special().is_multilingual() ? "en" : language;
  return SHORTHAND_TRY(transcriber.run(recording, options, {})).text;
}

std::vector<std::string> row_of(const std::string& name, const Counts& c) {
  const auto share = [](const WordErrors& e) {
    return e.reference_words == 0 ? fmt::format("{} invented", e.insertions)
                                  : fmt::format("{} ({:.2f} %)", e.total(), 100 * e.rate());
  };
  return {name, std::to_string(c.files), std::to_string(c.float32.reference_words), share(c.float32), share(c.int8)};
}

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
  std::map<std::string, Counts> by_language;
  Counts all;
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
    if (clip.transcript == "?") continue;
    Counts& counts = by_language[clip.language == "-" ? "nobody speaks" : clip.language];
    const std::string said = words_in(clip.transcript, clip.language);
    const std::string exact = words_in(
        SHORTHAND_TRY(text_of(meter, ComputeType::float32, o.recordings / clip.file, clip.language)), clip.language);
    const std::string rough = words_in(
        SHORTHAND_TRY(text_of(meter, ComputeType::int8, o.recordings / clip.file, clip.language)), clip.language);
    t.differing += exact != rough;
    for (Counts* c : {&counts, &all}) {
      ++c->files;
      c->float32 += word_errors(said, exact), c->int8 += word_errors(said, rough);
    }
  }
  losses.rows.push_back({"least, or all together", fmt::format("{:.1f} dB", t.least_db),
                         fmt::format("{:.1f} dB", t.least_row_db), std::to_string(t.tokens),
                         fmt::format("{:.2f}", 1e3 * t.divergence / t.tokens),
                         fmt::format("{} ({:.2f} %)", t.flips, 100.0 * t.flips / t.tokens)});
  report.tables.push_back(std::move(losses));

  Table words{
      fmt::format("{}: wrong words (Whisper's English normaliser; zh, ja: characters)", o.weights.filename().string()),
      {"language", "recordings", "words", "float32", "int8"},
      {},
      -1,
      fmt::format("{} texts differ.", t.differing)};
  for (const auto& [language, counts] : by_language) words.rows.push_back(row_of(language, counts));
  words.rows.push_back(row_of("all", all));
  report.data.push_back(
      {{"words", all.int8.reference_words}, {"float32_wrong", all.float32.total()}, {"int8_wrong", all.int8.total()}});
  report.tables.push_back(std::move(words));
  return {};
}

}  // namespace shorthand::bench
