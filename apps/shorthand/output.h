// SPDX-License-Identifier: Apache-2.0
// Where transcripts go: standard output, or files beside each input or in one folder.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/writers.h"

namespace shorthand::cli {

class Output {
 public:
  // `formats`: names of writers. Errors: an unknown format, a folder that cannot be made or written, two inputs that
  // would write the same file. Nothing is transcribed before all that is known.
  static Result<Output> plan(const std::vector<std::string>& inputs, const std::string& formats,
                             const std::string& output_dir);

  // Plain text alone on standard output can be written segment by segment.
  bool streams() const { return to_stdout_ && writers_.front()->name == "txt"; }
  Result<void> stream(std::span<const Segment> segments) const;

  // Writes every format, each file whole or not at all. What has been streamed is not written again.
  Result<void> write(const std::string& input, const Transcript& transcript) const;

 private:
  std::vector<const Writer*> writers_;
  bool to_stdout_ = false;
  std::map<std::string, std::filesystem::path> stems_;  // by input: the file's name without ".srt"
};

// Standard output, checked: a full disk or a closed pipe is an error.
Result<void> write_stdout(std::string_view text);

}  // namespace shorthand::cli
