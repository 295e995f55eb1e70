// SPDX-License-Identifier: Apache-2.0
#include "kernels/log_mel/tables.h"
#include "kernels/log_mel/variants.h"
#include "kernels/simd/coefficients.h"
#include "kernels/simd/target.h"

SHORTHAND_TARGET_AVX2
namespace shorthand::log_mel {
namespace {
#include "kernels/simd/f32x16_avx2.h"

#include "kernels/simd/vector_math.h"

constexpr int kColumnsAtOnce = 1;  // outputs of a small DFT whose sums fit the registers together
#include "kernels/log_mel/vector_body.h"
}  // namespace

void frames_avx2(const float* samples, int n_frames, std::span<const Band> bands, float* out) {
  frames_body(samples, n_frames, bands, out);
}

}  // namespace shorthand::log_mel
SHORTHAND_TARGET_END
