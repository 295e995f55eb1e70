// SPDX-License-Identifier: Apache-2.0
// A C function over buffers and numbers as a KernelCall takes it.
#pragma once

#include <cassert>
#include <tuple>
#include <type_traits>

#include "npu/kernel.h"

namespace shorthand::npu {

template <auto function>
struct Bind;

template <class... P, void (*function)(P...)>
struct Bind<function> {
 private:
  static constexpr size_t kBuffers = (size_t{std::is_pointer_v<P>} + ... + 0), kNumbers = sizeof...(P) - kBuffers;

  static void apply(const KernelCall& call) {
    assert(call.buffers.size() == kBuffers && call.numbers.size() == kNumbers);
    size_t buffer = 0, number = 0;
    std::apply(function, std::tuple<P...>{argument<P>(call, buffer, number)...});  // braces: left to right
  }

  template <class T>
  static T argument(const KernelCall& call, size_t& buffer, size_t& number) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(call.buffers[buffer++]);
    } else {
      static_assert(std::is_same_v<T, int32_t>);
      return call.numbers[number++];
    }
  }

 public:
  static constexpr KernelFunction run{apply, static_cast<int>(kBuffers), static_cast<int>(kNumbers)};
};

}  // namespace shorthand::npu
