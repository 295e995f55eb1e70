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
  static void run(const KernelCall& call) {
    assert(call.buffers.size() + call.numbers.size() == sizeof...(P));
    size_t buffer = 0, number = 0;
    std::apply(function, std::tuple<P...>{argument<P>(call, buffer, number)...});  // braces: left to right
  }

 private:
  template <class T>
  static T argument(const KernelCall& call, size_t& buffer, size_t& number) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(call.buffers[buffer++]);
    } else {
      static_assert(std::is_same_v<T, int32_t>);
      return call.numbers[number++];
    }
  }
};

}  // namespace shorthand::npu
