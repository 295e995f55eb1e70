// SPDX-License-Identifier: Apache-2.0
// A variable of the environment with another value until the end of the scope.
#pragma once

#include <stdlib.h>

#include <optional>
#include <string>

namespace shorthand::testing {

class Environment {
 public:
  // No value: not set.
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name)) before_ = old;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Environment() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace shorthand::testing
