// SPDX-License-Identifier: Apache-2.0
#include "model/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <system_error>

#include "base/file.h"
#include "base/phrase.h"
#include "model/catalog.h"
#include "model/hf_weights.h"
#include "model/huggingface.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGgmlRepository = "ggerganov/whisper.cpp";

struct Wanted {
  const char* name;
  bool required;
};

// Of a repository, besides config.json and the weights.
constexpr Wanted kSmallFiles[] = {
    {"generation_config.json", false},
    {"preprocessor_config.json", false},
    {"tokenizer.json", false},
    {"vocab.json", false},
    {"merges.txt", false},
    {"added_tokens.json", false},
};
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kNotes = ".pull.json";  // commit, and which files were compared with a checksum

std::string list_of_names() { return fmt::format("{}", fmt::join(known_models(), ", ")); }

// OWNER/REPO as Hugging Face allows it: letters, digits, '-', '_' and '.', no run of two that could mean something
// else.
bool is_repository(std::string_view name) {
  const auto plain = [](std::string_view part) {
    return !part.empty() && part.size() <= 96 && part[0] != '.' && part[0] != '-' &&
           part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.';
           });
  };
  const size_t slash = name.find('/');
  return slash != std::string_view::npos && plain(name.substr(0, slash)) && plain(name.substr(slash + 1));
}

Error unknown_name(std::string_view name) {
  const std::string_view near = nearest(name, known_models());
  return usage_error(
      fmt::format("no model '{}' to pull{}; the names are {}; or give OWNER/REPO of a Whisper model on "
                  "Hugging Face",
                  printable(name), near.empty() ? "" : fmt::format("; did you mean '{}'?", near), list_of_names()));
}

Result<void> make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return io_error(fmt::format("{}: cannot create: {}", path.string(), system_message(error.value())));
  return {};
}

std::string url_of(const PullOptions& options, std::string_view repository, std::string_view revision,
                   std::string_view file) {
  std::string_view endpoint = options.endpoint;
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return fmt::format("{}/{}/resolve/{}/{}", endpoint, repository, revision, file);
}

Result<Pulled> pull_ggml(const Store& store, std::string_view name, const PullOptions& options) {
  const std::string file = fmt::format("ggml-{}.bin", name);
  Pulled pulled;
  pulled.path = store.directory() / file;
  std::error_code ignored;
  pulled.was_installed = fs::exists(pulled.path, ignored);
  if (pulled.was_installed && !options.again) return pulled;
  SHORTHAND_TRY(make_directory(store.directory()));
  HttpClient client;
  auto got = download(client, url_of(options, kGgmlRepository, "main", file), pulled.path, options);
  if (!got.ok() && got.error().kind == Error::Kind::not_found)
    return not_found(
        fmt::format("{}: not at {}; the names are {}", file, printable(options.endpoint), list_of_names()));
  Downloaded fetched = SHORTHAND_TRY(std::move(got));
  pulled.files.push_back({file, std::move(fetched)});
  pulled.verified = pulled.files.back().verified();
  return pulled;
}

// The files of one commit, gathered in a directory that gets its name when all are there.
class RepositoryPull {
 public:
  RepositoryPull(const Store& store, std::string_view repository, const PullOptions& options)
      : repository_(repository),
        options_(options),
        target_(store.directory() / entry_name(repository)),
        gathering_(target_) {
    gathering_ += ".part";
  }

  Result<Pulled> run() {
    pulled_.path = target_;
    std::error_code ignored;
    pulled_.was_installed = fs::exists(target_, ignored);
    if (pulled_.was_installed && !options_.again) return std::move(pulled_);
    SHORTHAND_TRY(make_directory(gathering_));
    SHORTHAND_TRY(fetch_config());
    for (const Wanted& file : kSmallFiles) SHORTHAND_TRY(fetch(file.name, file.required, true));
    SHORTHAND_TRY(fetch_weights());
    SHORTHAND_TRY(publish());
    return std::move(pulled_);
  }

 private:
  // Whether the file is there; false where the server has none and none is required.
  Result<bool> fetch(const std::string& name, bool required, bool afresh) {
    const fs::path path = gathering_ / name;
    std::error_code ignored;
    if (!afresh && fs::exists(path, ignored)) return true;
    auto got = download(client_, url_of(options_, repository_, revision_, name), path, options_);
    if (!got.ok() && got.error().kind == Error::Kind::not_found && !required) {
      fs::remove(path, ignored);
      return false;
    }
    Downloaded fetched = SHORTHAND_TRY(std::move(got));
    pulled_.files.push_back({name, std::move(fetched)});
    if (pulled_.files.back().verified()) {
      verified_.insert(name);
      SHORTHAND_TRY(write_notes());
    }
    return true;
  }

  // Says which commit "main" is, and whether this is a model for us, before gigabytes are fetched.
  Result<void> fetch_config() {
    const std::string before = read_notes();
    auto config = fetch("config.json", true, true);
    if (!config.ok() && config.error().kind == Error::Kind::not_found) {
      std::error_code ignored;
      fs::remove_all(gathering_, ignored);
      return not_found(fmt::format("{}: no such model at {}, or none in Hugging Face's form (no config.json)",
                                   repository_, printable(options_.endpoint)));
    }
    SHORTHAND_TRY(std::move(config));
    const fs::path path = gathering_ / "config.json";
    Config sizes;
    GenerationConfig generation;
    SHORTHAND_TRY(
        parse_model_config(SHORTHAND_TRY(read_text_file(path, kMaxJsonBytes)), repository_, sizes, generation));
    const std::string& commit = pulled_.files.back().got.revision;
    if (commit.empty() || before != commit) {
      verified_.clear();
      SHORTHAND_TRY(forget_all_but("config.json"));
    }
    if (!commit.empty()) revision_ = commit;
    return write_notes();
  }

  // The commit that the files here are of; empty where it is not known.
  std::string read_notes() {
    const auto text = read_text_file(gathering_ / kNotes, 1 << 20);
    if (!text.ok()) return {};
    const auto notes = nlohmann::json::parse(*text, nullptr, false);
    if (!notes.is_object() || !notes.contains("commit") || !notes["commit"].is_string()) return {};
    if (notes.contains("verified") && notes["verified"].is_array()) {
      for (const auto& name : notes["verified"]) {
        if (name.is_string()) verified_.insert(name.get<std::string>());
      }
    }
    return notes["commit"].get<std::string>();
  }

  Result<void> write_notes() const {
    const nlohmann::json notes = {{"commit", revision_}, {"verified", verified_}};
    return write_file(gathering_ / kNotes, notes.dump() + "\n");
  }

  // Files of another commit, or of one that is not known, do not go with these.
  Result<void> forget_all_but(std::string_view kept) {
    std::error_code error;
    std::vector<fs::path> others;
    for (fs::directory_iterator entry(gathering_, error), end; !error && entry != end; entry.increment(error)) {
      // A part says itself, by its ETag and checksum, whether it can go on.
      const std::string name = entry->path().filename().string();
      if (name != kept && name.find(".part") == std::string::npos) others.push_back(entry->path());
    }
    for (const fs::path& path : others) {
      if (!error) fs::remove(path, error);
    }
    if (error) return io_error(fmt::format("{}: {}", gathering_.string(), system_message(error.value())));
    return {};
  }

  Result<void> fetch_weights() {
    std::vector<std::string> weights = {kSingle};
    if (!SHORTHAND_TRY(fetch(kSingle, false, false))) {
      if (!SHORTHAND_TRY(fetch(kIndex, false, true)))
        return unsupported(fmt::format(
            "{}: has no model.safetensors; this engine reads no other weights of Hugging Face", repository_));
      weights = SHORTHAND_TRY(read_shard_index(gathering_ / kIndex));
      for (const std::string& shard : weights) SHORTHAND_TRY(fetch(shard, true, false));
    }
    pulled_.verified =
        std::all_of(weights.begin(), weights.end(), [&](const std::string& name) { return verified_.contains(name); });
    return {};
  }

  Result<void> publish() {
    std::error_code error;
    fs::remove(gathering_ / kNotes, error);
    if (pulled_.was_installed) fs::remove_all(target_, error);
    fs::rename(gathering_, target_, error);
    if (error) return io_error(fmt::format("{}: cannot rename: {}", target_.string(), system_message(error.value())));
    return {};
  }

  const std::string repository_;
  const PullOptions& options_;
  const fs::path target_;
  fs::path gathering_;
  std::string revision_ = "main";
  std::set<std::string> verified_;
  HttpClient client_;
  Pulled pulled_;
};

}  // namespace

PullOptions PullOptions::from_environment() {
  PullOptions options;
  if (const char* endpoint = std::getenv("HF_ENDPOINT"); endpoint && *endpoint) options.endpoint = endpoint;
  if (const char* token = std::getenv("HF_TOKEN"); token && *token) options.token = token;
  return options;
}

Result<Pulled> pull(const Store& store, std::string_view name, const PullOptions& options) {
  if (const auto known = known_model(name)) return pull_ggml(store, *known, options);
  if (is_repository(name)) return RepositoryPull(store, name, options).run();
  return unknown_name(name);
}

}  // namespace shorthand
