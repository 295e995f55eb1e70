// SPDX-License-Identifier: Apache-2.0
// A file of the repository that is part of the program. CMake's shorthand_embed(room NAME file) puts it in;
// SHORTHAND_EMBEDDED(NAME), in a .cpp of that room, declares embedded_NAME(), which gives its bytes. They begin on a
// page boundary and stay for the life of the program.
#pragma once

#include <cstddef>
#include <string_view>

#define SHORTHAND_EMBEDDED(name)                                           \
  extern "C" {                                                             \
  extern const char shorthand_embedded_##name[];                           \
  extern const size_t shorthand_embedded_##name##_bytes;                   \
  }                                                                        \
  [[maybe_unused]] static std::string_view embedded_##name() {             \
    return {shorthand_embedded_##name, shorthand_embedded_##name##_bytes}; \
  }                                                                        \
  static_assert(true, "takes the semicolon")
