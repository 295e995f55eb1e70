// SPDX-License-Identifier: Apache-2.0
// What a matrix product does with its sums before they are written: the same for int8 and for float products.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shorthand {

enum class Act : uint8_t { none, gelu };

// c = act(sum + bias) + residual, element by element, in that order.
struct Epilogue {
  float* c = nullptr;
  size_t c_stride = 0;          // floats
  const float* bias = nullptr;  // [n], padded to whole panels of 16, or none
  Act act = Act::none;
  const float* residual = nullptr;  // [m, n]; may be c
  size_t residual_stride = 0;
};

}  // namespace shorthand
