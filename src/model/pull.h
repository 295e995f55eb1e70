// SPDX-License-Identifier: Apache-2.0
// Fetches models into the store: by short name, and any Whisper repository of Hugging Face as OWNER/REPO.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/download.h"
#include "model/store.h"

namespace shorthand {

struct PullOptions : DownloadOptions {
  std::string endpoint = "https://huggingface.co";
  bool again = false;  // fetch it though it is installed

  // HF_ENDPOINT and HF_TOKEN, where they are set.
  static PullOptions from_environment();
};

struct PulledFile {
  std::string name;
  Downloaded got;
  bool verified() const { return !got.sha256.empty(); }
};

struct Pulled {
  std::filesystem::path path;     // for open_checkpoint()
  std::vector<PulledFile> files;  // what was fetched now; none where the model was installed already
  bool was_installed = false;
  // Every file of weights was compared with a checksum that the server announced.
  bool verified = false;
};

// NAME of known_models(): one file, ggml-NAME.bin, or the repository that repository_of() says. OWNER/REPO:
// config.json, the tokenizer's files, and the first of these that it has: model.safetensors, CTranslate2's model.bin,
// pytorch_model.bin, or the shards that an index lists. They are all of one commit and appear together when the last
// has arrived, and config.json is looked at before the weights are fetched. Stopped at any point, the same call goes
// on where it stopped. Errors: a name that is neither (the message lists the names), and those of download().
Result<Pulled> pull(const Store& store, std::string_view name, const PullOptions& options);

}  // namespace shorthand
