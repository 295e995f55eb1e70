// SPDX-License-Identifier: Apache-2.0
// The installed models: one directory a user, a file or a directory a model. The name of a model is that of its file
// without "ggml-" before and ".bin", ".shorthand" or ".pt" after; a Hugging Face repository OWNER/REPO lies in
// OWNER--REPO.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand {

// The name that stands for the model in the program wherever a model is named.
inline constexpr std::string_view kBuiltinName = "builtin";

struct Installed {
  std::string name;  // "base.en", "distil-whisper/distil-large-v3"
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

  // By name, in alphabetical order; unfinished downloads are not among them. Where several files would have one name,
  // it is that of the one which find() gives, and the others have their whole file names. A store that does not exist
  // is empty.
  Result<std::vector<Installed>> list() const;

  // Where the model of that name lies; none where there is no such model. A short name finds the repositories it is
  // published as, too.
  std::optional<std::filesystem::path> find(std::string_view name) const;

  // The file that a packed model of this name is installed as. `name` may be a path: then it is that file's or
  // folder's. Errors: nothing of it can be a name.
  Result<std::filesystem::path> packed_path(const std::string& name) const;

  // Deletes an installed model, by name only. Errors: a path, or no such model.
  Result<void> remove(const std::string& name) const;

  // What is used where no model is named: a name, or the absolute path of a model elsewhere; none where nothing was
  // set. Kept in the store's .default, which is no model. Errors: a file that holds something else.
  Result<std::optional<std::string>> default_model() const;
  Result<void> set_default(std::string_view name_or_path) const;
  Result<void> unset_default() const;

 private:
  std::filesystem::path default_file() const { return directory_ / ".default"; }
  std::filesystem::path directory_;
};

// The entry of the store that OWNER/REPO has: "OWNER--REPO". Other names are their own. Empty where the name cannot be
// an entry: separators, a leading dot, control characters.
std::string entry_name(std::string_view name);

// Bytes of a file, or of all files in a directory; links count as what they point to.
uint64_t bytes_in(const std::filesystem::path& path);

}  // namespace shorthand
