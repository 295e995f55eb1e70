// SPDX-License-Identifier: Apache-2.0
// The zip archives that torch.save writes: every member is stored as it is, so that a member is a part of the mapped
// file and nothing is unpacked or copied. Only what such archives have is read, and compressed members are passed over:
//
//   local headers and data, the central directory (a record a member), its end (with or without zip64)
//
// all little-endian. Check sums are not compared: torch leaves them out when told to, and safetensors has none either.
// Source: PKWARE's APPNOTE.TXT 6.3.10.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand {

struct ZipMember {
  std::string_view name;             // in the archive's bytes, not checked for anything
  std::span<const std::byte> bytes;  // the same
  bool compressed = false;           // then it has no bytes here
};

bool is_zip(std::span<const std::byte> bytes);

// The members in the order of the central directory. Errors: a directory that is cut off or lies, members that are
// encrypted, that overlap each other or occur twice, or more than 65,536 of them.
Result<std::vector<ZipMember>> read_stored_zip(std::span<const std::byte> bytes, std::string_view file);

}  // namespace shorthand
