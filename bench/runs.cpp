// SPDX-License-Identifier: Apache-2.0
#include "runs.h"

#include <fmt/format.h>

#include <cstring>

#include "audio/recording.h"
#include "base/file.h"
#include "model/random.h"
#include "text/vocabulary.h"

namespace shorthand::bench {
namespace {

namespace fs = std::filesystem;

// The last line that a program wrote on standard error.
std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "nothing said";
  const size_t start = text.find_last_of('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? 0 : start + 1) + 1);
}

Result<void> must_succeed(const std::vector<std::string>& command) {
  const Finished done = SHORTHAND_TRY(run_child(command));
  if (done.status != 0)
    return io_error(fmt::format("`{}` ended with {}: {}", fmt::join(command, " "), done.status, last_line(done.err)));
  return {};
}

void append_little_endian(std::string& to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 255);
}

// RIFF WAVE, 16 kHz, one channel, 16 bits.
std::string wav_header(uint32_t data_bytes) {
  std::string h = "RIFF";
  append_little_endian(h, 36 + data_bytes, 4);
  h += "WAVEfmt ";
  append_little_endian(h, 16, 4);
  append_little_endian(h, 1, 2);
  append_little_endian(h, 1, 2);
  append_little_endian(h, kSampleRate, 4);
  append_little_endian(h, 2 * kSampleRate, 4);
  append_little_endian(h, 2, 2);
  append_little_endian(h, 16, 2);
  h += "data";
  append_little_endian(h, data_bytes, 4);
  return h;
}

std::string stats_path(const Bench& bench) { return (bench.options.work / "stats.json").string(); }

}  // namespace

Result<RandomModelFiles> make_random_model(Bench& bench, const std::string& size, bool with_q8_0) {
  RandomModelFiles files;
  const auto vocabulary = is_english_size(size) ? OpenAiVocabulary::english : OpenAiVocabulary::multilingual;
  files.config = SHORTHAND_TRY(
      random_config(size, SHORTHAND_TRY(parse_tiktoken(openai_tiktoken(vocabulary), "vocabulary")).pieces.size()));
  const fs::path base = bench.options.work / size;
  files.ggml = base.string() + ".bin";
  files.ggml_q8_0 = base.string() + "-q8_0.bin";
  files.native = base.string() + ".shorthand";
  const std::string program = bench.options.program, tokens = std::to_string(kTokensAWindow);
  if (!fs::exists(files.ggml)) {
    bench.say(fmt::format("making a random {}", size));
    SHORTHAND_TRY(must_succeed({program, "models", "random", "--like", size, "--eot-after", tokens, files.ggml}));
  }
  if (with_q8_0 && !fs::exists(files.ggml_q8_0)) {
    SHORTHAND_TRY(must_succeed(
        {program, "models", "random", "--like", size, "--eot-after", tokens, "--type", "q8_0", files.ggml_q8_0}));
  }
  if (!fs::exists(files.native)) {
    bench.say(fmt::format("packing {}", size));
    SHORTHAND_TRY(must_succeed({program, "models", "convert", files.ggml, files.native}));
  }
  files.native_bytes = static_cast<double>(fs::file_size(files.native));
  return files;
}

Result<std::string> make_recording(Bench& bench, double seconds) {
  const fs::path path = bench.options.work / fmt::format("{:.0f}s.wav", seconds);
  if (fs::exists(path)) return path.string();
  std::vector<int16_t> speech;
  for (const char* name : {"long-1.flac", "long-2.flac", "long-3.flac"}) {
    Recording recording = SHORTHAND_TRY(open_recording(bench.options.data / "speech" / name));
    const auto samples = static_cast<size_t>(SHORTHAND_TRY(recording.scan()).samples);
    std::vector<float> values(samples);
    SHORTHAND_TRY(recording.read(0, values));
    for (const float v : values) speech.push_back(static_cast<int16_t>(v * 32768.0f));
  }
  const size_t wanted = static_cast<size_t>(seconds * kSampleRate);
  AtomicFile file = SHORTHAND_TRY(AtomicFile::create(path));
  SHORTHAND_TRY(file.write(wav_header(static_cast<uint32_t>(2 * wanted))));
  for (size_t written = 0; written < wanted;) {
    const size_t now = std::min(speech.size(), wanted - written);
    SHORTHAND_TRY(file.write(std::as_bytes(std::span(speech).first(now))));
    written += now;
  }
  SHORTHAND_TRY(file.commit());
  return path.string();
}

std::vector<std::string> command_of(Bench& bench, const EqualWork& work) {
  std::vector<std::string> command = {bench.options.program,
                                      "transcribe",
                                      work.audio,
                                      "-m",
                                      work.model,
                                      "-l",
                                      "en",
                                      "--vad",
                                      "none",
                                      "--without-timestamps",
                                      "--no-fallback",
                                      "--force-tokens",
                                      std::to_string(kTokensAWindow),
                                      "-b",
                                      std::to_string(work.batch),
                                      "-t",
                                      std::to_string(work.threads),
                                      "--isa",
                                      std::string(isa_name(work.isa)),
                                      "-q",
                                      "--stats",
                                      stats_path(bench)};
  if (work.skip_padding) command.emplace_back("--skip-padding");
  return command;
}

Result<WholeRun> run_once(Bench& bench, const EqualWork& work) {
  const std::vector<std::string> command = command_of(bench, work);
  const std::string stats_file = stats_path(bench);
  WholeRun run{SHORTHAND_TRY(run_child(command)), {}};
  if (run.finished.status != 0)
    return io_error(fmt::format("`{}` ended with {}: {}", fmt::join(command, " "), run.finished.status,
                                last_line(run.finished.err)));
  const std::string text = SHORTHAND_TRY(read_text_file(stats_file, size_t{1} << 20));
  run.stats = Json::parse(text, nullptr, false);
  if (run.stats.is_discarded() || !run.stats.contains("windows"))
    return io_error(fmt::format("{}: not what --stats writes", stats_file));
  // A report travels; the folder of this machine says nothing.
  const auto without_folder = [](Json& path) { path = fs::path(path.get<std::string>()).filename().string(); };
  without_folder(run.stats["model"]["name"]);
  for (Json& input : run.stats["inputs"]) without_folder(input["input"]);
  // What --stats adds once the work is done.
  run.finished.wall_ms -= run.stats["model"].value("hash_ms", 0.0);
  const int windows = run.stats["windows"].get<int>(), tokens = run.stats["tokens"].get<int>();
  const int expected = windows_of(run.stats["audio_s"].get<double>());
  if (windows != expected || tokens != expected * kTokensAWindow)
    return io_error(fmt::format("{} windows and {} tokens were decoded, not {} and {}: not the work that was asked for",
                                windows, tokens, expected, expected * kTokensAWindow));
  return run;
}

}  // namespace shorthand::bench
