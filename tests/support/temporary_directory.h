// SPDX-License-Identifier: Apache-2.0
// A directory of its own for a test, gone when the test is over.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace shorthand::testing {

struct TemporaryDirectory {
  std::filesystem::path path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "shorthand-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
};

}  // namespace shorthand::testing
