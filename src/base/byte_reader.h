// SPDX-License-Identifier: Apache-2.0
// ByteReader: little-endian fields out of bytes that may lie. Nothing is read past the end; the first short read
// sticks.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace shorthand {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // The next little-endian value, or zero once the bytes have run out.
  template <class T>
  requires std::is_arithmetic_v<T> T read() {
    T value{};
    if (const auto field = take(sizeof(T)); field.size() == sizeof(T)) std::memcpy(&value, field.data(), sizeof(T));
    return value;
  }

  // The next n bytes, or none once the bytes have run out.
  std::span<const std::byte> take(size_t n) {
    if (failed_ || n > remaining()) {
      failed_ = true;
      return {};
    }
    const auto field = bytes_.subspan(position_, n);
    position_ += n;
    return field;
  }

  std::string_view take_text(size_t n) {
    const auto field = take(n);
    return {reinterpret_cast<const char*>(field.data()), field.size()};
  }

  bool failed() const { return failed_; }  // some read wanted more than was there
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  bool failed_ = false;
};

// a * b, or false where the product does not fit.
inline bool multiply_checked(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

}  // namespace shorthand
