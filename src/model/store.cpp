// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/file.h"
#include "base/phrase.h"
#include "model/catalog.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFilePrefix = "ggml-";
constexpr std::string_view kFileSuffixes[] = {".bin", ".shorthand"};
constexpr std::string_view kOwnerMark = "--";

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return {};
  return value;
}

// One component of a path that is no trick: not hidden, nothing a terminal would obey.
bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name[0] != '.' && name[0] != '-' &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return c == '/' || c == '\\' || (c >= 0 && c < ' ') || c == 127; });
}

// The model's name of an entry, or none for what is no model.
std::optional<std::string> model_name(const fs::directory_entry& entry) {
  std::string name = entry.path().filename().string();
  std::error_code error;
  if (!is_plain(name) || name.ends_with(".part")) return {};
  if (entry.is_directory(error)) {
    if (const size_t mark = name.find(kOwnerMark); mark != std::string::npos && mark > 0)
      name = fmt::format("{}/{}", name.substr(0, mark), name.substr(mark + kOwnerMark.size()));
    return name;
  }
  if (!entry.is_regular_file(error)) return {};
  for (const std::string_view suffix : kFileSuffixes) {
    if (!name.ends_with(suffix)) continue;
    name.resize(name.size() - suffix.size());
    if (name.starts_with(kFilePrefix)) name.erase(0, kFilePrefix.size());
    return name.empty() ? std::nullopt : std::optional(name);
  }
  return {};
}

uint64_t bytes_in(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const uint64_t size = fs::file_size(path, error);
    return error ? 0 : size;
  }
  uint64_t sum = 0;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) sum += entry->file_size(ignored);
  }
  return sum;
}

Error missing(const std::string& name, const std::vector<Installed>& installed) {
  std::vector<std::string_view> names;
  for (const Installed& model : installed) names.push_back(model.name);
  const std::string have = names.empty() ? "none is installed" : fmt::format("installed: {}", fmt::join(names, ", "));
  std::vector<std::string_view> candidates = names;
  candidates.insert(candidates.end(), known_models().begin(), known_models().end());
  const std::string_view near = nearest(name, candidates);
  std::string way_out = "`shorthand models pull NAME` downloads one";
  if (known_model(name)) {
    way_out = fmt::format("`shorthand models pull {}` downloads it", name);
  } else if (std::find(names.begin(), names.end(), near) != names.end()) {
    way_out = fmt::format("did you mean '{}'?", near);
  } else if (!near.empty()) {
    way_out = fmt::format("`shorthand models pull {}` downloads '{}'", near, near);
  } else if (name.find('/') != std::string::npos || name.ends_with(".bin")) {
    return not_found(
        fmt::format("{}: no such file, nor an installed model of that name; {}", printable(name, 200), have));
  }
  return not_found(fmt::format("no model '{}'; {}; {}", printable(name), have, way_out));
}

}  // namespace

std::string entry_name(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_plain(name) ? std::string(name) : std::string();
  const std::string_view owner = name.substr(0, slash), repository = name.substr(slash + 1);
  if (!is_plain(owner) || !is_plain(repository)) return {};
  return fmt::format("{}{}{}", owner, kOwnerMark, repository);
}

Result<Store> Store::of_user() {
  if (const auto set = environment("SHORTHAND_MODELS_DIR")) return Store(*set);
  if (const auto data = environment("XDG_DATA_HOME"); data && data->starts_with('/'))
    return Store(fs::path(*data) / "shorthand" / "models");
  if (const auto home = environment("HOME"))
    return Store(fs::path(*home) / ".local" / "share" / "shorthand" / "models");
  return not_found("no directory for models: neither SHORTHAND_MODELS_DIR nor XDG_DATA_HOME nor HOME is set");
}

Result<std::vector<Installed>> Store::list() const {
  std::vector<Installed> models;
  std::error_code error;
  if (!fs::exists(directory_, error) && !error) return models;
  fs::directory_iterator entry(directory_, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (auto name = model_name(*entry)) models.push_back({std::move(*name), entry->path(), bytes_in(entry->path())});
  }
  if (error) return io_error(fmt::format("{}: {}", directory_.string(), system_message(error.value())));
  std::sort(models.begin(), models.end(), [](const Installed& a, const Installed& b) {
    return std::pair(a.name, a.path) < std::pair(b.name, b.path);
  });
  return models;
}

Result<fs::path> Store::find(std::string_view name) const {
  const std::string entry = entry_name(name);
  std::error_code ignored;
  if (!entry.empty()) {
    std::vector<std::string> files;
    for (const std::string_view suffix : kFileSuffixes) files.push_back(fmt::format("{}{}", entry, suffix));
    files.insert(files.begin() + 1, fmt::format("{}{}{}", kFilePrefix, entry, kFileSuffixes[0]));
    for (const std::string& file : files) {
      if (fs::is_regular_file(directory_ / file, ignored)) return directory_ / file;
    }
    // The file's whole name serves too; an unfinished download never does.
    const fs::path whole = directory_ / entry;
    if (fs::exists(whole, ignored) && model_name(fs::directory_entry(whole, ignored))) return whole;
  }
  if (const auto known = known_model(name); known && *known != name) return find(*known);
  const auto installed = SHORTHAND_TRY(list());
  return missing(std::string(name), installed);
}

Result<fs::path> Store::resolve(const std::string& name_or_path) const {
  std::error_code ignored;
  if (!name_or_path.empty() && fs::exists(name_or_path, ignored)) return fs::path(name_or_path);
  return find(name_or_path);
}

Result<void> Store::remove(const std::string& name) const {
  if (entry_name(name).empty())
    return usage_error(fmt::format("'{}' is no name of an installed model; give one that `shorthand models list` shows",
                                   printable(name)));
  const fs::path path = SHORTHAND_TRY(find(name));
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return io_error(fmt::format("{}: cannot remove: {}", path.string(), system_message(error.value())));
  return {};
}

}  // namespace shorthand
