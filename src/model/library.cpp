// SPDX-License-Identifier: Apache-2.0
#include "model/library.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/phrase.h"
#include "model/catalog.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

std::string names_of(const std::vector<Installed>& models) {
  std::vector<std::string_view> names;
  for (const Installed& model : models) names.push_back(model.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// What is on this machine, as a part of a sentence.
std::string inventory(const std::vector<Installed>& installed, const std::vector<Installed>& cached) {
  std::string have = installed.empty() ? "none is installed" : fmt::format("installed: {}", names_of(installed));
  if (!cached.empty()) have += fmt::format("; in Hugging Face's cache: {}", names_of(cached));
  return have;
}

Error missing(const std::string& name, const std::vector<Installed>& installed, const std::vector<Installed>& cached) {
  const std::string have = inventory(installed, cached);
  std::vector<std::string_view> candidates{kBuiltinName};
  for (const Installed& model : installed) candidates.push_back(model.name);
  for (const Installed& model : cached) candidates.push_back(model.name);
  const size_t here = candidates.size();
  candidates.insert(candidates.end(), known_models().begin(), known_models().end());
  const std::string_view near = nearest(name, candidates);
  const bool is_here = std::find(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(here), near) !=
                       candidates.begin() + static_cast<ptrdiff_t>(here);
  std::string way_out = "`shorthand models pull NAME` downloads one";
  if (known_model(name)) {
    way_out = fmt::format("`shorthand models pull {}` downloads it", name);
  } else if (!near.empty() && is_here) {
    way_out = fmt::format("did you mean '{}'?", near);
  } else if (!near.empty()) {
    way_out = fmt::format("`shorthand models pull {}` downloads '{}'", near, near);
  } else if (is_repository(name) && !name.ends_with(".bin")) {
    return not_found(
        fmt::format("{}: no such file, nor an installed model of that name; {}; `shorthand models pull {}` downloads a "
                    "repository of Hugging Face",
                    name, have, name));
  } else if (name.find('/') != std::string::npos || name.ends_with(".bin")) {
    return not_found(
        fmt::format("{}: no such file, nor an installed model of that name; {}", printable(name, 200), have));
  }
  return not_found(fmt::format("no model '{}'; {}; {}", printable(name), have, way_out));
}

// An existing path of a model; of a directory of Hugging Face's cache, its snapshot.
std::optional<fs::path> existing(const std::string& name_or_path) {
  std::error_code ignored;
  if (name_or_path.empty() || !fs::exists(name_or_path, ignored)) return {};
  fs::path path = name_or_path;
  if (auto snapshot = snapshot_of(path.has_filename() ? path : path.parent_path())) return snapshot;
  return path;
}

}  // namespace

Result<fs::path> resolve_model(const std::string& name_or_path) {
  if (auto path = existing(name_or_path)) return *std::move(path);
  return SHORTHAND_TRY(Library::of_user()).find(name_or_path);
}

Result<Library> Library::of_user() { return Library{SHORTHAND_TRY(Store::of_user()), HubCache::of_user()}; }

Result<fs::path> Library::find(const std::string& name) const {
  if (auto path = store.find(name)) return *std::move(path);
  if (cache) {
    if (auto path = cache->find(name)) return *std::move(path);
  }
  const auto installed = SHORTHAND_TRY(store.list());
  return missing(name, installed, cache ? cache->list() : std::vector<Installed>());
}

Result<fs::path> Library::resolve(const std::string& name_or_path) const {
  if (auto path = existing(name_or_path)) return *std::move(path);
  return find(name_or_path);
}

Result<bool> Library::remove(const std::string& name) const {
  const auto path = store.find(name);
  if (!path && cache && !entry_name(name).empty()) {
    if (const auto cached = cache->find(name))
      return unsupported(
          fmt::format("{}: lies in Hugging Face's cache ({}), which other programs use too; `hf cache` of "
                      "huggingface_hub looks after it",
                      name, cached->string()));
  }
  // A default that cannot be read or found is none, and no reason to keep the model.
  const auto set = store.default_model();
  const bool was_default = path && set.ok() && *set && store.find(**set) == path;
  SHORTHAND_TRY(store.remove(name));
  if (was_default) SHORTHAND_TRY(store.unset_default());
  return was_default;
}

}  // namespace shorthand
