// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/environment.h"
#include "base/file.h"
#include "base/phrase.h"
#include "model/catalog.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFilePrefix = "ggml-";
constexpr std::string_view kFileSuffixes[] = {".bin", ".shorthand", ".pt"};
constexpr std::string_view kOwnerMark = "--";

// One component of a path that is no trick: not hidden, nothing a terminal would obey.
bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name[0] != '.' && name[0] != '-' &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return c == '/' || c == '\\' || (c >= 0 && c < ' ') || c == 127; });
}

// "base.en" of "ggml-base.en.bin"; none where a file of that name is no model.
std::optional<std::string> name_of_file(std::string name) {
  for (const std::string_view suffix : kFileSuffixes) {
    if (!name.ends_with(suffix)) continue;
    name.resize(name.size() - suffix.size());
    if (name.starts_with(kFilePrefix)) name.erase(0, kFilePrefix.size());
    return name.empty() ? std::nullopt : std::optional(name);
  }
  return {};
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
  return entry.is_regular_file(error) ? name_of_file(std::move(name)) : std::nullopt;
}

}  // namespace

std::string entry_name(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_plain(name) ? std::string(name) : std::string();
  const std::string_view owner = name.substr(0, slash), repository = name.substr(slash + 1);
  if (!is_plain(owner) || !is_plain(repository)) return {};
  return fmt::format("{}{}{}", owner, kOwnerMark, repository);
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
  for (Installed& model : models) {
    if (find(model.name) != model.path) model.name = model.path.filename().string();
  }
  std::sort(models.begin(), models.end(), [](const Installed& a, const Installed& b) {
    return std::pair(a.name, a.path) < std::pair(b.name, b.path);
  });
  return models;
}

std::optional<fs::path> Store::find(std::string_view name) const {
  const std::string entry = entry_name(name);
  std::error_code ignored;
  if (!entry.empty()) {
    // A repository is a directory.
    if (entry != name && fs::is_directory(directory_ / entry, ignored)) return directory_ / entry;
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
  const auto known = known_model(name);
  if (!known) return {};
  if (*known != name) return find(*known);
  for (const std::string& repository : published_as(*known)) {
    if (auto path = find(repository)) return path;
  }
  return {};
}

Result<fs::path> Store::packed_path(const std::string& name) const {
  std::string entry = entry_name(name);
  if (std::error_code ignored; fs::exists(name, ignored)) {
    const fs::path path = fs::weakly_canonical(name, ignored);
    const std::string last = path.filename().string();
    entry = entry_name(name_of_file(last).value_or(last));
  }
  if (entry.empty())
    return usage_error(fmt::format("{}: gives the packed model no name; name the file to write", printable(name, 200)));
  return directory_ / fmt::format("{}{}", entry, kFileSuffixes[1]);
}

Result<void> Store::remove(const std::string& name) const {
  const std::string way_out = "give one that `shorthand models list` shows";
  if (entry_name(name).empty())
    return usage_error(fmt::format("'{}' is no name of an installed model; {}", printable(name), way_out));
  const auto path = find(name);
  if (!path) return not_found(fmt::format("no model '{}' is installed; {}", printable(name), way_out));
  std::error_code error;
  fs::remove_all(*path, error);
  if (error) return io_error(fmt::format("{}: cannot remove: {}", path->string(), system_message(error.value())));
  return {};
}

Result<std::optional<std::string>> Store::default_model() const {
  constexpr size_t kLongest = 4096;  // of a path
  auto text = read_text_file(default_file(), kLongest + 1);
  if (!text.ok() && text.error().kind == Error::Kind::not_found) return std::optional<std::string>();
  std::string name = SHORTHAND_TRY(std::move(text));
  if (name.ends_with('\n')) name.pop_back();
  if (name.empty() || (name[0] != '/' && entry_name(name).empty()) ||
      std::any_of(name.begin(), name.end(), [](char c) { return (c >= 0 && c < ' ') || c == 127; }))
    return bad_input(fmt::format("{}: names no model; `shorthand models default NAME` sets one, --unset forgets it",
                                 default_file().string()));
  return std::optional(std::move(name));
}

Result<void> Store::set_default(std::string_view name_or_path) const {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return io_error(fmt::format("{}: cannot create: {}", directory_.string(), system_message(error.value())));
  return write_file(default_file(), fmt::format("{}\n", name_or_path));
}

Result<void> Store::unset_default() const {
  std::error_code error;
  fs::remove(default_file(), error);
  if (error)
    return io_error(fmt::format("{}: cannot remove: {}", default_file().string(), system_message(error.value())));
  return {};
}

}  // namespace shorthand
