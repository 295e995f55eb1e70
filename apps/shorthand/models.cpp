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
#include "model/checkpoint.h"
#include "model/native.h"
#include "model/pull.h"
#include "model/random.h"
#include "model/store.h"
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

Result<void> list(const std::string& format) {
  const Store store = SHORTHAND_TRY(Store::of_user());
  const std::vector<Installed> installed = SHORTHAND_TRY(store.list());
  if (format == "json") {
    Json out = Json::array();
    out.push_back({{"name", kBuiltinName}, {"path", nullptr}, {"bytes", builtin_model_bytes().size()}});
    for (const Installed& m : installed)
      out.push_back({{"name", m.name}, {"path", m.path.string()}, {"bytes", m.bytes}});
    return write_stdout(out.dump(2) + "\n");
  }
  std::string text =
      fmt::format("{:<24} {:>8.1f} MB  part of the program: English digits, numbers, dates, commands, coffee orders\n",
                  kBuiltinName, static_cast<double>(builtin_model_bytes().size()) / 1e6);
  for (const Installed& m : installed)
    text += fmt::format("{:<24} {:>8.1f} MB  {}\n", m.name, static_cast<double>(m.bytes) / 1e6, m.path.string());
  if (installed.empty())
    text += fmt::format("none installed in {}; `shorthand models pull base.en` gets one\n", store.directory().string());
  return write_stdout(text);
}

// What info shows, of any format.
struct Facts {
  std::string path, format;
  Config config;
  bool english_only = false;
  size_t text_tokens = 0;
  uint64_t bytes = 0;
  uint64_t parameters = 0;
  bool float_weights = false;  // every weight is there as a float, of whatever width
  GenerationConfig generation;

  void take(Checkpoint checkpoint) {
    format = std::move(checkpoint.format);
    config = checkpoint.config;
    english_only = checkpoint.english_only;
    text_tokens = checkpoint.pieces.size();
    generation = std::move(checkpoint.generation);
    float_weights = std::ranges::all_of(checkpoint.tensors, [](const auto& t) { return is_float(t.second.dtype); });
  }
};

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

Result<Facts> facts_of(const std::string& name) {
  Facts f;
  if (name == kBuiltinName && !fs::exists(name)) {
    f.take(SHORTHAND_TRY(parse_checkpoint(builtin_model_bytes(), kBuiltinName)));
    f.path = kBuiltinName;
    f.bytes = builtin_model_bytes().size();
  } else {
    const fs::path path = SHORTHAND_TRY(SHORTHAND_TRY(Store::of_user()).resolve(name));
    f.path = path.string();
    bool native = false;
    if (!fs::is_directory(path)) {
      const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
      f.bytes = file.bytes().size();
      native = is_native(file.bytes());
      if (native) {
        const NativeView view = SHORTHAND_TRY(parse_native(file.bytes(), f.path));
        f.format = fmt::format("native {}", compute_type_name(view.header.type));
        f.config = view.header.config;
        f.english_only = view.header.english_only;
        f.text_tokens = view.header.pieces.size();
        f.generation = view.header.generation;
        f.float_weights = view.header.type == ComputeType::float32;
      }
    }
    if (!native) {
      Checkpoint c = SHORTHAND_TRY(open_checkpoint(path));
      if (f.bytes == 0) {
        for (const MappedFile& file : c.files) f.bytes += file.bytes().size();
      }
      f.take(std::move(c));
    }
  }
  for_each_tensor(f.config, [&](const std::string&, const Shape& shape) { f.parameters += shape.elements(); });
  return f;
}

Result<void> info(const std::string& name, const std::string& format) {
  const Facts f = SHORTHAND_TRY(facts_of(name));
  const Config& c = f.config;
  const int languages = f.english_only ? 1 : c.n_vocab - static_cast<int>(f.text_tokens) - kSpecialsBesidesLanguages;
  const AlignmentHeads heads = alignment_heads_of(c, f.english_only, f.generation);
  if (format == "json") {
    const Json out = {{"path", f.path},
                      {"format", f.format},
                      {"size", size_name(c)},
                      {"bytes", f.bytes},
                      {"float_weights", f.float_weights},
                      {"parameters", f.parameters},
                      {"n_vocab", c.n_vocab},
                      {"text_tokens", f.text_tokens},
                      {"languages", languages},
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
      f.path, f.format, static_cast<double>(f.bytes) / 1e6, f.float_weights ? "" : "; the float weights are not there",
      size_name(c), static_cast<double>(f.parameters) / 1e6, c.n_audio_layer, c.n_audio_state, c.n_audio_head,
      c.n_audio_ctx, c.n_mels, c.n_text_layer, c.n_text_state, c.n_text_head, c.n_text_ctx, c.n_vocab, f.text_tokens,
      f.english_only ? "English only" : fmt::format("{} language{}", languages, languages == 1 ? "" : "s"),
      heads.heads.size(), describe(heads.source)));
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
  if (quiet) return {};
  const std::string how = pulled.was_installed ? "is installed already"
                          : pulled.verified    ? "is installed, checksum verified"
                                               : "is installed; the server announced no checksum to verify";
  fmt::print(stderr, "{} {}: {}\n", name, how, pulled.path.string());
  return {};
}

// "-" means standard output elsewhere; here it would become a file of that name.
Result<void> check_output(const std::string& out) {
  if (out == "-") return usage_error("OUT: a model is not written to standard output; give the name of a file");
  return {};
}

Result<void> convert(const std::string& in, const std::string& out, const std::string& compute_type, int threads) {
  const ComputeType type = SHORTHAND_TRY(parse_compute_type(compute_type));
  SHORTHAND_TRY(check_output(out));
  ThreadPool pool(threads > 0 ? threads : physical_cores());
  std::shared_ptr<const Model> model;
  if (in == kBuiltinName && !fs::exists(in)) {
    model = SHORTHAND_TRY(Model::from_bytes(builtin_model_bytes(), std::string(kBuiltinName), type, pool));
  } else {
    model = SHORTHAND_TRY(Model::open(SHORTHAND_TRY(SHORTHAND_TRY(Store::of_user()).resolve(in)), type, pool));
  }
  return model->save(out);
}

Result<void> remove(const std::string& name) {
  const Store store = SHORTHAND_TRY(Store::of_user());
  const std::vector<Installed> installed = SHORTHAND_TRY(store.list());
  const bool is_file = std::ranges::any_of(installed, [&](const Installed& m) { return m.name == name; });
  if (name == kBuiltinName && !is_file)
    return unsupported(
        fmt::format("{}: is part of the program and stays; `shorthand models list` shows what can go", name));
  return store.remove(name);
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
                                    "Fetch, list, look at, convert, make and remove models\n\nExamples:\n"
                                    "  shorthand models pull base.en           from Hugging Face, resumable\n"
                                    "  shorthand models info base.en\n"
                                    "  shorthand models convert base.en base.en.shorthand\n");
  models->require_subcommand(1);

  auto* list_command = models->add_subcommand("list", "Models that are installed");
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
      "quantised), or OWNER/REPO with safetensors. Environment: HF_ENDPOINT, HF_TOKEN");
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

  auto* convert_command = models->add_subcommand("convert", "Write the native packed format, which starts at once");
  auto in = std::make_shared<std::string>(), out = std::make_shared<std::string>(),
       type = std::make_shared<std::string>("auto");
  auto threads = std::make_shared<int>(0);
  convert_command->add_option("IN", *in, "File, directory, or name of an installed model")->required();
  convert_command->add_option("OUT", *out, "File to write")->required();
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
