// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or what went wrong in words a user can act on.
//
// Bad bytes, missing files and impossible requests are ordinary results. Asserts are for mistakes of the programmer
// only; nothing in this library throws across a function that returns a Result.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace shorthand {

struct Error {
  enum class Kind : uint8_t {
    usage,  // the caller asked for something that cannot be: an unknown language, two options that exclude each other
    not_found,    // no such file, model or device
    bad_input,    // bytes that are not what they claim to be
    unsupported,  // understood, but not something this build or machine can do
    io,           // the system refused to read or write
    cancelled,    // the caller asked to stop
  };
  Kind kind = Kind::bad_input;
  std::string message;  // one line, lower case: "talk.mp4: no audio track; give a file with sound"
};

inline Error usage_error(std::string m) { return {Error::Kind::usage, std::move(m)}; }
inline Error not_found(std::string m) { return {Error::Kind::not_found, std::move(m)}; }
inline Error bad_input(std::string m) { return {Error::Kind::bad_input, std::move(m)}; }
inline Error unsupported(std::string m) { return {Error::Kind::unsupported, std::move(m)}; }
inline Error io_error(std::string m) { return {Error::Kind::io, std::move(m)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition: ok().
  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Precondition: !ok().
  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  void value() const { assert(ok()); }
  void operator*() const { assert(ok()); }
  const Error& error() const& { return assert(!ok()), *error_; }
  Error&& error() && { return assert(!ok()), std::move(*error_); }

 private:
  std::optional<Error> error_;
};

// const Config config = SHORTHAND_TRY(read_config(file)): the value, or return the error to our own caller. Not beside
// other operands that own something, as in f({name, SHORTHAND_TRY(...)}): GCC does not destroy those when it returns.
#define SHORTHAND_TRY(expression) SHORTHAND_TRY_COUNTED(expression, __COUNTER__)
#define SHORTHAND_TRY_COUNTED(expression, n) SHORTHAND_TRY_NUMBERED(expression, n)
#define SHORTHAND_TRY_NUMBERED(expression, n)      \
  (__extension__({                                 \
    auto shorthand_try_##n = (expression);         \
    if (!shorthand_try_##n.ok()) [[unlikely]]      \
      return std::move(shorthand_try_##n).error(); \
    *std::move(shorthand_try_##n);                 \
  }))

}  // namespace shorthand
