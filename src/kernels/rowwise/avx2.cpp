// SPDX-License-Identifier: Apache-2.0
#include "kernels/rowwise/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::rowwise {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

#include "kernels/rowwise/vector_body.h"
}  // namespace

void layer_norm_avx2(const LayerNorm& ln, const float* x, size_t x_stride, int rows, float* y, size_t y_stride) {
  layer_norm_body(ln, x, x_stride, rows, y, y_stride);
}
void mix_avx2(const float* x, int n, float* y) { mix_body(x, n, y); }
void quantise_avx2(const float* x, size_t x_stride, int rows, int n, int group, const Quantised& out) {
  quantise_body(x, x_stride, rows, n, group, out);
}
void quantise_fine_avx2(float* x, int n, const Quantised& out, const Quantised& rest) {
  quantise_fine_body(x, n, out, rest);
}
SoftmaxSums softmax_sums_avx2(const float* x, int n) { return softmax_sums_body(x, n); }

}  // namespace shorthand::rowwise
SHORTHAND_TARGET_END
