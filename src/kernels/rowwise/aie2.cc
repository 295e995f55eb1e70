// SPDX-License-Identifier: Apache-2.0
#include "kernels/rowwise/aie2.h"

#include "kernels/aie_math.h"

namespace {

using namespace shorthand::aie2;

// A core has no instruction that adds across lanes of floats; the sum leaves the vector as one number that nothing is
// done with but to spread it again.
SHORTHAND_KERNEL_INLINE Floats sum_everywhere(const Floats& x) { return splat(aie::reduce_add(x)); }
SHORTHAND_KERNEL_INLINE Floats largest_everywhere(const Floats& x) { return splat(aie::reduce_max(x)); }
SHORTHAND_KERNEL_INLINE Floats largest_everywhere(const Ints& magnitudes) {
  return aie::broadcast<int32_t, 16>(aie::reduce_max(magnitudes)).cast_to<float>();
}

// The factor from values to steps of the row's scale, and the scale into scales[0]. A row of zeros has the factor 1.
SHORTHAND_KERNEL_INLINE Parts steps_of(const Floats& largest, float* scale) {
  const Floats step = product(split(largest), constant(1.0f / 127.0f));
  *scale = step[0];
  return split(reciprocal(aie::select(step, splat(1.0f), aie::lt(largest, splat(1e-30f)))));
}

SHORTHAND_KERNEL_INLINE aie::vector<int8_t, 16> to_steps(const Floats& y, const Parts& steps) {
  const Ints q = int_of<0>(product(split(y), steps));
  return aie::accum<acc32, 16>(q).to_vector<int8_t>();
}

// Sixteen numbers as parts, in the place of sixteen floats.
SHORTHAND_KERNEL_INLINE void store_parts(const Parts& parts, float* to) {
  auto* halves = reinterpret_cast<bfloat16*>(to);
  aie::store_v(halves, parts.high);
  aie::store_v(halves + 16, parts.low);
}
SHORTHAND_KERNEL_INLINE Parts load_parts(const float* from) {
  const auto* halves = reinterpret_cast<const bfloat16*>(from);
  return {aie::load_v<16>(halves), aie::load_v<16>(halves + 16)};
}

SHORTHAND_KERNEL_INLINE Floats load_floats(const float* x) { return aie::load_v<16>(x); }
SHORTHAND_KERNEL_INLINE Floats load_floats(const bfloat16* x) { return to_f32(aie::load_v<16>(x)); }

template <class T>
SHORTHAND_KERNEL_INLINE void quantise_row(const T* x, int8_t* q, float* scale, int32_t width, int32_t padded) {
  Ints largest = aie::zeros<int32_t, 16>();
  for (int32_t i = 0; i < width; i += 16) largest = aie::max(largest, magnitude(load_floats(x + i)));
  const Parts steps = steps_of(largest_everywhere(largest), scale);
  for (int32_t i = 0; i < width; i += 16) aie::store_v(q + i, to_steps(load_floats(x + i), steps));
  for (int32_t i = width; i < padded; i += 16) aie::store_v(q + i, aie::zeros<int8_t, 16>());
}

}  // namespace

extern "C" {

// A pass for the mean, one for the variance, which leaves the centred row as parts in its place, one for y and its
// largest, and one for the steps.
void layer_norm_i8(float* x, const float* parameters, int8_t* q, float* scales, int32_t rows, int32_t width) {
  set_modes();
  const float* gamma = parameters;
  const float* beta = parameters + width;
  const Parts one_over_width = split(aie::load_v<16>(parameters + 2 * width));
  for (int32_t r = 0; r < rows; ++r, x += width, q += width) {
    Floats sums[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
    for (int32_t i = 0; i < width; i += 64) {
      SHORTHAND_UNROLL
      for (int g = 0; g < 4; ++g) sums[g] = aie::add(sums[g], aie::load_v<16>(x + i + 16 * g));
    }
    const Floats sum = aie::add(aie::add(sums[0], sums[1]), aie::add(sums[2], sums[3]));
    const Floats mean = product(split(sum_everywhere(sum)), one_over_width);
    // (high + low)^2 but for low^2: a row's variance may hang on one outlier, whose rounding nothing averages.
    FloatSum squares = aie::zeros<accfloat, 16>(), crosses = squares;
    for (int32_t i = 0; i < width; i += 16) {
      const Parts centred = split(aie::sub(aie::load_v<16>(x + i), mean));
      squares = aie::mac(squares, centred.high, centred.high);
      crosses = aie::mac(crosses, centred.high, centred.low);
      store_parts(centred, x + i);
    }
    const Floats total = aie::add(aie::add(squares, crosses), crosses).to_vector<float>();
    const Floats variance = product(split(sum_everywhere(total)), one_over_width);
    const Parts deviation = split(reciprocal_root(aie::add(variance, splat(1e-5f))));
    Ints largest = aie::zeros<int32_t, 16>();
    for (int32_t i = 0; i < width; i += 32) {
      SHORTHAND_UNROLL
      for (int32_t at = i; at < i + 32; at += 16) {
        const Parts normal = split(product(load_parts(x + at), deviation));
        const FloatSum shift(aie::load_v<16>(beta + at));
        const Floats y = product_sum(shift, normal, load_parts(gamma + at)).to_vector<float>();
        aie::store_v(x + at, y);
        largest = aie::max(largest, magnitude(y));
      }
    }
    const Parts steps = steps_of(largest_everywhere(largest), scales + r);
    for (int32_t i = 0; i < width; i += 16) aie::store_v(q + i, to_steps(aie::load_v<16>(x + i), steps));
  }
}

void quantise_rows_f32(const float* x, int8_t* q, float* scales, int32_t rows, int32_t width, int32_t x_stride,
                       int32_t q_stride) {
  set_modes();
  for (int32_t r = 0; r < rows; ++r, x += x_stride, q += q_stride) quantise_row(x, q, scales + r, width, q_stride);
}

void quantise_rows_bf16(const bfloat16* x, int8_t* q, float* scales, int32_t rows, int32_t width, int32_t x_stride,
                        int32_t q_stride) {
  set_modes();
  for (int32_t r = 0; r < rows; ++r, x += x_stride, q += q_stride) quantise_row(x, q, scales + r, width, q_stride);
}

void gelu_bf16(const bfloat16* x, bfloat16* y, int32_t count) {
  set_modes();
  for (int32_t i = 0; i < count; i += 32) {
    Floats first = load_floats(x + i), second = load_floats(x + i + 16);
    gelu(first, second);
    aie::store_v(y + i, to_bf16(first));
    aie::store_v(y + i + 16, to_bf16(second));
  }
}

void softmax_bf16(const float* x, bfloat16* p, int32_t rows, int32_t width, int32_t valid) {
  set_modes();
  constexpr int16_t lanes[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  const auto lane = aie::load_unaligned_v<32>(lanes);
  const auto none = aie::zeros<bfloat16, 32>();
  const Floats lowest = splat(-3.0e38f);
  const Parts log2e = constant(1.44269504f);
  const int32_t used = (valid + 31) & -32;
  for (int32_t r = 0; r < rows; ++r, x += width, p += width) {
    // What lies beyond `valid` in the last group is taken for the lowest number.
    const auto kept = [&](int32_t i) {
      return aie::lt(lane, aie::broadcast<int16_t, 32>(static_cast<int16_t>(valid - i)));
    };
    Floats most = lowest;
    for (int32_t i = 0; i < used; i += 16) {
      const Ints at = aie::add(lane.extract<16>(0).unpack(), aie::broadcast<int32_t, 16>(i));
      const auto inside = aie::lt(at, aie::broadcast<int32_t, 16>(valid));
      most = aie::max(most, aie::select(lowest, aie::load_v<16>(x + i), inside));
    }
    const Floats max = largest_everywhere(most);
    FloatSum sum = aie::zeros<accfloat, 16>();
    const Halves one = to_bf16(splat(1.0f));
    const auto exponent = [&](const float* from) {
      const Floats t = product(split(aie::sub(aie::load_v<16>(from), max)), log2e);
      return int_of<10>(aie::max(t, splat(-40.0f)));
    };
    for (int32_t i = 0; i < used; i += 32) {
      auto e = exp2(narrowed<int16_t>(exponent(x + i), exponent(x + i + 16)));
      e = aie::select(none, e, kept(i));
      sum = aie::mac(aie::mac(sum, e.extract<16>(0), one), e.extract<16>(1), one);
      aie::store_v(p + i, e);
    }
    const Parts inverse = split(reciprocal(sum_everywhere(sum.to_vector<float>())));
    for (int32_t i = 0; i < used; i += 16) {
      const Halves e = aie::load_v<16>(p + i);
      aie::store_v(p + i, aie::mac(aie::mul(e, inverse.low), e, inverse.high).to_vector<bfloat16>());
    }
    for (int32_t i = used; i < width; i += 32) aie::store_v(p + i, none);
  }
}

void add_f32(const float* a, const float* b, float* out, int32_t count) {
  set_modes();
  for (int32_t i = 0; i < count; i += 16)
    aie::store_v(out + i, aie::add(aie::load_v<16>(a + i), aie::load_v<16>(b + i)));
}

}  // extern "C"
