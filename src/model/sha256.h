// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes and of files, by OpenSSL.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace shorthand {

// A digest over bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // 64 lower-case hexadecimal digits. Ends the digest: nothing may follow.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256(std::span<const std::byte> bytes);

// Reads the file from beginning to end. Errors: it cannot be read.
Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace shorthand
