// SPDX-License-Identifier: Apache-2.0
// shorthand models: fetch, list, look at, convert, make and remove models.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "audio/log_mel.h"
#include "base/phrase.h"
#include "cli.h"
#include "compute.h"
#include "engine/builtin.h"
#include "model/alignment_heads.h"
#include "model/choice.h"
#include "model/facts.h"
#include "model/library.h"
#include "model/pull.h"
#include "model/random.h"
#include "output.h"
#include "terminal.h"
#include "text/vocabulary.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::atomic<bool> stop_requested{false};

// Runs one of the commands below and turns its error into a line and a status.
int finish(const Result<void>& done) {
  if (done) return kDone;
  complain(done.error());
  return status_of(done.error());
}

// What runs without -m, for `models list` and `models default`: a choice that fails is a fact too, not the end.
Result<ChosenModel> used_without_option() { return find_model("", {}); }

std::string languages_of(const ModelFacts& f) {
  if (f.english_only) return "English only";
  return fmt::format("{} language{}", f.languages(), f.languages() == 1 ? "" : "s");
}

// One line of the table, or the object of a script.
struct Row {
  std::string name, path;
  uint64_t bytes = 0;
  Result<ModelFacts> facts;
  bool cached = false;
};

Json as_json(const Row& row, bool used) {
  Json out{{"name", row.name}, {"path", row.path.empty() ? Json() : Json(row.path)}, {"bytes", row.bytes}};
  out["where"] = row.path.empty() ? "program" : row.cached ? "hugging face cache" : "store";
  out["used_without_model_option"] = used;
  if (row.facts.ok()) {
    out["format"] = row.facts->format;
    out["size"] = size_name(row.facts->config);
    out["languages"] = row.facts->languages();
    out["english_only"] = row.facts->english_only;
  } else {
    out["error"] = row.facts.error().message;
  }
  return out;
}

std::string as_line(const Row& row, bool used) {
  const std::string what = row.path.empty()
                               ? "part of the program: English digits, numbers, dates, commands, coffee orders"
                           : row.facts.ok() ? fmt::format("{:<8} {:<12}  {:<19}  {}", size_name(row.facts->config),
                                                          languages_of(*row.facts), row.facts->format, row.path)
                                            : fmt::format("cannot be read: {}", row.facts.error().message);
  return fmt::format("{} {:<30} {:>8.1f} MB  {}\n", used ? '*' : ' ', row.name, static_cast<double>(row.bytes) / 1e6,
                     what);
}

std::vector<Row> rows_of(const Library& library, std::vector<Installed> installed) {
  std::vector<Row> rows;
  rows.push_back(
      {std::string(kBuiltinName), "", builtin_model_bytes().size(), parse_facts(builtin_model_bytes(), kBuiltinName)});
  const auto add = [&](std::vector<Installed> models, bool cached) {
    for (Candidate& c : survey(std::move(models)))
      rows.push_back({c.model.name, c.model.path.string(), c.model.bytes, std::move(c.facts), cached});
  };
  add(std::move(installed), false);
  if (library.cache) add(library.cache->list(), true);
  return rows;
}

Result<void> list(const std::string& format) {
  const Library library = SHORTHAND_TRY(Library::of_user());
  std::vector<Installed> installed = SHORTHAND_TRY(library.store.list());
  const bool none = installed.empty();
  const std::vector<Row> rows = rows_of(library, std::move(installed));
  const auto used = used_without_option();
  const auto is_used = [&](const Row& row) {
    return used.ok() && row.path == (used->path ? used->path->string() : std::string());
  };
  if (format == "json") {
    Json out = Json::array();
    for (const Row& row : rows) out.push_back(as_json(row, is_used(row)));
    return write_stdout(out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  std::string text;
  bool in_cache = false;
  for (const Row& row : rows) {
    if (row.cached && !in_cache)
      text += fmt::format("in Hugging Face's cache, {}:\n", library.cache->directory().string());
    in_cache = row.cached;
    text += as_line(row, is_used(row));
  }
  if (none)
    text += fmt::format("none installed in {}; `shorthand models pull base` gets one\n",
                        library.store.directory().string());
  text +=
      used.ok() ? fmt::format("* without -m: {}\n", used->why) : fmt::format("without -m: {}\n", used.error().message);
  return write_stdout(text);
}

std::string_view describe(AlignmentSource source) {
  switch (source) {
    case AlignmentSource::file: return "named by the model's files";
    case AlignmentSource::name: return "those of OpenAI's model of this size";
    case AlignmentSource::upper_half: break;
  }
  return "all of the decoder's upper half";
}
std::string_view code_of(AlignmentSource source) {
  switch (source) {
    case AlignmentSource::file: return "file";
    case AlignmentSource::name: return "name";
    case AlignmentSource::upper_half: break;
  }
  return "upper_half";
}

// "builtin" is the model in the program, unless a file has that name.
Result<std::optional<fs::path>> path_of(const std::string& name) {
  if (name == kBuiltinName && !fs::exists(name)) return std::optional<fs::path>();
  return std::optional(SHORTHAND_TRY(resolve_model(name)));
}

Result<void> info(const std::string& name, const std::string& format) {
  const auto found = SHORTHAND_TRY(path_of(name));
  const ModelFacts f = SHORTHAND_TRY(found ? read_facts(*found) : parse_facts(builtin_model_bytes(), kBuiltinName));
  const std::string path = found ? found->string() : std::string(kBuiltinName);
  const Config& c = f.config;
  const AlignmentHeads heads = alignment_heads_of(c, f.english_only, f.generation);
  if (format == "json") {
    const Json out = {{"path", path},
                      {"format", f.format},
                      {"size", size_name(c)},
                      {"bytes", f.bytes},
                      {"float_weights", f.float_weights},
                      {"parameters", f.parameters()},
                      {"n_vocab", c.n_vocab},
                      {"text_tokens", f.text_tokens},
                      {"languages", f.languages()},
                      {"english_only", f.english_only},
                      {"n_audio_ctx", c.n_audio_ctx},
                      {"n_audio_state", c.n_audio_state},
                      {"n_audio_head", c.n_audio_head},
                      {"n_audio_layer", c.n_audio_layer},
                      {"n_text_ctx", c.n_text_ctx},
                      {"n_text_state", c.n_text_state},
                      {"n_text_head", c.n_text_head},
                      {"n_text_layer", c.n_text_layer},
                      {"n_mels", c.n_mels},
                      {"alignment_heads", heads.heads},
                      {"alignment_heads_from", code_of(heads.source)}};
    return write_stdout(out.dump(2) + "\n");
  }
  return write_stdout(fmt::format(
      "{}\n  format      {}, {:.1f} MB{}\n  size        {}: {:.1f} M parameters\n  encoder     {} layers, {} wide, {} "
      "heads, {} positions, {} mels\n"
      "  decoder     {} layers, {} wide, {} heads, {} positions\n  vocabulary  {}: {} text tokens, {}\n"
      "  alignment   {} heads, {}\n",
      path, f.format, static_cast<double>(f.bytes) / 1e6, f.float_weights ? "" : "; the float weights are not there",
      size_name(c), static_cast<double>(f.parameters()) / 1e6, c.n_audio_layer, c.n_audio_state, c.n_audio_head,
      c.n_audio_ctx, c.n_mels, c.n_text_layer, c.n_text_state, c.n_text_head, c.n_text_ctx, c.n_vocab, f.text_tokens,
      languages_of(f), heads.heads.size(), describe(heads.source)));
}

// How the model that was fetched is used: by itself, or by its name.
std::string how_to_use(const std::string& name, const fs::path& path) {
  const auto used = used_without_option();
  if (used.ok() && used->path == path)
    return fmt::format("without -m it is what runs now ({}): shorthand transcribe talk.mp3", used->chosen_by);
  const std::string otherwise = used.ok() ? fmt::format("; without -m runs {}", used->name) : "";
  return fmt::format("use it with -m: shorthand transcribe -m {} talk.mp3{}", name, otherwise);
}

Result<void> pull_one(const Store& store, const std::string& name, bool again, bool quiet) {
  PullOptions options = PullOptions::from_environment();
  options.again = again;
  DownloadLine line(!quiet, name);
  options.progress = [&](const DownloadProgress& p) {
    line.show(p.bytes, p.total, p.bytes_per_s);
    return !stop_requested.load();
  };
  const Pulled pulled = SHORTHAND_TRY(pull(store, name, options));
  line.clear();
  // What this program cannot read is installed all the same, but nobody shall learn it later.
  SHORTHAND_TRY(read_facts(pulled.path));
  if (quiet) return {};
  const std::string how = pulled.was_installed ? "is installed already"
                          : pulled.verified    ? "is installed, checksum verified"
                                               : "is installed; the server announced no checksum to verify";
  fmt::print(stderr, "{} {}: {}\n{}\n", name, how, pulled.path.string(), how_to_use(name, pulled.path));
  return {};
}

// "-" means standard output elsewhere; here it would become a file of that name.
Result<void> check_output(const std::string& out) {
  if (out == "-") return usage_error("OUT: a model is not written to standard output; give the name of a file");
  return {};
}

// Where a packed model goes that nobody gave a file: among the installed ones, which it makes start at once.
Result<fs::path> install_path(const std::string& in) {
  const Store store = SHORTHAND_TRY(Store::of_user());
  std::error_code error;
  fs::create_directories(store.directory(), error);
  if (error) return io_error(fmt::format("{}: {}", store.directory().string(), system_message(error.value())));
  return store.packed_path(in);
}

Result<void> convert(const std::string& in, const std::string& out, const std::string& compute_type, int threads) {
  const ComputeType type = SHORTHAND_TRY(parse_compute_type(compute_type));
  SHORTHAND_TRY(check_output(out));
  ThreadPool pool(threads > 0 ? threads : physical_cores());
  const auto model = SHORTHAND_TRY(open_model(SHORTHAND_TRY(path_of(in)), type, pool));
  if (!out.empty()) return model->save(out);
  const fs::path path = SHORTHAND_TRY(install_path(in));
  SHORTHAND_TRY(model->save(path));
  fmt::print(stderr, "{} is installed as {}: {}\n", in, compute_type_name(type), path.string());
  return {};
}

Result<void> remove(const std::string& name) {
  const Library library = SHORTHAND_TRY(Library::of_user());
  if (name == kBuiltinName && !library.store.find(name))
    return unsupported(
        fmt::format("{}: is part of the program and stays; `shorthand models list` shows what can go", name));
  const bool was_default = SHORTHAND_TRY(library.remove(name));
  if (!was_default) return {};
  const auto used = used_without_option();
  fmt::print(stderr, "{} was the default, which is now unset{}\n", name,
             used.ok() ? fmt::format("; without -m runs {}", used->name) : "");
  return {};
}

struct DefaultArguments {
  std::string name, format = "text";
  bool unset = false;
};

// Shows what runs without -m, or changes it and says what came of it.
Result<void> set_or_show_default(const DefaultArguments& a) {
  const Library library = SHORTHAND_TRY(Library::of_user());
  if (a.unset && !a.name.empty()) return usage_error("NAME and --unset exclude each other");
  if (a.unset) SHORTHAND_TRY(library.store.unset_default());
  if (!a.name.empty()) SHORTHAND_TRY(library.store.set_default(SHORTHAND_TRY(check_default(library, a.name))));
  const ChosenModel used = SHORTHAND_TRY(used_without_option());
  if (a.format == "json") {
    const Json out{
        {"name", used.name}, {"path", used.path ? Json(used.path->string()) : Json()}, {"chosen_by", used.chosen_by}};
    return write_stdout(out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  return write_stdout(fmt::format("without -m: {}\n", used.why));
}

struct RandomArguments {
  std::string like, out, type = "f16";
  uint64_t seed = 1234;
  int eot_after = 100;
  double embed_std = 0.05, special_gain = 0.25;
};

Result<void> make_random(const RandomArguments& a) {
  SHORTHAND_TRY(check_output(a.out));
  const auto which = is_english_size(a.like) ? OpenAiVocabulary::english : OpenAiVocabulary::multilingual;
  Vocabulary vocabulary = SHORTHAND_TRY(parse_tiktoken(openai_tiktoken(which), "vocabulary"));
  RandomModel model;
  model.config = SHORTHAND_TRY(random_config(a.like, vocabulary.pieces.size()));
  model.pieces = std::move(vocabulary.pieces);
  model.english_only = which == OpenAiVocabulary::english;
  const FilterBank filters = FilterBank::slaney(model.config.n_mels);
  model.mel_filters.assign(filters.weights().begin(), filters.weights().end());
  const auto type = parse_dtype(a.type);
  if (!type) return usage_error(fmt::format("--type: '{}' is none of f32, f16, q8_0, q5_0, q5_1, q4_0, q4_1", a.type));
  model.matrices = *type;
  model.seed = a.seed;
  model.eot_after = a.eot_after;
  model.embed_std = a.embed_std;
  model.special_gain = a.special_gain;
  ThreadPool pool(physical_cores());
  return write_random_model(a.out, model, pool);
}

void add_format(CLI::App& command, std::string& format) {
  command.add_option("--format", format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
}

}  // namespace

void add_models(CLI::App& app, int& status) {
  auto* models = app.add_subcommand("models",
                                    "Fetch, list, choose, look at, convert, make and remove models\n\nExamples:\n"
                                    "  shorthand models pull base              from Hugging Face, resumable\n"
                                    "  shorthand models default base           use it where -m names no other\n"
                                    "  shorthand models info base.en\n"
                                    "  shorthand models convert base           pack it: starts at once\n");
  models->require_subcommand(1);

  auto* list_command = models->add_subcommand("list", "Models that are installed, and those in Hugging Face's cache");
  auto list_format = std::make_shared<std::string>("text");
  add_format(*list_command, *list_format);
  list_command->callback([=, &status] { status = finish(list(*list_format)); });

  auto* info_command = models->add_subcommand("info", "Sizes and vocabulary of a model");
  auto info_name = std::make_shared<std::string>(), info_format = std::make_shared<std::string>("text");
  info_command->add_option("MODEL", *info_name, "File, directory, or name of an installed model")->required();
  add_format(*info_command, *info_format);
  info_command->callback([=, &status] { status = finish(info(*info_name, *info_format)); });

  auto* pull_command = models->add_subcommand(
      "pull",
      "Download a model from Hugging Face: NAME of whisper.cpp's list (tiny ... large-v3-turbo, also .en and "
      "quantised), a distilled one (distil-small.en ... distil-large-v3.5), or OWNER/REPO with safetensors or in "
      "faster-whisper's form. Environment: HF_ENDPOINT, HF_TOKEN, https_proxy");
  auto names = std::make_shared<std::vector<std::string>>();
  auto again = std::make_shared<bool>(false), quiet = std::make_shared<bool>(false);
  pull_command->add_option("NAME", *names, "Models to fetch")->required();
  pull_command->add_flag("--again", *again, "Fetch it though it is installed");
  pull_command->add_flag("-q,--quiet", *quiet, "Say nothing but errors");
  pull_command->callback([=, &status] {
    std::signal(SIGINT, [](int) { stop_requested = true; });
    const auto store = Store::of_user();
    if (!store) return complain(store.error()), void(status = kFailed);
    for (const std::string& name : *names) status = std::max(status, finish(pull_one(*store, name, *again, *quiet)));
  });

  auto* default_command = models->add_subcommand(
      "default",
      "Show or set the model that runs where neither -m nor SHORTHAND_MODEL names one; where none is set, the best "
      "installed one runs");
  auto chosen = std::make_shared<DefaultArguments>();
  default_command->add_option("NAME", chosen->name, "Name of an installed model, or builtin, or a path with a / in it");
  default_command->add_flag("--unset", chosen->unset, "Forget what was set");
  add_format(*default_command, chosen->format);
  default_command->callback([=, &status] { status = finish(set_or_show_default(*chosen)); });

  auto* convert_command = models->add_subcommand("convert", "Write the native packed format, which starts at once");
  auto in = std::make_shared<std::string>(), out = std::make_shared<std::string>(),
       type = std::make_shared<std::string>("auto");
  auto threads = std::make_shared<int>(0);
  convert_command->add_option("IN", *in, "File, directory, or name of an installed model")->required();
  convert_command->add_option("OUT", *out, "File to write [installs it under the name of IN]");
  convert_command->add_option("--compute-type", *type, "auto (int8), int8, float32")->capture_default_str();
  convert_command->add_option("-t,--threads", *threads, "Threads [physical cores]")->check(CLI::Range(1, 1024));
  convert_command->callback([=, &status] { status = finish(convert(*in, *out, *type, *threads)); });

  auto* random_command = models->add_subcommand(
      "random", "Write a model of random weights, for benchmarks and tests: it transcribes nothing");
  auto random = std::make_shared<RandomArguments>();
  random_command
      ->add_option("--like", random->like, "Size: tiny, base, small, medium, large-v3, large-v3-turbo, micro, ...")
      ->required();
  random_command->add_option("--seed", random->seed, "The same seed gives the same bytes everywhere")
      ->capture_default_str();
  random_command->add_option("--eot-after", random->eot_after, "End of text after so many text tokens; 0 = never")
      ->check(CLI::Range(0, 400))
      ->capture_default_str();
  random_command->add_option("--type", random->type, "Of the matrices: f32, f16, q8_0, q5_0, q5_1, q4_0, q4_1")
      ->capture_default_str();
  random_command->add_option("--embed-std", random->embed_std, "Spread of the token embedding")->capture_default_str();
  random_command->add_option("--special-gain", random->special_gain, "Scale of the special tokens' rows")
      ->capture_default_str();
  random_command->add_option("OUT", random->out, "File to write")->required();
  random_command->callback([=, &status] { status = finish(make_random(*random)); });

  auto* rm_command = models->add_subcommand("rm", "Delete an installed model");
  auto gone = std::make_shared<std::string>();
  rm_command->add_option("NAME", *gone, "As `shorthand models list` shows it")->required();
  rm_command->callback([=, &status] { status = finish(remove(*gone)); });
}

}  // namespace shorthand::cli
