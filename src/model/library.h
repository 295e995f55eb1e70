// SPDX-License-Identifier: Apache-2.0
// Every model that can be named on this machine: those of the store, then those in Hugging Face's cache.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/hub_cache.h"
#include "model/store.h"

namespace shorthand {

struct Library {
  Store store;
  std::optional<HubCache> cache;

  static Result<Library> of_user();

  // The path of a model: an existing path as it is (of a directory of Hugging Face's cache, its snapshot), else the
  // installed model of that name, else the cached one. Errors: none of these; the message says what is there, what the
  // name may have meant, and how to fetch it.
  Result<std::filesystem::path> resolve(const std::string& name_or_path) const;

  // The same for a name alone.
  Result<std::filesystem::path> find(const std::string& name) const;

  // Deletes an installed model, by name only. True where it was the default, which is then unset. Errors: no such
  // model; one that lies in the cache, which is not ours.
  Result<bool> remove(const std::string& name) const;
};

// What Library::resolve() says of the user's library; a path needs none.
Result<std::filesystem::path> resolve_model(const std::string& name_or_path);

}  // namespace shorthand
