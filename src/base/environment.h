// SPDX-License-Identifier: Apache-2.0
// A variable of the environment.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace shorthand {

// None where it is not set or empty.
inline std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return {};
  return value;
}

}  // namespace shorthand
