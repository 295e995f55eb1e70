// SPDX-License-Identifier: Apache-2.0
// Lists of recordings: lines of fields parted by tabs, under a header.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand::bench {

// The lines behind the header. Errors: no such file, where `hint` says what names its folder; a line of fewer fields.
Result<std::vector<std::vector<std::string>>> read_tsv(const std::filesystem::path& path, size_t least_fields,
                                                       std::string_view hint);

}  // namespace shorthand::bench
