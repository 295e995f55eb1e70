// SPDX-License-Identifier: Apache-2.0
// Files: mapped for reading, written whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shorthand {

// A regular file's bytes, mapped read-only. Pages are shared with every process that maps the file and cost nothing
// until they are touched. Truncating the file while it is mapped is the caller's undoing, as with any mapping.
class MappedFile {
 public:
  // Errors: no such file, a directory, a device, an empty file, no permission.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A file that appears under its name only when commit() has succeeded: written beside it under a temporary name,
// flushed, then renamed. Destroyed uncommitted, it leaves nothing. A name that is not a regular file (/dev/stdout,
// /dev/full, a FIFO) is written directly.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  // Overwrites bytes already written: headers whose values are known last. Regular files only.
  Result<void> write_at(uint64_t offset, std::span<const std::byte> bytes);
  Result<void> commit();
  uint64_t size() const { return size_; }

 private:
  AtomicFile() = default;
  Error failed(std::string_view what) const;
  std::filesystem::path path_, temporary_;  // temporary_ is empty where the target is written directly
  int fd_ = -1;
  uint64_t size_ = 0;
};

Result<void> write_file(const std::filesystem::path& path, std::string_view text);

// The whole file as text; refuses more than `limit_bytes`.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit_bytes);

// What strerror says of `errno_value`, in any locale the same and safe between threads.
std::string system_message(int errno_value);

}  // namespace shorthand
