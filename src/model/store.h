// SPDX-License-Identifier: Apache-2.0
// The installed models: one directory a user, a file or a directory a model. The name of a model is that of its file
// without "ggml-" before and ".bin" or ".shorthand" after; a Hugging Face repository OWNER/REPO lies in OWNER--REPO.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand {

struct Installed {
  std::string name;  // what resolve() and remove() take: "base.en", "distil-whisper/distil-large-v3"
  std::filesystem::path path;
  uint64_t bytes = 0;  // of a directory: of the files in it
};

class Store {
 public:
  explicit Store(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // $SHORTHAND_MODELS_DIR, or $XDG_DATA_HOME/shorthand/models, or ~/.local/share/shorthand/models. A relative
  // $XDG_DATA_HOME does not count, as its specification asks. Errors: none of the three is set.
  static Result<Store> of_user();

  const std::filesystem::path& directory() const { return directory_; }

  // By name, in alphabetical order; unfinished downloads are not among them. A store that does not exist is empty.
  Result<std::vector<Installed>> list() const;

  // The path of a model: an existing path as it is, else the installed model of that name. Errors: neither; the message
  // says what is installed, what the name may have meant, and how to fetch it.
  Result<std::filesystem::path> resolve(const std::string& name_or_path) const;

  // Deletes an installed model, by name only. Errors: a path, or no such model.
  Result<void> remove(const std::string& name) const;

 private:
  Result<std::filesystem::path> find(std::string_view name) const;
  std::filesystem::path directory_;
};

// The entry of the store that OWNER/REPO has: "OWNER--REPO". Other names are their own. Empty where the name cannot be
// an entry: separators, a leading dot, control characters.
std::string entry_name(std::string_view name);

}  // namespace shorthand
