// SPDX-License-Identifier: Apache-2.0
// shorthand transcribe: recordings to text.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <set>

#include "audio/recording.h"
#include "base/clock.h"
#include "cli.h"
#include "compute.h"
#include "engine/transcriber.h"
#include "output.h"
#include "stats.h"
#include "terminal.h"
#include "text/languages.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;

// As typed; resolve() turns them into what the engine takes.
struct Arguments {
  std::vector<std::string> inputs;
  bool recursive = false;
  ComputeOptions compute;
  std::string batch_size = "auto", vad;
  bool sequential = false, skip_padding = false;
  std::string language = "auto", languages, task = "transcribe";
  std::string temperature = "0,0.2,0.4,0.6,0.8,1";
  bool no_fallback = false;
  std::string compression_ratio_threshold = "2.4", logprob_threshold = "-1", no_speech_threshold = "0.6";
  int best_of = 5;
  std::string length_penalty;
  uint64_t seed = 0;
  std::string initial_prompt, prefix;
  bool carry_initial_prompt = false, no_condition_on_previous_text = false;
  bool without_timestamps = false;
  std::string max_initial_timestamp = "1";
  std::string suppress_tokens = "-1";
  bool no_suppress_blank = false;
  int max_tokens = 0, force_tokens = 0;
  std::string offset, duration, clip_timestamps;
  std::string track, channels = "mix";
  std::string formats = "txt", output_dir;
  bool quiet = false, no_progress = false, verbose = false;
  std::string stats;
};

std::atomic<bool> stop_requested{false};
void request_stop(int) { stop_requested = true; }

// A usage error that says which option it is about.
template <class T>
Result<T> about(std::string_view option, Result<T> result) {
  if (result) return result;
  return Error{result.error().kind, fmt::format("{}: {}", option, result.error().message)};
}

Result<std::vector<double>> parse_temperatures(const Arguments& a) {
  std::vector<double> temperatures;
  for (const std::string& part : split_commas(a.temperature)) {
    const double t = SHORTHAND_TRY(about("--temperature", parse_number(part)));
    if (t < 0 || t > 10) return usage_error(fmt::format("--temperature: {} is not between 0 and 10", part));
    temperatures.push_back(t);
  }
  if (temperatures.empty()) return usage_error("--temperature: give a number, or several with commas between them");
  if (a.no_fallback) temperatures.resize(1);
  return temperatures;
}

Result<std::vector<double>> parse_clips(const Arguments& a) {
  if (!a.clip_timestamps.empty() && !(a.offset.empty() && a.duration.empty())) {
    return usage_error("--clip-timestamps and --offset or --duration exclude each other");
  }
  std::vector<double> clips;
  for (const std::string& part : split_commas(a.clip_timestamps)) {
    clips.push_back(SHORTHAND_TRY(about("--clip-timestamps", parse_time(part))));
  }
  if (a.offset.empty() && a.duration.empty()) return clips;
  const double offset = a.offset.empty() ? 0.0 : SHORTHAND_TRY(about("--offset", parse_time(a.offset)));
  clips.push_back(offset);
  if (!a.duration.empty()) clips.push_back(offset + SHORTHAND_TRY(about("--duration", parse_time(a.duration))));
  return clips;
}

Result<void> resolve_layout(const Arguments& a, TranscribeOptions& o) {
  if (a.sequential) {
    if (a.batch_size != "auto" || (!a.vad.empty() && a.vad != "none")) {
      return usage_error(
          "--sequential goes window by window through the whole recording; leave out --batch-size and --vad");
    }
    o.layout = Layout::sequential;
    return {};
  }
  if (a.batch_size != "auto") {
    const double n = SHORTHAND_TRY(about("--batch-size", parse_number(a.batch_size)));
    if (n != std::floor(n) || n < 1 || n > 256)
      return usage_error(fmt::format("--batch-size: '{}' is neither auto nor from 1 to 256", a.batch_size));
    o.batch_size = static_cast<int>(n);
    o.layout = Layout::pauses;
  }
  if (a.vad == "auto") o.layout = Layout::pauses;
  if (a.vad == "none") o.layout = Layout::fixed;
  return {};
}

Result<TranscribeOptions> resolve(const Arguments& a) {
  TranscribeOptions o;
  if (a.language != "auto") o.language = std::string(SHORTHAND_TRY(about("--language", parse_language(a.language))));
  for (const std::string& l : split_commas(a.languages)) {
    o.languages.emplace_back(SHORTHAND_TRY(about("--languages", parse_language(l))));
  }
  o.task = a.task == "translate" ? Task::translate : Task::transcribe;
  SHORTHAND_TRY(resolve_layout(a, o));
  o.skip_padding = a.skip_padding;
  o.initial_prompt = a.initial_prompt;
  o.carry_initial_prompt = a.carry_initial_prompt;
  o.condition_on_previous_text = !a.no_condition_on_previous_text;
  o.prefix = a.prefix;
  o.clips_s = SHORTHAND_TRY(parse_clips(a));
  o.max_tokens = a.max_tokens;
  o.suppress.clear();
  for (const std::string& id : split_commas(a.suppress_tokens)) {
    const double n = SHORTHAND_TRY(about("--suppress-tokens", parse_number(id)));
    if (n != std::floor(n) || n < -1 || n > 1e9)
      return usage_error(fmt::format("--suppress-tokens: '{}' is not a token id", id));
    o.suppress.push_back(static_cast<int>(n));
  }
  DecodingOptions& d = o.decoding;
  d.timestamps = !a.without_timestamps;
  d.max_initial_timestamp_s = SHORTHAND_TRY(about("--max-initial-timestamp", parse_threshold(a.max_initial_timestamp)));
  d.suppress_blank = !a.no_suppress_blank;
  d.force_tokens = a.force_tokens;
  d.temperatures = SHORTHAND_TRY(parse_temperatures(a));
  d.best_of = a.best_of;
  if (!a.length_penalty.empty())
    d.length_penalty = SHORTHAND_TRY(about("--length-penalty", parse_number(a.length_penalty)));
  d.seed = a.seed;
  d.compression_ratio_threshold =
      SHORTHAND_TRY(about("--compression-ratio-threshold", parse_threshold(a.compression_ratio_threshold)));
  d.logprob_threshold = SHORTHAND_TRY(about("--logprob-threshold", parse_threshold(a.logprob_threshold)));
  d.no_speech_threshold = SHORTHAND_TRY(about("--no-speech-threshold", parse_threshold(a.no_speech_threshold)));
  return o;
}

// What the command line tells of the language that is spoken or written.
Wanted::Language spoken(const TranscribeOptions& o) {
  const auto is_english = [](const std::string& code) { return code == "en"; };
  if (o.task == Task::translate) return Wanted::Language::other;
  if (o.language != "auto") return is_english(o.language) ? Wanted::Language::english : Wanted::Language::other;
  if (o.languages.empty()) return Wanted::Language::unknown;
  return std::ranges::all_of(o.languages, is_english) ? Wanted::Language::english : Wanted::Language::other;
}

// -1 = all channels mixed.
Result<int> parse_channel(const std::string& text) {
  if (text == "mix") return -1;
  if (text == "split")
    return unsupported("--channels split: not in this build; give a channel's number, one call a channel");
  const auto n = parse_number(text);
  if (!n || *n < 0 || *n > 1023 || *n != std::floor(*n))
    return usage_error(fmt::format("--channels: '{}' is neither mix nor a channel's number from 0", text));
  return static_cast<int>(*n);
}

// A number, or a language: by Whisper's names for it too.
std::string parse_track(const std::string& text) {
  const auto language = parse_language(text);
  return language ? std::string(*language) : text;
}

// By its name: in a folder that is walked, everything else is left alone.
bool looks_like_sound(const fs::path& path) {
  static const std::set<std::string> known = {
      ".aac", ".ac3",  ".aif", ".aiff", ".amr",  ".ape",  ".au",   ".avi", ".caf", ".dts", ".flac",
      ".flv", ".m4a",  ".m4b", ".m4v",  ".mka",  ".mkv",  ".mov",  ".mp2", ".mp3", ".mp4", ".mpeg",
      ".mpg", ".mpga", ".mts", ".oga",  ".ogg",  ".ogv",  ".opus", ".ra",  ".rm",  ".spx", ".tta",
      ".ts",  ".wav",  ".gsm", ".g722", ".weba", ".webm", ".wma",  ".wmv", ".wv",  ".3gp", ".3g2"};
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return known.contains(extension);
}

// Inputs as given, folders replaced by the files in them.
Result<std::vector<std::string>> expand_inputs(const Arguments& a) {
  std::vector<std::string> inputs;
  for (const std::string& input : a.inputs) {
    std::error_code ignored;
    if (!a.recursive || !fs::is_directory(input, ignored)) {
      inputs.push_back(input);
      continue;
    }
    std::vector<std::string> files;
    for (const auto& entry :
         fs::recursive_directory_iterator(input, fs::directory_options::skip_permission_denied, ignored)) {
      if (entry.is_regular_file(ignored) && looks_like_sound(entry.path())) files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    inputs.insert(inputs.end(), files.begin(), files.end());
  }
  if (inputs.empty()) return bad_input(fmt::format("{}: no sound or video files in it", a.inputs.front()));
  return inputs;
}

// What a reader should know before the text: what was chosen or assumed.
void tell_about(const std::string& input, const SoundInfo& sound) {
  if (!sound.assumption.empty()) fmt::print(stderr, "shorthand: {}: {}\n", input, sound.assumption);
  if (sound.tracks.size() > 1) {
    fmt::print(stderr, "shorthand: {}: sound track {}; --track takes another: {}\n", input,
               describe_track(sound.tracks, sound.track), describe_tracks(sound.tracks, sound.track));
  }
}

// The facts of an input whose text has been written, whole or in part.
Result<RunFacts> transcribe_one(const std::string& input, const DecodeOptions& sound, const TranscribeOptions& options,
                                const Arguments& a, const Output& output, Transcriber& transcriber,
                                ProgressLine& line) {
  Result<void> streamed;
  Progress progress;
  progress.position = [&](double done_s, double total_s) { line.show(done_s, total_s); };
  progress.cancelled = [&] { return stop_requested.load() || !streamed.ok(); };
  progress.segments = [&](std::span<const Segment> segments) {
    line.clear();
    if (output.streams()) {
      if (streamed.ok()) streamed = output.stream(segments);
    } else if (a.verbose && !a.quiet) {
      for (const Segment& s : segments)
        fmt::print(stderr, "[{} --> {}]{}\n", clock_text(s.start), clock_text(s.end), s.text);
    }
  };
  if (std::error_code ignored; fs::is_directory(input, ignored))
    return bad_input(fmt::format("{}: is a directory; -r transcribes the sound and video files in it", input));
  Recording recording = SHORTHAND_TRY(open_recording(input, sound));
  if (!a.quiet) tell_about(input, recording.info());
  Result<Transcript> transcript = transcriber.run(recording, options, progress);
  if (!streamed.ok()) return streamed.error();
  if (!transcript.ok()) {
    if (transcript.error().kind == Error::Kind::cancelled)
      return Error{Error::Kind::cancelled, fmt::format("{}: stopped", input)};
    return transcript.error();
  }
  if (transcript->segments.empty() && !a.quiet) fmt::print(stderr, "shorthand: {}: no speech found\n", input);
  line.clear();
  if (const auto& jump = transcriber.facts().clock_jump; jump && !a.quiet) {
    fmt::print(stderr, "shorthand: {}: its clock jumps ahead by {} at {}; later times leave that out\n", input,
               clock_text(jump->seconds), clock_text(jump->at_s));
  }
  SHORTHAND_TRY(output.write(input, *transcript));
  return transcriber.facts();
}

int run(const Arguments& a) {
  const auto options = resolve(a);
  if (!options) return complain(options.error()), status_of(options.error());
  const auto channel = parse_channel(a.channels);
  if (!channel) return complain(channel.error()), status_of(channel.error());
  const DecodeOptions sound{.track = parse_track(a.track), .channel = *channel};
  const auto inputs = expand_inputs(a);
  if (!inputs) return complain(inputs.error()), status_of(inputs.error());
  const auto output = Output::plan(*inputs, a.formats, a.output_dir);
  if (!output) return complain(output.error()), status_of(output.error());
  const auto compute = open_compute(a.compute, spoken(*options));
  if (!compute) return complain(compute.error()), status_of(compute.error());
  if (!(*compute)->chosen.why.empty() && !a.quiet) complain((*compute)->chosen.why);

  auto backend = (*compute)->backend();
  if (!backend) return complain(backend.error()), status_of(backend.error());
  if ((*compute)->simulated() && !a.quiet) {
    fmt::print(stderr,
               "shorthand: the encoder runs on a simulated {} array, not on a device: seconds to minutes a window\n",
               (*compute)->array);
  }

  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  Transcriber transcriber((*compute)->model, (*compute)->builtin(), (*compute)->context(), std::move(*backend));
  RunStats stats;
  int status = kDone;
  const Stopwatch clock;
  for (const std::string& input : *inputs) {
    const double started_ms = clock.elapsed_ms();
    ProgressLine line(!a.quiet && !a.no_progress, input);
    const auto facts = transcribe_one(input, sound, *options, a, *output, transcriber, line);
    line.clear();
    InputFacts of_input{input, {}, 0, clock.elapsed_ms() - started_ms};
    if (facts) {
      stats.add(*facts, started_ms);
      of_input.audio_s = facts->audio_s;
    }
    if (const auto failed = facts ? facts->damage : facts.error()) {
      complain(*failed);
      status = std::max(status, status_of(*failed));
      of_input.error = failed->message;
    }
    stats.inputs.push_back(std::move(of_input));
    if (stop_requested) break;
  }
  stats.total_ms = clock.elapsed_ms();
  if (a.verbose && !a.quiet && stats.sum.audio_s > 0) {
    fmt::print(stderr, "shorthand: {:.1f} s of sound in {:.2f} s, {:.1f}x realtime, on {}\n", stats.sum.audio_s,
               stats.total_ms / 1000, stats.sum.audio_s / (stats.total_ms / 1000), stats.sum.decoded_on.isa);
  }
  if (const RanOn& on = stats.sum.encoded_on; on.simulated && !a.quiet) {
    fmt::print(stderr, "shorthand: {} windows encoded on {}; simulated time of the array {:.1f} ms\n",
               stats.sum.windows, on.device, on.array_ms);
  }
  if (!a.stats.empty()) {
    if (const auto written = write_stats(a.stats, stats, **compute); !written) {
      complain(written.error());
      status = std::max(status, kFailed);
    }
  }
  return status;
}

CLI::Option* rare(CLI::Option* option) { return option->group(kRareOptions); }

void add_options(CLI::App& c, Arguments& a) {
  c.add_option("INPUT", a.inputs, "Sound or video files, - for standard input, or folders with --recursive")
      ->required();
  c.add_flag("-r,--recursive", a.recursive, "Go through folders");
  add_compute_options(c, a.compute);
  c.add_option("-l,--language", a.language, "Code or name of the language spoken, or auto")->capture_default_str();
  c.add_option("--task", a.task, "transcribe, or translate into English")
      ->check(CLI::IsMember({"transcribe", "translate"}))
      ->capture_default_str();
  c.add_option("-f,--format", a.formats, "Comma list of txt, srt, vtt, tsv, json, csv, lrc")->capture_default_str();
  c.add_option("-o,--output-dir", a.output_dir,
               "Folder for the results [one input in one format: standard output; otherwise beside each input]");
  c.add_option("--initial-prompt", a.initial_prompt, "Text as if said before: names, spelling, style");
  c.add_option("--offset", a.offset, "Begin here: seconds or [HH:]MM:SS[.mmm]");
  c.add_option("--duration", a.duration, "Stop after so much: seconds or [HH:]MM:SS[.mmm]");
  c.add_option("--track", a.track,
               "Which of several sound tracks: its number, from 1, or its language [the file's default, then the one "
               "with the most channels]");
  c.add_option("-b,--batch-size", a.batch_size,
               "Cut the recording at pauses and decode so many pieces together; auto: as suits the model")
      ->capture_default_str();
  c.add_flag("--sequential", a.sequential,
             "Window by window through the whole recording with the text before, as the reference does");
  c.add_flag("-q,--quiet", a.quiet, "Say nothing but errors");
  c.add_flag("-v,--verbose", a.verbose, "Say more");
  c.add_option("--stats", a.stats, "Write the facts of the run as JSON to this file, - for standard error");

  rare(c.add_flag("--no-progress", a.no_progress, "No progress line"));
  rare(c.add_option("--languages", a.languages, "Comma list that auto may choose from"));
  rare(c.add_option("--vad", a.vad, "How to cut pieces: auto (at pauses), none (every 30 s exactly)")
           ->check(CLI::IsMember({"none", "auto"})));
  rare(c.add_flag("--skip-padding", a.skip_padding,
                  "Encode short windows without most of the silence that fills them to 30 s: several times as fast; "
                  "unsure words may change"));
  rare(c.add_option("--clip-timestamps", a.clip_timestamps, "Only these parts: start,end,start,..."));
  rare(c.add_option("--channels", a.channels, "mix, or the number of one channel, from 0")->capture_default_str());
  rare(c.add_option("--temperature", a.temperature,
                    "One value, or a ladder that is climbed while the result looks wrong")
           ->capture_default_str());
  rare(c.add_flag("--no-fallback", a.no_fallback, "Only the first temperature"));
  rare(c.add_option("--compression-ratio-threshold", a.compression_ratio_threshold,
                    "Text that compresses better repeats itself; none = off")
           ->capture_default_str());
  rare(c.add_option("--logprob-threshold", a.logprob_threshold,
                    "Text with a lower mean log-probability is unlikely; none = off")
           ->capture_default_str());
  rare(c.add_option("--no-speech-threshold", a.no_speech_threshold,
                    "A window that is likelier silent is skipped; none = off")
           ->capture_default_str());
  rare(c.add_option("--best-of", a.best_of, "Samples drawn at temperatures above 0")
           ->check(CLI::Range(1, 64))
           ->capture_default_str());
  rare(c.add_option("--length-penalty", a.length_penalty,
                    "Rank samples by log-probability / ((5 + length) / 6)^P instead of the mean"));
  rare(c.add_option("--seed", a.seed, "Of the random draws at temperatures above 0")->capture_default_str());
  rare(c.add_flag("--carry-initial-prompt", a.carry_initial_prompt, "Show the initial prompt to every window"));
  rare(c.add_option("--prefix", a.prefix, "Text that every window begins with"));
  rare(c.add_flag("--no-condition-on-previous-text", a.no_condition_on_previous_text,
                  "Windows do not see the text before them"));
  rare(c.add_flag("--without-timestamps", a.without_timestamps, "One segment a window"));
  rare(c.add_option("--max-initial-timestamp", a.max_initial_timestamp,
                    "Latest start of a window's first segment, in seconds; none = any")
           ->capture_default_str());
  rare(c.add_option("--suppress-tokens", a.suppress_tokens,
                    "Ids never to sample; -1 = signs that are not speech; empty = none")
           ->capture_default_str());
  rare(c.add_flag("--no-suppress-blank", a.no_suppress_blank, "A window may begin with a blank"));
  rare(c.add_option("--max-tokens", a.max_tokens,
                    "Sampled tokens a window at the most [224, or half of what the model can hold]")
           ->check(CLI::Range(1, 4096)));
  rare(c.add_option("--force-tokens", a.force_tokens, "For benchmarks: exactly so many text tokens a window")
           ->check(CLI::Range(1, 4096)));
}

}  // namespace

void add_transcribe(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("transcribe",
                                     "Turn recordings into text\n\nExamples:\n"
                                     "  shorthand transcribe talk.mp3\n"
                                     "  shorthand transcribe -m base.en -f srt film.mkv > film.srt\n"
                                     "  ffmpeg -i rtsp://camera -f wav - | shorthand transcribe -\n"
                                     "  shorthand transcribe -r -f txt,vtt -o texts recordings/");
  auto arguments = std::make_shared<Arguments>();
  add_options(*command, *arguments);
  command->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace shorthand::cli
