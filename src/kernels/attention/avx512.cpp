// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX512VNNI
namespace shorthand::attention {
namespace {
#include "kernels/simd/f32x16_avx512.h"

#include "kernels/simd/vector_math.h"

#include "kernels/attention/vector_body.h"
}  // namespace

float weigh_int8_avx512(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low) {
  return weigh_int8_body(in, work, high, low);
}
float weigh_float_avx512(float* scores, int keys, int padded) { return weigh_float_body(scores, keys, padded); }

}  // namespace shorthand::attention
SHORTHAND_TARGET_END
