// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For rowwise.cpp and the tests only.
#pragma once

#include "kernels/rowwise/rowwise.h"

namespace shorthand::rowwise {

#define SHORTHAND_ROWWISE(isa)                                                                                      \
  void layer_norm_##isa(const LayerNorm& ln, const float* x, size_t x_stride, int rows, float* y, size_t y_stride); \
  void mix_##isa(const float* x, int n, float* y);                                                                  \
  void quantise_##isa(const float* x, size_t x_stride, int rows, int n, int group, const Quantised& out);           \
  void quantise_fine_##isa(float* x, int n, const Quantised& out, const Quantised& rest);                           \
  SoftmaxSums softmax_sums_##isa(const float* x, int n)
SHORTHAND_ROWWISE(scalar);
SHORTHAND_ROWWISE(avx2);
SHORTHAND_ROWWISE(avx512);

}  // namespace shorthand::rowwise
