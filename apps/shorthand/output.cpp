// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>

#include "base/file.h"
#include "cli.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;

Result<void> check_writable(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure)
    return io_error(fmt::format("{}: cannot make this folder: {}", folder.string(), system_message(failure.value())));
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return io_error(fmt::format("{}: cannot write into this folder: {}; give another with -o", folder.string(),
                                system_message(errno)));
  }
  return {};
}

}  // namespace

Result<void> write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return io_error(fmt::format("standard output: cannot write: {}", system_message(errno)));
  }
  return {};
}

Result<Output> Output::plan(const std::vector<std::string>& inputs, const std::string& formats,
                            const std::string& output_dir) {
  Output out;
  for (const std::string& name : split_commas(formats)) {
    const Writer* writer = SHORTHAND_TRY(find_writer(name));
    if (std::ranges::find(out.writers_, writer) == out.writers_.end()) out.writers_.push_back(writer);
  }
  if (out.writers_.empty()) return usage_error("--format: give at least one of txt, srt, vtt, tsv, json, csv, lrc");
  out.to_stdout_ = output_dir == "-" || (output_dir.empty() && inputs.size() == 1 && out.writers_.size() == 1);
  if (out.to_stdout_) {
    if (inputs.size() > 1 || out.writers_.size() > 1)
      return usage_error("-o -: standard output takes one input in one format");
    return out;
  }
  std::set<fs::path> folders;
  std::map<fs::path, std::string> taken;
  for (const std::string& input : inputs) {
    const fs::path path = input == "-" ? fs::path("stdin") : fs::path(input);
    const fs::path folder = !output_dir.empty()          ? fs::path(output_dir)
                            : path.parent_path().empty() ? fs::path(".")
                                                         : path.parent_path();
    const fs::path stem = (folder / path.stem()).lexically_normal();
    if (const auto [other, fresh] = taken.emplace(stem, input); !fresh) {
      return usage_error(
          fmt::format("{} and {} would both be written to {}.{}; transcribe them in two calls with different -o",
                      other->second, input, stem.string(), out.writers_.front()->name));
    }
    out.stems_[input] = stem;
    // An input's own folder that does not exist is that input's error, not this one's.
    if (!output_dir.empty() || fs::is_directory(folder)) folders.insert(folder);
  }
  for (const fs::path& folder : folders) SHORTHAND_TRY(check_writable(folder));
  return out;
}

Result<void> Output::stream(std::span<const Segment> segments) const {
  Transcript part;
  part.segments.assign(segments.begin(), segments.end());
  return write_stdout(writers_.front()->write(part, {}));
}

Result<void> Output::write(const std::string& input, const Transcript& transcript) const {
  if (to_stdout_) {
    if (streams()) return {};
    std::string text = writers_.front()->write(transcript, {});
    // The reference's JSON ends without a newline; a terminal is nicer with one.
    if (isatty(STDOUT_FILENO) != 0 && !text.ends_with('\n')) text += '\n';
    return write_stdout(text);
  }
  for (const Writer* writer : writers_) {
    fs::path path = stems_.at(input);
    path += fmt::format(".{}", writer->name);
    SHORTHAND_TRY(write_file(path, writer->write(transcript, {})));
  }
  return {};
}

}  // namespace shorthand::cli
