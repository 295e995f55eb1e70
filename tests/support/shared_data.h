// SPDX-License-Identifier: Apache-2.0
// Where the tests find data that is not part of the repository.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace shorthand::testing {

// $SHORTHAND_SHARED, or ../shared beside the repository.
inline std::filesystem::path shared_data_dir() {
  if (const char* set = std::getenv("SHORTHAND_SHARED")) return set;
  return std::filesystem::path(SHORTHAND_REPO_DIR) / ".." / "shared";
}

inline std::filesystem::path repository_dir() { return SHORTHAND_REPO_DIR; }

}  // namespace shorthand::testing

// Skips the test, and says why, where a file or folder of the shared data is not on this machine.
#define SHORTHAND_NEEDS_SHARED(relative)                                                                \
  if (!std::filesystem::exists(::shorthand::testing::shared_data_dir() / (relative)))                   \
  GTEST_SKIP() << "needs " << (::shorthand::testing::shared_data_dir() / (relative)).lexically_normal() \
               << ", which is not on this machine (set SHORTHAND_SHARED)"
