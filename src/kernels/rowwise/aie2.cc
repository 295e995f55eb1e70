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

constexpr int32_t kBlock = 32;  // elements of 4 x 8

struct NormHeader {
  int16_t gamma_exponent, beta_exponent;
  float gamma, beta, one_over_width, root_of_width;
};

// As floats' bits: an exponent, and for what is below it a power of two of which numbers are fewer than 2^15 last bits.
SHORTHAND_KERNEL_INLINE Ints exponent(int32_t e) { return aie::broadcast<int32_t, 16>(e << 23); }
SHORTHAND_KERNEL_INLINE Ints power_of(const Floats& x) {
  const Ints above = aie::add(x.cast_to<int32_t>(), aie::broadcast<int32_t, 16>(256));
  return aie::bit_and(above, exponent(255));
}

// The least and the largest of blocks, and what the magnitudes of each row are below, in turn over the lanes.
struct Range {
  Shorts most = aie::zeros<int16_t, 32>(), least = aie::zeros<int16_t, 32>();

  SHORTHAND_KERNEL_INLINE void take(const Shorts& x) {
    most = aie::max(most, x);
    least = aie::min(least, x);
  }
  SHORTHAND_KERNEL_INLINE Ints largest() const {
    const Shorts rows = row_maxima(aie::max(most, aie::sub(splat16(-1), least)));
    return aie::add(rows.unpack().extract<16>(0), aie::broadcast<int32_t, 16>(1));
  }
};

// Numbers of sixteen columns over four rows: two blocks'.
struct Columns {
  Shorts blocks[2];
};
SHORTHAND_KERNEL_INLINE Columns for_rows(const int16_t* columns) {
  const auto two = aie::load_v<16>(columns);
  const Shorts twice = aie::concat(two, two);
  const Shorts runs = aie::interleave_zip(twice, twice, 8).first;
  const auto halves = aie::interleave_zip(runs, runs, 16);
  return {{halves.first, halves.second}};
}

// Rows' means, what |x - mean| is below, and the power of two 2^k for its steps, 2^(k - 14); in turn over the lanes.
struct Centre {
  Floats mean, bound;
  Ints power;
};
// Of (x - mean)^2, in steps of 2^(2 k - 28 + of_square), the mean; and what (x - mean) times gamma is below, in steps
// of 2^(k - 14 + gamma's exponent).
struct Spreads {
  Floats mean_square, scaled;
  int32_t of_square;
};
// What normal numbers are made with: x - mean times its row's factor and down by `shift`, times gamma, plus beta times
// of_beta, and `down`: y in steps of 2^(e - 14), |y| < 2^(e + 1) in all four rows.
struct Normal {
  Shorts factors, of_beta;
  int32_t shift, down;
  Ints power;  // 2^e
};

// A function each, so that none needs another's registers.
extern "C" {

__attribute__((noinline)) static Centre centre_of(const float* state, const NormHeader& header) {
  const Floats sums = row_sums({aie::load_v<16>(state), aie::load_v<16>(state + 16)});
  const Floats mean = product(split(sums), split(splat(header.one_over_width)));
  const Shorts most = row_maxima(aie::load_v<32>(reinterpret_cast<const int16_t*>(state + 32)));
  const Floats largest = upper_bits(aie::add(most, splat16(1))).cast_to<float>();
  const Floats bound = aie::add(largest, magnitude(mean).cast_to<float>());
  return {mean, bound, aie::max(power_of(bound), exponent(127 - 40))};
}

// x - mean in the place of x, never beyond what has been read.
__attribute__((noinline)) static Spreads centred_rows(float* rows, const int16_t* gamma, const Centre& centre,
                                                      const NormHeader& header, int32_t width) {
  int16_t* const centred = reinterpret_cast<int16_t*>(rows);
  const Block means = spread(centre.mean);
  const Block magic = spread(aie::add(centre.power, beside_16_bits()).cast_to<float>());
  aie::accum<acc64, 16> squares[2] = {aie::zeros<acc64, 16>(), aie::zeros<acc64, 16>()};
  Range scaled;
  for (int32_t i = 0; i < width; i += 16) {
    const Columns scale = for_rows(gamma + i);
    SHORTHAND_UNROLL
    for (int32_t b = 0; b < 2; ++b) {
      const int32_t at = 4 * i + b * kBlock;
      const Floats upper = aie::sub(aie::load_v<16>(rows + at), means.upper);
      const Floats lower = aie::sub(aie::load_v<16>(rows + at + 16), means.lower);
      const Shorts c = bits_of({aie::add(upper, magic.upper), aie::add(lower, magic.lower)}).first;
      aie::store_v(centred + at, c);
      squares[0] = aie::mac(squares[0], c.extract<16>(0), c.extract<16>(0));
      squares[1] = aie::mac(squares[1], c.extract<16>(1), c.extract<16>(1));
      scaled.take(times(c, scale.blocks[b]));
    }
  }
  const int32_t of_square = 40 - __builtin_clz(static_cast<unsigned>(width >> 3));  // leaves a lane's sum 22 bits
  const Floats sums = row_sums(
      {float_of<0>(squares[0].to_vector<int32_t>(of_square)), float_of<0>(squares[1].to_vector<int32_t>(of_square))});
  return {product(split(sums), split(splat(header.one_over_width))), float_of<0>(scaled.largest()), of_square};
}

__attribute__((noinline)) static Normal normal_of(const Spreads& spreads, const Centre& centre,
                                                  const NormHeader& header) {
  const auto largest_of = [](const Ints& rows) __attribute__((always_inline)) { return folded<1>(folded<2>(rows)); };
  const auto exponent_of = [largest_of](const Floats& y) __attribute__((always_inline)) {
    return aie::max(largest_of(power_of(y)), exponent(127 - 60));
  };
  const Ints k = aie::sub(centre.power, exponent(127));
  const Ints at_least = aie::add(spreads.mean_square, splat(0x1p-24f)).cast_to<int32_t>();
  const Ints to_squares = aie::sub(aie::add(k, k), exponent(28 - spreads.of_square));
  const Floats variance = aie::add(at_least, to_squares).cast_to<float>();
  const Floats deviation = reciprocal_root(aie::add(variance, splat(1e-5f)));
  const Parts parts = split(deviation);
  // What fits an accumulator: no number is further from the mean than this, however far all are from zero.
  const Ints root = splat(header.root_of_width).cast_to<int32_t>();
  const Ints furthest = aie::min(product(split(centre.bound), parts).cast_to<int32_t>(), root);
  const Floats most = product(split(furthest.cast_to<float>()), split(splat(header.gamma)));
  const int32_t sums = (exponent_of(aie::add(most, splat(header.beta)))[0] >> 23) - 127;
  // And what there is.
  const Ints there = aie::add(product(split(spreads.scaled), parts).cast_to<int32_t>(),
                              aie::add(k, exponent(header.gamma_exponent - 14)));
  const Ints largest = exponent_of(aie::add(there.cast_to<float>(), splat(header.beta)));
  const int32_t more = sums - ((largest[0] >> 23) - 127);
  const Ints up = aie::add(k, exponent(13 - sums + header.gamma_exponent));
  const Ints factors = aie::add(deviation.cast_to<int32_t>(), up);
  const int32_t over = (largest_of(factors)[0] >> 23) - (127 + 14);  // where all are far from zero
  const int32_t fewer = over < 0 ? 0 : over > 14 ? 14 : over;
  const Ints q = int_of<0>(aie::sub(factors, exponent(fewer)).cast_to<float>());
  const int32_t beta = 13 - sums + header.beta_exponent, down = more < 0 ? 14 : more > 14 ? 0 : 14 - more;
  return {spread(narrowed<int16_t>(q, q)), splat16(static_cast<int16_t>(beta < 0 ? 0 : 1 << beta)), 14 - fewer, down,
          exponent(sums + 127 + down - 14)};
}

// y in the place of x - mean; what its magnitudes are below, 128 at least, so that a factor to steps has 15 bits.
__attribute__((noinline)) static Floats normal_rows(int16_t* rows, const int16_t* gamma, const Normal& n,
                                                    int32_t width) {
  const int16_t* const beta = gamma + width;
  Range normal;
  for (int32_t i = 0; i < width; i += 16) {
    const Columns scale = for_rows(gamma + i), shift = for_rows(beta + i);
    SHORTHAND_UNROLL
    for (int32_t b = 0; b < 2; ++b) {
      const int32_t at = 4 * i + b * kBlock;
      const Shorts c = times(aie::load_v<32>(rows + at), n.factors, n.shift);
      const Wide sum = aie::mac(aie::mul<acc32>(c, scale.blocks[b]), shift.blocks[b], n.of_beta);
      const Shorts y = sum.to_vector<int16_t>(n.down);
      aie::store_v(rows + at, y);
      normal.take(y);
    }
  }
  return float_of<0>(aie::max(normal.largest(), aie::broadcast<int32_t, 16>(128)));
}

// The factor from y, of 2^(e - 14), to 2^15 steps of the row's scale, as gemm_i8's heads have it, and the four scales.
__attribute__((noinline)) static Shorts norm_steps(const Floats& largest, const Ints& power, float* scales) {
  constexpr float kSteps = 127.0f * 32768 * 0.999f;
  const Ints factors = int_of<0>(product(split(reciprocal<2>(largest)), constant(kSteps)));
  const Floats guess = product(split(largest), constant(1.0f / kSteps));
  const Ints unit = aie::sub(power, exponent(126));  // 2^(e - 14) 2^15
  const Ints scale = aie::add(reciprocal_step(split(float_of<0>(factors)), guess).cast_to<int32_t>(), unit);
  aie::store_v(scales, scale.cast_to<float>().extract<4>(0));
  return spread(narrowed<int16_t>(factors, factors));
}

}  // extern "C"

}  // namespace

extern "C" {

// A pass for the squares and for what times gamma, which leaves the centred rows in 16 bits, one for y and its largest,
// and one for the steps.
void layer_norm_i8(float* rows, const int16_t* parameters, float* state, int8_t* q, float* scales, int32_t width) {
  set_modes();
  const NormHeader& header = *reinterpret_cast<const NormHeader*>(parameters);
  const int16_t* const gamma = parameters + 32;
  const Centre centre = centre_of(state, header);
  const Spreads spreads = centred_rows(rows, gamma, centre, header, width);
  const Normal normal = normal_of(spreads, centre, header);
  int16_t* const y = reinterpret_cast<int16_t*>(rows);
  const Shorts steps = norm_steps(normal_rows(y, gamma, normal, width), normal.power, scales);
  aie::store_v(state, normal.power.cast_to<float>());
  for (int32_t i = 0; i < 4 * width; i += 2 * kBlock) {
    SHORTHAND_UNROLL
    for (int32_t at = i; at < i + 2 * kBlock; at += kBlock)
      aie::store_v(q + at, aie::mul<acc32>(aie::load_v<32>(y + at), steps).to_vector<int8_t>(15));
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
