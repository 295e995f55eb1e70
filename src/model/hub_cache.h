// SPDX-License-Identifier: Apache-2.0
// Hugging Face's own cache, where transformers and faster-whisper keep what they download. It belongs to them: here it
// is read and never written.
//
//   models--OWNER--REPO/refs/main           the commit that "main" was
//   models--OWNER--REPO/snapshots/COMMIT/   the files, as links to models--OWNER--REPO/blobs/
//
// Source: huggingface_hub's page on its cache, and its environment variables.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/store.h"

namespace shorthand {

class HubCache {
 public:
  explicit HubCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // $HF_HUB_CACHE (before that, $HUGGINGFACE_HUB_CACHE), or $HF_HOME/hub, or $XDG_CACHE_HOME/huggingface/hub, or
  // ~/.cache/huggingface/hub; none where nothing is set. It need not exist.
  static std::optional<HubCache> of_user();

  const std::filesystem::path& directory() const { return directory_; }

  // The Whisper models in it, by name: OWNER/REPO, and whisper.cpp's files by theirs. What cannot be read is none.
  std::vector<Installed> list() const;

  // Where a model lies: of OWNER/REPO the snapshot, of a short name whisper.cpp's file or the first repository it is
  // published as.
  std::optional<std::filesystem::path> find(std::string_view name) const;

 private:
  std::filesystem::path of_repository(std::string_view repository) const;
  std::filesystem::path directory_;
};

// The snapshot in a directory models--OWNER--REPO: that of main, or else the youngest. None where it holds no snapshot
// or is another kind of directory.
std::optional<std::filesystem::path> snapshot_of(const std::filesystem::path& repository);

}  // namespace shorthand
