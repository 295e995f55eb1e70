// SPDX-License-Identifier: Apache-2.0
#include "model/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <system_error>

#include "base/environment.h"
#include "base/file.h"
#include "base/phrase.h"
#include "model/catalog.h"
#include "model/huggingface.h"
#include "model/repository.h"
#include "model/safetensors.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

// Of a repository, besides config.json and the weights: what the readers of either form look at.
constexpr const char* kTransformersFiles[] = {
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
};
constexpr const char* kCTranslate2Files[] = {"preprocessor_config.json", "tokenizer.json"};

// The forms of weights, best first. A repository that has several is left with the others unfetched.
struct WeightsForm {
  const char* single;
  const char* index;   // lists the shards where there is no single file; none: never sharded
  const char* ending;  // of a shard
};
constexpr WeightsForm kSafetensors = {"model.safetensors", "model.safetensors.index.json", ".safetensors"};
constexpr WeightsForm kCTranslate2 = {"model.bin", nullptr, nullptr};
constexpr WeightsForm kPyTorch = {"pytorch_model.bin", "pytorch_model.bin.index.json", ".bin"};

constexpr const char* kNotes = ".pull.json";  // commit, and which files were compared with a checksum

std::string list_of_names() { return fmt::format("{}", fmt::join(known_models(), ", ")); }

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
    if (form_ == RepositoryForm::ctranslate2) {
      SHORTHAND_TRY(fetch_small_files(kCTranslate2Files));
      SHORTHAND_TRY(fetch_ctranslate2());
    } else {
      SHORTHAND_TRY(fetch_small_files(kTransformersFiles));
      SHORTHAND_TRY(fetch_weights());
    }
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
    form_ = SHORTHAND_TRY(form_of_config(SHORTHAND_TRY(read_text_file(path, kMaxJsonBytes)), repository_));
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

  Result<void> fetch_small_files(std::span<const char* const> names) {
    for (const char* name : names) SHORTHAND_TRY(fetch(name, false, true));
    return {};
  }

  Result<void> fetch_weights() {
    if (SHORTHAND_TRY(fetch_form(kSafetensors)) || SHORTHAND_TRY(fetch_vocabulary_and(kCTranslate2)) ||
        SHORTHAND_TRY(fetch_form(kPyTorch)))
      return {};
    return unsupported(
        fmt::format("{}: has no model.safetensors, no model.bin of CTranslate2 and no pytorch_model.bin; this engine "
                    "reads no other weights of Hugging Face",
                    repository_));
  }

  Result<void> fetch_ctranslate2() {
    if (SHORTHAND_TRY(fetch_vocabulary_and(kCTranslate2))) return {};
    return unsupported(fmt::format("{}: its config.json is CTranslate2's, but it has no model.bin", repository_));
  }

  // CTranslate2's models have their vocabulary in either of two files.
  Result<bool> fetch_vocabulary_and(const WeightsForm& form) {
    if (!SHORTHAND_TRY(fetch_form(form))) return false;
    if (!SHORTHAND_TRY(fetch("vocabulary.json", false, true))) SHORTHAND_TRY(fetch("vocabulary.txt", false, true));
    return true;
  }

  // Whether the repository has weights of this form; if so, they are here now.
  Result<bool> fetch_form(const WeightsForm& form) {
    std::vector<std::string> weights = {form.single};
    if (!SHORTHAND_TRY(fetch(form.single, false, false))) {
      if (!form.index || !SHORTHAND_TRY(fetch(form.index, false, true))) return false;
      weights = SHORTHAND_TRY(read_shard_index(gathering_ / form.index, form.ending));
      for (const std::string& shard : weights) SHORTHAND_TRY(fetch(shard, true, false));
    }
    pulled_.verified =
        std::all_of(weights.begin(), weights.end(), [&](const std::string& name) { return verified_.contains(name); });
    return true;
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
  RepositoryForm form_ = RepositoryForm::transformers;
  std::set<std::string> verified_;
  HttpClient client_;
  Pulled pulled_;
};

}  // namespace

PullOptions PullOptions::from_environment() {
  PullOptions options;
  if (auto endpoint = environment("HF_ENDPOINT")) options.endpoint = *std::move(endpoint);
  if (auto token = environment("HF_TOKEN")) options.token = *std::move(token);
  return options;
}

Result<Pulled> pull(const Store& store, std::string_view name, const PullOptions& options) {
  if (const auto known = known_model(name)) {
    const std::string_view repository = repository_of(*known);
    if (repository.empty()) return pull_ggml(store, *known, options);
    return RepositoryPull(store, repository, options).run();
  }
  if (is_repository(name)) return RepositoryPull(store, name, options).run();
  return unknown_name(name);
}

}  // namespace shorthand
