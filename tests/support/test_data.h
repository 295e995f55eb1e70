// SPDX-License-Identifier: Apache-2.0
// Files that tests read: those of tests/data, which are part of the repository, and any other.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "support/shared_data.h"

namespace shorthand::testing {

// The whole file; the test fails where it cannot be read.
inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// tests/data/NAME. Beside each such file lies the script that made it.
inline nlohmann::json repository_json(const std::string& name) {
  return nlohmann::json::parse(read_bytes(repository_dir() / "tests/data" / name));
}

}  // namespace shorthand::testing
