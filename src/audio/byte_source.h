// SPDX-License-Identifier: Apache-2.0
// ByteSource: the bytes of one recording, of known size and readable anywhere, wherever they came from.
//
// A regular file is read in place. What cannot seek (standard input, a named pipe, a socket) is copied first into a
// temporary file without a name in $TMPDIR or /tmp: MP4 keeps its index at the end, and a recording may be read twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/result.h"

namespace shorthand {

class ByteSource {
 public:
  // A file by name, or "-" for standard input. `spool_limit` bounds what is copied from a pipe.
  // Errors: no such file, a directory, a device, no permission, an empty file, a terminal, a pipe without an end.
  static Result<ByteSource> open(const std::filesystem::path& path, uint64_t spool_limit = kSpoolLimit);
  static constexpr uint64_t kSpoolLimit = uint64_t{16} << 30;

  // Bytes that the caller keeps alive: an upload. `name` stands in messages. Error: no bytes.
  static Result<ByteSource> from_memory(std::span<const std::byte> bytes, std::string name);

  ByteSource(ByteSource&& other) noexcept;
  ByteSource& operator=(ByteSource&& other) noexcept;
  ~ByteSource();

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }

  // Copies bytes from `offset` on; fewer than out.size() only at the end, where the file may have shrunk meanwhile.
  // Error: what the system says.
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const;

 private:
  ByteSource() = default;
  static Result<ByteSource> spool(int fd, std::string name, uint64_t limit);
  std::string name_;
  std::span<const std::byte> memory_;
  int fd_ = -1;  // none: the bytes are memory_
  uint64_t size_ = 0;
};

}  // namespace shorthand
