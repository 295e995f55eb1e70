// SPDX-License-Identifier: Apache-2.0
#include "model/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/environment.h"
#include "base/file.h"
#include "model/catalog.h"
#include "model/huggingface.h"
#include "model/repository.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kModels = "models--";
constexpr std::string_view kOwnerMark = "--";
constexpr std::string_view kFilePrefix = "ggml-", kFileSuffix = ".bin";

// As huggingface_hub reads its variables.
fs::path expand_home(const std::string& path) {
  const auto home = environment("HOME");
  if (home && path == "~") return *home;
  if (home && path.starts_with("~/")) return fs::path(*home) / path.substr(2);
  return path;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Many a program fetches the tokenizer of a model alone.
bool holds_weights(const fs::path& snapshot) {
  std::error_code error;
  for (fs::directory_iterator entry(snapshot, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(".safetensors") || name.ends_with(".bin")) return true;
  }
  return false;
}

bool holds_whisper(const fs::path& snapshot) {
  const auto config = read_text_file(snapshot / "config.json", kMaxJsonBytes);
  return config.ok() && form_of_config(*config, "").ok() && holds_weights(snapshot);
}

// "models--OWNER--REPO" to OWNER/REPO; empty where it is no such name.
std::string repository_name(std::string_view entry) {
  if (!entry.starts_with(kModels)) return {};
  entry.remove_prefix(kModels.size());
  const size_t mark = entry.find(kOwnerMark);
  if (mark == std::string_view::npos) return {};
  std::string name = fmt::format("{}/{}", entry.substr(0, mark), entry.substr(mark + kOwnerMark.size()));
  return is_repository(name) ? name : std::string();
}

// whisper.cpp's models in a snapshot of its repository.
void add_ggml_files(const fs::path& snapshot, std::vector<Installed>& models) {
  for (const std::string_view known : known_models()) {
    const fs::path path = snapshot / fmt::format("{}{}{}", kFilePrefix, known, kFileSuffix);
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) models.push_back({std::string(known), path, bytes_in(path)});
  }
}

}  // namespace

std::optional<fs::path> snapshot_of(const fs::path& repository) {
  const fs::path snapshots = repository / "snapshots";
  if (!repository.filename().string().starts_with(kModels) || !is_folder(snapshots)) return {};
  if (auto commit = read_text_file(repository / "refs" / "main", 256); commit.ok()) {
    while (!commit->empty() && (commit->back() == '\n' || commit->back() == ' ')) commit->pop_back();
    const bool plain = !commit->empty() && std::all_of(commit->begin(), commit->end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (plain && is_folder(snapshots / *commit)) return snapshots / *commit;
  }
  // Fetched by commit or by tag: there is no main.
  std::optional<fs::path> youngest;
  fs::file_time_type youngest_time{};
  std::error_code error;
  for (fs::directory_iterator entry(snapshots, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const fs::file_time_type time = entry->last_write_time(ignored);
    if (!is_folder(entry->path()) || (youngest && time <= youngest_time)) continue;
    youngest = entry->path();
    youngest_time = time;
  }
  return youngest;
}

std::optional<HubCache> HubCache::of_user() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto hub = environment(name)) return HubCache(expand_home(*hub));
  }
  if (const auto home = environment("HF_HOME")) return HubCache(expand_home(*home) / "hub");
  if (const auto cache = environment("XDG_CACHE_HOME")) return HubCache(expand_home(*cache) / "huggingface" / "hub");
  if (environment("HOME")) return HubCache(expand_home("~/.cache/huggingface/hub"));
  return {};
}

fs::path HubCache::of_repository(std::string_view repository) const {
  std::string entry = fmt::format("{}{}", kModels, repository);
  if (const size_t slash = entry.find('/'); slash != std::string::npos) entry.replace(slash, 1, kOwnerMark);
  return directory_ / entry;
}

std::vector<Installed> HubCache::list() const {
  std::vector<Installed> models;
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = repository_name(entry->path().filename().string());
    const auto snapshot = name.empty() ? std::nullopt : snapshot_of(entry->path());
    if (!snapshot) continue;
    if (name == kGgmlRepository) {
      add_ggml_files(*snapshot, models);
    } else if (holds_whisper(*snapshot)) {
      models.push_back({name, *snapshot, bytes_in(*snapshot)});
    }
  }
  std::sort(models.begin(), models.end(), [](const Installed& a, const Installed& b) { return a.name < b.name; });
  return models;
}

std::optional<fs::path> HubCache::find(std::string_view name) const {
  if (is_repository(name)) return snapshot_of(of_repository(name));
  const auto known = known_model(name);
  if (!known) return {};
  if (const auto snapshot = snapshot_of(of_repository(kGgmlRepository))) {
    const fs::path file = *snapshot / fmt::format("{}{}{}", kFilePrefix, *known, kFileSuffix);
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored)) return file;
  }
  for (const std::string& repository : published_as(*known)) {
    auto snapshot = snapshot_of(of_repository(repository));
    if (snapshot && holds_whisper(*snapshot)) return snapshot;
  }
  return {};
}

}  // namespace shorthand
