// SPDX-License-Identifier: Apache-2.0
// Where the tests find real Whisper weights, which tools/real_models fetches and which are never part of the
// repository.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace shorthand::testing {

// The CTranslate2 folder of "base" or "tiny.en" where tools/real_models puts it, whether it is there or not:
// $SHORTHAND_REAL_MODELS, else $XDG_CACHE_HOME/shorthand/real-models, else ~/.cache/shorthand/real-models.
inline std::filesystem::path real_model(const std::string& name) {
  if (const char* folder = std::getenv("SHORTHAND_REAL_MODELS")) return std::filesystem::path(folder) / name;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const auto base = cache && *cache ? std::filesystem::path(cache) : std::filesystem::path(home ? home : "") / ".cache";
  return base / "shorthand" / "real-models" / name;
}

}  // namespace shorthand::testing

// Skips the test, and says why, where a real model is not on this machine.
#define SHORTHAND_NEEDS_REAL_MODEL(name)                                                                       \
  if (!std::filesystem::exists(::shorthand::testing::real_model(name)))                                        \
  GTEST_SKIP() << "needs Whisper " << (name) << " in " << ::shorthand::testing::real_model(name).parent_path() \
               << ", which is not on this machine (tools/real_models fetches it)"
