// SPDX-License-Identifier: Apache-2.0
// One file from a server to a disk: resumed where it stopped, tried again when the line drops, and checked before it
// gets its name.
//
// NAME grows as NAME.part; NAME.part.json remembers the server's ETag, the announced SHA-256 and the size. A later call
// asks for the rest with Range and If-Range, so that a file which changed meanwhile starts anew; so it does where the
// server ignores Range, and where neither an ETag nor a checksum is known. Two processes do not write one part: the
// second is told of the first.
//
// Hugging Face announces the SHA-256 of a large file as X-Linked-Etag and its size as X-Linked-Size, on the answer that
// redirects to the storage.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/http.h"

namespace shorthand {

struct DownloadProgress {
  std::string_view file;   // the name it will have
  uint64_t bytes = 0;      // on the disk
  uint64_t total = 0;      // 0: not known
  double bytes_per_s = 0;  // since the transfer began or was resumed
};

struct DownloadOptions {
  std::string token;                            // for the origin of the URL alone
  int retries = 3;                              // in a row without a byte gained; none before a server ever answered
  std::chrono::milliseconds retry_delay{1000};  // before the first; twice as long before each next
  std::chrono::milliseconds answer_timeout{10'000};
  std::chrono::seconds stall_timeout{30};
  std::function<bool(const DownloadProgress&)> progress;  // some ten times a second; false cancels. May be empty
};

struct Downloaded {
  uint64_t bytes = 0;
  std::string sha256;    // announced and found equal; empty where the server announced none
  std::string revision;  // X-Repo-Commit: the commit of the repository that answered; may be empty
};

// Fetches `url` as `target`, replacing what has that name. Errors: kind not_found where the server says 404; io where
// it could not be reached, stalled or refused, and where the disk is full, which keep the part; bad_input for a wrong
// checksum, which removes it; cancelled.
Result<Downloaded> download(HttpClient& client, const std::string& url, const std::filesystem::path& target,
                            const DownloadOptions& options);

}  // namespace shorthand
