// SPDX-License-Identifier: Apache-2.0
#include "tsv.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace shorthand::bench {

Result<std::vector<std::vector<std::string>>> read_tsv(const std::filesystem::path& path, size_t least_fields,
                                                       std::string_view hint) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) return io_error(fmt::format("{}: not found; {}", path.string(), hint));
  std::vector<std::vector<std::string>> lines;
  while (std::getline(in, line)) {
    std::vector<std::string>& fields = lines.emplace_back();
    for (size_t at = 0; at <= line.size();) {
      const size_t tab = std::min(line.find('\t', at), line.size());
      fields.push_back(line.substr(at, tab - at));
      at = tab + 1;
    }
    if (fields.size() < least_fields)
      return bad_input(fmt::format("{}: line {} has {} fields of at least {}", path.string(), lines.size() + 1,
                                   fields.size(), least_fields));
  }
  return lines;
}

}  // namespace shorthand::bench
