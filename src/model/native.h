// SPDX-License-Identifier: Apache-2.0
// The native model file: the arena of packed weights as it is used, behind a header. Mapped, never read; nothing is
// converted when a model starts. The format is described in docs/native-format.md.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/checkpoint.h"
#include "model/weights.h"
#include "text/special_tokens.h"

namespace shorthand {

// All of a native file but the arena.
struct NativeHeader {
  ComputeType type = ComputeType::int8;
  Config config;
  bool english_only = false;
  std::vector<std::string> pieces;
  NamedTokens special_ids;
  std::vector<float> mel_filters;
  GenerationConfig generation;
};

bool is_native(std::span<const std::byte> bytes);

struct NativeView {
  NativeHeader header;
  std::span<const std::byte> arena;  // arena_bytes(header.config, header.type)
};
// Errors name `file`. The arena's address is 64-byte aligned if that of `bytes` is.
Result<NativeView> parse_native(std::span<const std::byte> bytes, std::string_view file);

Result<void> write_native(const std::filesystem::path& path, const NativeHeader& header,
                          std::span<const std::byte> arena);

}  // namespace shorthand
