// SPDX-License-Identifier: Apache-2.0
// The family on an AIE core: int32 sums over the whole of K in a buffer of the core's own, then one epilogue.
#include "kernels/gemm_i8/aie2.h"

#include "kernels/aie_math.h"

namespace {

using namespace shorthand::aie2;

using Product = aie::mmul<4, 8, 8, int8_t, int8_t>;

// The zeroing form would need one more branch a k-step; a separate call costs one store a cycle once.
template <int m, int n>
SHORTHAND_KERNEL_INLINE void zero(int32_t* sums) {
  const auto zeros = aie::zeros<int32_t, 8>();
  for (int i = 0; i < m * n; i += 8) aie::store_v(sums + i, zeros);
}

// sums += A B, 8 x 16 results at a time: two blocks of A and two of B make four products, so that a step of k needs
// three cycles of loads for four of multiplication. Four running sums, and the four of the next group that are on their
// way in, fit the core's nine accumulators; the usual eight and their successors would spill. k is unrolled: the one
// loop that remains, of two groups a round, can overlap a group's stores with the next group's products.
template <int k, int n>
SHORTHAND_KERNEL_INLINE void multiply_group(const int8_t* a, const int8_t* b, int32_t* sums, unsigned group) {
  constexpr int a_row = k * 4, b_row = n * 8, c_row = n * 4;  // elements of a row of blocks
  constexpr unsigned across = n / 16;
  const unsigned i = group / across, j = group % across;
  const int8_t* a0 = a + 2 * i * a_row;
  const int8_t* b0 = b + 2 * j * 64;
  int32_t* c0 = sums + 2 * i * c_row + 2 * j * 32;
  int32_t* c1 = c0 + c_row;
  Product p00(aie::load_v<32>(c0)), p01(aie::load_v<32>(c0 + 32));
  Product p10(aie::load_v<32>(c1)), p11(aie::load_v<32>(c1 + 32));
  SHORTHAND_UNROLL
  for (int s = 0; s < k / 8; ++s) {
    const auto top = aie::load_v<32>(a0 + s * 32), bottom = aie::load_v<32>(a0 + s * 32 + a_row);
    const auto left = aie::load_v<64>(b0 + s * b_row), right = aie::load_v<64>(b0 + s * b_row + 64);
    p00.mac(top, left);
    p01.mac(top, right);
    p10.mac(bottom, left);
    p11.mac(bottom, right);
  }
  aie::store_v(c0, p00.to_vector<int32_t>());
  aie::store_v(c0 + 32, p01.to_vector<int32_t>());
  aie::store_v(c1, p10.to_vector<int32_t>());
  aie::store_v(c1 + 32, p11.to_vector<int32_t>());
}
template <int m, int k, int n>
SHORTHAND_KERNEL_INLINE void multiply_2x2(const int8_t* a, const int8_t* b, int32_t* sums) {
  static_assert(m % 8 == 0 && k % 8 == 0 && n % 16 == 0 && m / 8 * (n / 16) % 2 == 0);
  set_modes();
  for (unsigned group = 0; group < m / 8 * (n / 16); group += 2) {
    multiply_group<k, n>(a, b, sums, group);
    multiply_group<k, n>(a, b, sums, group + 1);
  }
}

// The usual form of mlir-aie's example kernels, 16 x 16 results at a time: eight running sums, which spill. Kept to
// hold the simulator to what was measured with it; the same sums.
template <int m, int k, int n>
SHORTHAND_KERNEL_INLINE void multiply_4x2(const int8_t* a, const int8_t* b, int32_t* sums) {
  static_assert(m % 16 == 0 && k % 8 == 0 && n % 16 == 0);
  set_modes();
  constexpr int a_row = k * 4, b_row = n * 8, c_row = n * 4;
  for (int i = 0; i < m / 16; ++i) {
    for (int j = 0; j < n / 16; ++j) {
      const int8_t* a0 = a + 4 * i * a_row;
      const int8_t* b0 = b + 2 * j * 64;
      int32_t* c0 = sums + 4 * i * c_row + 2 * j * 32;
      Product p[4][2];
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 2; ++c) p[r][c] = Product(aie::load_v<32>(c0 + r * c_row + c * 32));
      }
      for (int s = 0; s < k / 8; ++s, a0 += 32, b0 += b_row) {
        const auto left = aie::load_v<64>(b0), right = aie::load_v<64>(b0 + 64);
        for (int r = 0; r < 4; ++r) {
          const auto row = aie::load_v<32>(a0 + r * a_row);
          p[r][0].mac(row, left);
          p[r][1].mac(row, right);
        }
      }
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 2; ++c) aie::store_v(c0 + r * c_row + c * 32, p[r][c].to_vector<int32_t>());
      }
    }
  }
}

// A value of each of two rows, eight times: the lanes of half a block.
SHORTHAND_KERNEL_INLINE Parts two_rows(float upper, float lower) {
  return split(aie::concat(aie::broadcast<float, 8>(upper), aie::broadcast<float, 8>(lower)));
}

// ---- Epilogues: a tile of 64 x 64 in 16-bit integers, 32 at a time.
//
// x = sum >> shift has 15 bits, y = x * column scale likewise, and v = y * row scale + bias 30 under the exponent e of
// the block's rows. The unit is 2^(e - 30) and |v| < 2^e, for the largest scales, sum and bias of all. So rows that are
// far from others in scale lose nothing, but for the four of a block; what is kept of v has 2^-15 of the largest that
// the scales and sums allow.
constexpr int kTile = 64, kBlock = 32, kBlocks = kTile / 8, kBlockRows = kTile / 4;

// The columns' parameters (npu::pack_columns): exponents of scales and biases, the largest of both as floats; then for
// each block, over its lanes, mantissas of both.
constexpr int kColumnBlocks = 16;
SHORTHAND_KERNEL_INLINE int32_t word_of(const int16_t* at) {
  int32_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}

constexpr int32_t kLeast = -60;  // of e: what is smaller has fewer bits

struct Rows {
  alignas(32) int16_t spread[kBlockRows + 1][kBlock];  // [i + 1]: factors of block row i; [i] takes its maxima then
  alignas(32) int16_t zeros[kBlock];
  alignas(32) float magic[kBlockRows][8];  // 1.5 * 2^(e + 2): a float's lowest bit is 2^(e - 21) beside it
  alignas(32) int32_t exponents[kTile];    // e << 23 of each row's block
};
static_assert(sizeof(Rows) == kEpilogueRows * sizeof(int16_t));
SHORTHAND_KERNEL_INLINE Rows& rows_at(int16_t* rows) { return *reinterpret_cast<Rows*>(rows); }

// What times 2^9 no sum passes; 2^18 where 16 bits do not tell.
SHORTHAND_KERNEL_INLINE int32_t bound_of(const int32_t* sums) {
  Shorts most[2] = {aie::zeros<int16_t, 32>(), aie::zeros<int16_t, 32>()}, least[2] = {most[0], most[0]};
  for (int i = 0; i < kTile * kTile; i += 2 * kBlock) {
    SHORTHAND_UNROLL
    for (int g = 0; g < 2; ++g) {
      const Shorts x = Wide(aie::load_v<32>(sums + i + g * kBlock)).template to_vector<int16_t>(9);
      most[g] = aie::max(most[g], x);
      least[g] = aie::min(least[g], x);
    }
  }
  const Shorts below = aie::sub(splat16(-1), aie::min(least[0], least[1]));
  const int32_t top = aie::reduce_max(aie::max(aie::max(most[0], most[1]), below));
  return top > 32000 ? 1 << 18 : top + 2;
}

struct Shifts {
  int32_t sums, scaled;  // of sums to x, and of x times a column's scale to y
};

// The exponents of what four rows can hold and all that follows from them; e is at least `least`.
SHORTHAND_KERNEL_INLINE Shifts prepare_rows(const float* row_scales, const int16_t* columns, int32_t bound,
                                            int32_t shift, int32_t least, Rows& rows) {
  const auto splat32 = [](int32_t x) { return aie::broadcast<int32_t, 16>(x); };
  const auto largest_of = [columns](int at) { return aie::broadcast<int32_t, 16>(word_of(columns + at)); };
  const Floats bias = largest_of(4).template cast_to<float>();
  const Floats sum = product(float_of<-9>(splat32(bound)), largest_of(2).template cast_to<float>());
  const Parts sums = split(sum);
  const Ints exponent_bits = splat32(-(1 << 23)), to_e = splat32(-(126 << 23)), margin = splat32(0x8000);
  // The exponent of sums times their columns' scales: y has 15 bits under it, and factors 15 beside y.
  const int32_t of_sums = ((sum.template cast_to<int32_t>()[0] + 0x8000) >> 23) - 126;
  const Ints to_factors = splat32((of_sums - 126) << 23), at_least = splat32(least << 23);
  const Ints up = splat32((of_sums + 15) << 23);
  const Ints smallest = splat32(64 << 23), to_magic = splat32((129 << 23) + 0x400000);
  Shorts factors[2];
  SHORTHAND_UNROLL
  for (unsigned h = 0; h < 2; ++h) {
    Ints q[2];
    SHORTHAND_UNROLL
    for (unsigned g = 0; g < 2; ++g) {
      const unsigned row = 32 * h + 16 * g;
      const Floats scale = aie::load_v<16>(row_scales + row);
      const Ints all = aie::add(aie::add(product(split(scale), sums), bias).template cast_to<int32_t>(), margin);
      const Ints alone = aie::add(scale.template cast_to<int32_t>(), to_factors);
      const Ints needed = aie::max(aie::add(all, to_e), alone);
      const Ints largest = doubled<2>(doubled<1>(folded<1>(folded<2>(needed))));
      const Ints e = aie::max(aie::bit_and(largest, exponent_bits), at_least);
      const Ints moved = aie::sub(aie::add(scale.template cast_to<int32_t>(), up), e);
      // What is far below the block's largest has no bits left, and its exponent would wrap.
      q[g] = int_of<0>(aie::select(moved.template cast_to<float>(), splat(0.0f), aie::lt(moved, smallest)));
      aie::store_v(rows.exponents + row, e);
      const Ints magic = aie::add(e, to_magic);
      SHORTHAND_UNROLL
      for (unsigned i = 0; i < 4; ++i)
        aie::store_v(rows.magic[row / 4 + i], aie::broadcast<int32_t, 8>(magic[4 * i]).template cast_to<float>());
    }
    factors[h] = narrowed<int16_t>(q[0], q[1]);
  }
  SHORTHAND_UNROLL
  for (unsigned h = 0; h < 2; ++h) spread_rows(factors[h], rows.spread + 8 * h + 1);
  aie::store_v(rows.zeros, aie::zeros<int16_t, 32>());
  const int32_t scaled = of_sums - columns[0] - shift;
  return {shift, scaled < 0 ? 0 : scaled};  // negative where all scales are 0
}

// The shifts of a tile; and rows, ready. One function for all epilogues, because a core has to hold its program.
extern "C" {
__attribute__((noinline)) static Shifts epilogue_prepare(const int32_t* sums, const int16_t* columns,
                                                         const float* row_scales, int32_t least, Rows& rows) {
  const int32_t bound = bound_of(sums), shift = 32 - __builtin_clz(static_cast<unsigned>(bound)) - 6;
  return prepare_rows(row_scales, columns, bound, shift < 0 ? 0 : shift > 12 ? 12 : shift, least, rows);
}
}

// Of 32 rows in order: from eight vectors of four rows.
SHORTHAND_KERNEL_INLINE Shorts row_maxima_in_order(const int16_t (*m)[kBlock]) {
  Shorts four[4];
  SHORTHAND_UNROLL
  for (int i = 0; i < 4; ++i) four[i] = merged<4>(aie::load_v<32>(m[2 * i]), aie::load_v<32>(m[2 * i + 1]));
  return merged<1>(merged<2>(four[0], four[1]), merged<2>(four[2], four[3]));
}

// row_max [64] becomes the larger of itself and each row's largest in `rows`, 15 bits above 16 zeros: magnitudes of
// bfloat16 as floats. One function for all epilogues, likewise.
extern "C" {
__attribute__((noinline)) static void epilogue_keep_maxima(const Rows& rows, int32_t* row_max) {
  SHORTHAND_UNROLL
  for (unsigned h = 0; h < 2; ++h) {
    const Shorts most = row_maxima_in_order(rows.spread + 8 * h);
    const auto upper = aie::interleave_zip(aie::zeros<int16_t, 32>(), most, 1);
    int32_t* to = row_max + 32 * h;
    aie::store_v(to, aie::max(upper.first.template cast_to<int32_t>(), aie::load_v<16>(to)));
    aie::store_v(to + 16, aie::max(upper.second.template cast_to<int32_t>(), aie::load_v<16>(to + 16)));
  }
}
}

// What stands beside a magic number to floats.
struct Beside {
  FloatSum magic;
  Wide start;

  SHORTHAND_KERNEL_INLINE explicit Beside(const float* m)
      : magic(aie::concat(aie::load_v<8>(m), aie::load_v<8>(m))),
        start(aie::concat(magic.template to_vector<float>(), magic.template to_vector<float>())
                  .template cast_to<int32_t>()) {}
  SHORTHAND_KERNEL_INLINE FloatSum half(const Wide& v, unsigned part) const {
    return aie::sub(FloatSum(v.template extract<16>(part).template to_vector<int32_t>().template cast_to<float>()),
                    magic);
  }
};

// Every block of the tile through `finish(v, element offset, magic number, what stands beside it, e)`, which returns
// what the rows' maxima take in. The sums are zeros afterwards, as the next tile wants them: stores are free here.
template <class Finish>
SHORTHAND_KERNEL_INLINE void each_block(int32_t* sums, const int16_t* columns, const Shifts& shifts, Rows& rows,
                                        Finish finish) {
  const int32_t bias = columns[1] + 15;
  for (unsigned pair = 0; pair < kBlockRows * kBlocks / 2; ++pair) {
    const unsigned i = pair >> 2, first = 2 * (pair & 3);
    const int32_t e = rows.exponents[4 * i] >> 23;
    const bool small = bias < e;  // biases below half of v's last bit
    const Shorts factors = aie::load_v<32>(rows.spread[i + 1]);
    Shorts most = aie::load_v<32>(first == 0 ? rows.zeros : rows.spread[i]);
    const Beside beside(rows.magic[i]);
    SHORTHAND_UNROLL
    for (unsigned g = 0; g < 2; ++g) {
      const int at = static_cast<int>(8 * i + first + g) * kBlock;
      const int16_t* c = columns + kColumnBlocks + (first + g) * 2 * kBlock;
      const Shorts x = Wide(aie::load_v<32>(sums + at)).template to_vector<int16_t>(shifts.sums);
      aie::store_v(sums + at, aie::zeros<int32_t, 32>());
      const Shorts y = times(x, aie::load_v<32>(c), shifts.scaled);
      const Wide start(aie::load_v<32>(small ? rows.zeros : c + kBlock), small ? 0 : bias - e);
      most = aie::max(most, finish(aie::mac(start, y, factors), at, rows.magic[i], beside, e));
    }
    aie::store_v(rows.spread[i], most);
  }
}

// v in steps of 2^(e - 15).
SHORTHAND_KERNEL_INLINE Shorts steps_of(const Wide& v) { return v.template to_vector<int16_t>(15); }

// GELU of v in steps of 2^(e - 21) beside a magic number: e is at least kGeluLeast, so that a 16-bit factor takes g
// from its fractional bits there. Where e is more than 6, g has fewer of them.
constexpr int32_t kGeluLeast = -8;
SHORTHAND_KERNEL_INLINE Wide gelu_beside(const Wide& start, const Wide& v, int32_t e) {
  const int32_t up = e < 6 ? 6 - e : 0, down = e > 6 ? (e < 19 ? e - 6 : 13) : 0, to_13_bits = e < 17 ? 17 - e : 0;
  const Shorts g = gelu_bump(v.template to_vector<int16_t>(to_13_bits), 13 + down);
  // As an unsigned number what is negative saturates to 0.
  const Shorts positive = v.template to_vector<uint16_t>(15).template cast_to<int16_t>();
  return aie::mac(aie::mac(start, positive, splat16(64)), g, splat16(static_cast<int16_t>(-(1 << up))));
}

// As bfloat16, and its magnitudes' bits.
SHORTHAND_KERNEL_INLINE Shorts store_bf16(const Beside& beside, const Wide& v, bfloat16* out) {
  const auto x =
      aie::concat(beside.half(v, 0).template to_vector<bfloat16>(), beside.half(v, 1).template to_vector<bfloat16>());
  aie::store_v(out, x);
  return aie::bit_and(x.template cast_to<int16_t>(), splat16(0x7fff));
}

SHORTHAND_KERNEL_INLINE void add_to_f32_tile(int32_t* sums, const int16_t* columns, const float* row_scales,
                                             const float* residual, float* out, Rows& rows) {
  set_modes();
  const Shifts shifts = epilogue_prepare(sums, columns, row_scales, kLeast, rows);
  each_block(sums, columns, shifts, rows,
             [residual, out](const Wide& v, int at, const float*, const Beside& beside, int32_t) {
               const Wide x = aie::mac(beside.start, steps_of(v), splat16(64));
               SHORTHAND_UNROLL
               for (unsigned h = 0; h < 2; ++h) {
                 const FloatSum old(aie::load_v<16>(residual + at + 16 * h));
                 aie::store_v(out + at + 16 * h, aie::add(beside.half(x, h), old).template to_vector<float>());
               }
               return aie::zeros<int16_t, 32>();
             });
}

template <bool with_gelu>
SHORTHAND_KERNEL_INLINE void to_bf16_tile(int32_t* sums, const int16_t* columns, const float* row_scales, bfloat16* out,
                                          float* row_max, Rows& rows) {
  set_modes();
  const Shifts shifts = epilogue_prepare(sums, columns, row_scales, with_gelu ? kGeluLeast : kLeast, rows);
  each_block(sums, columns, shifts, rows,
             [out](const Wide& v, int at, [[maybe_unused]] const float* magic, const Beside& beside, int32_t e) {
               // GELU waits for moves, so that loads of its own cost less than a copy of accumulators.
               if constexpr (with_gelu) return store_bf16(beside, gelu_beside(Beside(magic).start, v, e), out + at);
               return store_bf16(beside, aie::mac(beside.start, steps_of(v), splat16(64)), out + at);
             });
  epilogue_keep_maxima(rows, reinterpret_cast<int32_t*>(row_max));
}

// The factors of 32 rows from their largest magnitudes, less one, times 2^16; in the place of 2^(e - 15) 2^15 the
// scales that belong to them. A thousandth less than 127 steps, so that none is 128.
SHORTHAND_KERNEL_INLINE Shorts head_factors(const int32_t* most, int32_t* scales) {
  constexpr float steps = 127.0f * 32768 * 0.999f;
  Parts x[2];
  Floats y[2];  // becomes 1 / x
  Ints q[2] = {aie::zeros<int32_t, 16>(), aie::zeros<int32_t, 16>()};
  SHORTHAND_UNROLL
  for (int g = 0; g < 2; ++g) {
    const Ints rows = aie::downshift(aie::load_v<16>(most + 16 * g), 16);
    const Floats largest = float_of<0>(aie::add(rows, aie::broadcast<int32_t, 16>(1)));
    x[g] = split(largest);
    y[g] = reciprocal_guess(largest);
  }
  // Two steps to the factors, from which and a good guess one more makes the scales.
  SHORTHAND_ROLLED
  for (int i = 0; i < 3; ++i) {
    SHORTHAND_UNROLL
    for (int g = 0; g < 2; ++g) y[g] = reciprocal_step(x[g], y[g]);
    if (i != 1) continue;
    SHORTHAND_UNROLL
    for (int g = 0; g < 2; ++g) {
      q[g] = int_of<0>(product(split(y[g]), constant(steps)));
      y[g] = product(x[g], constant(1.0f / steps));
      x[g] = split(float_of<0>(q[g]));
    }
  }
  SHORTHAND_UNROLL
  for (int g = 0; g < 2; ++g) {
    const Ints unit = aie::load_v<16>(scales + 16 * g);
    aie::store_v(scales + 16 * g, aie::add(y[g].template cast_to<int32_t>(), unit));
  }
  return narrowed<int16_t>(q[0], q[1]);
}

// v to int8 under a scale for each row of the tile, by way of its 16 bits, which fill the result: q = v * factor /
// 2^15, and the scale is what belongs to the factor that was taken, so that its few bits are no error.
SHORTHAND_KERNEL_INLINE void to_head_tile(int32_t* sums, const int16_t* columns, const float* row_scales,
                                          int8_t* result, Rows& rows) {
  int16_t* work = reinterpret_cast<int16_t*>(result);
  int8_t* out = result + kTile * kTile;
  float* scales = reinterpret_cast<float*>(result);
  set_modes();
  const Shifts shifts = epilogue_prepare(sums, columns, row_scales, kLeast, rows);
  each_block(sums, columns, shifts, rows, [work](const Wide& v, int at, const float*, const Beside&, int32_t) {
    const Shorts x = steps_of(v);
    aie::store_v(work + at, x);
    return aie::max(x, aie::sub(splat16(-1), x));
  });
  // At least 128 steps, so that a factor has 15 bits. They take the places of the magic numbers, which are read.
  auto* const largest = reinterpret_cast<int32_t*>(rows.magic);
  for (int i = 0; i < kTile; i += 16) aie::store_v(largest + i, aie::broadcast<int32_t, 16>(127 << 16));
  epilogue_keep_maxima(rows, largest);
  SHORTHAND_ROLLED
  for (int h = 0; h < 2; ++h) spread_rows(head_factors(largest + 32 * h, rows.exponents + 32 * h), rows.spread + 8 * h);
  // From the last block on: what is written into the second half has been read.
  for (int at = kTile * kTile - 4 * kBlock; at >= 0; at -= 4 * kBlock) {
    const Shorts factor = aie::load_v<32>(rows.spread[at / (kBlocks * kBlock)]);
    Shorts x[4];
    SHORTHAND_UNROLL
    for (int g = 0; g < 4; ++g) x[g] = aie::load_v<32>(work + at + g * kBlock);
    SHORTHAND_UNROLL
    for (int g = 0; g < 4; ++g)
      aie::store_v(out + at + g * kBlock, aie::mul<acc32>(x[g], factor).template to_vector<int8_t>(15));
  }
  Floats all[4];
  SHORTHAND_UNROLL
  for (int i = 0; i < 4; ++i) all[i] = aie::load_v<16>(rows.exponents + 16 * i).template cast_to<float>();
  const int32_t exponent = largest_exponent(all);
  int16_t* mantissa = work + kHeadFactors;
  SHORTHAND_ROLLED
  for (int i = 0; i < kTile; i += 32) {
    const auto at = [&](int k) { return aie::load_v<16>(rows.exponents + k).template cast_to<float>(); };
    const Floats first = at(i), second = at(i + 16);
    aie::store_v(scales + i, first);
    aie::store_v(scales + i + 16, second);
    aie::store_v(mantissa + i, mantissas<15>(first, second, exponent));
  }
  __builtin_memcpy(mantissa + kTile, &exponent, sizeof exponent);
}

// A tile of bfloat16 to int8 with the rows' scales, once the largest magnitude of whole rows is known:
// q = round(v * 127 / largest), scale = largest / 127.
template <int m, int n>
SHORTHAND_KERNEL_INLINE void quantise(const bfloat16* in, const float* row_max, int8_t* out, float* row_scales) {
  set_modes();
  alignas(32) float inverses[64];
  const Parts one_127th = constant(1.0f / 127.0f), times_127 = constant(127.0f);
  for (int i = 0; i < m; i += 16) {
    // A row of zeros gets scale 1 in its reciprocal, so that zeros stay zeros.
    const Floats largest = aie::load_v<16>(row_max + i);
    const Floats divisor = aie::select(largest, splat(1.0f), aie::lt(largest, splat(1e-30f)));
    aie::store_v(row_scales + i, product(split(largest), one_127th));
    aie::store_v(inverses + i, product(split(reciprocal(divisor)), times_127));
  }
  for (int i = 0; i < m / 4; ++i) {
    const float* inverse = inverses + 4 * i;
    const Parts upper = two_rows(inverse[0], inverse[1]), lower = two_rows(inverse[2], inverse[3]);
    for (int j = 0; j < n / 8; ++j) {
      const int at = (i * (n / 8) + j) * 32;
      aie::store_v(out + at, in_steps(aie::load_v<16>(in + at), aie::load_v<16>(in + at + 16), upper, lower));
    }
  }
}

}  // namespace

extern "C" {

void zero_i32_16x16(int32_t* sums) { zero<16, 16>(sums); }
void zero_i32_32x32(int32_t* sums) { zero<32, 32>(sums); }
void zero_i32_64x64(int32_t* sums) { zero<64, 64>(sums); }
void zero_row_max_64(float* row_max) {
  for (int i = 0; i < 64; i += 8) aie::store_v(row_max + i, aie::zeros<float, 8>());
}

void matmul_i8_16x16x16(const int8_t* a, const int8_t* b, int32_t* sums) { multiply_2x2<16, 16, 16>(a, b, sums); }
void matmul_i8_32x32x32(const int8_t* a, const int8_t* b, int32_t* sums) { multiply_2x2<32, 32, 32>(a, b, sums); }
void matmul_i8_64x64x64(const int8_t* a, const int8_t* b, int32_t* sums) { multiply_2x2<64, 64, 64>(a, b, sums); }
void matmul_i8_64x128x64(const int8_t* a, const int8_t* b, int32_t* sums) { multiply_2x2<64, 128, 64>(a, b, sums); }
void matmul_i8_stock_64x64x64(const int8_t* a, const int8_t* b, int32_t* sums) { multiply_4x2<64, 64, 64>(a, b, sums); }

void epilogue_bf16_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, bfloat16* out, float* row_max,
                         int16_t* rows) {
  to_bf16_tile<false>(sums, columns, row_scales, out, row_max, rows_at(rows));
}
void epilogue_gelu_bf16_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, bfloat16* out,
                              float* row_max, int16_t* rows) {
  to_bf16_tile<true>(sums, columns, row_scales, out, row_max, rows_at(rows));
}
void epilogue_head_i8_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, int8_t* result,
                            int16_t* rows) {
  to_head_tile(sums, columns, row_scales, result, rows_at(rows));
}
void epilogue_residual_f32_64x64(int32_t* sums, const int16_t* columns, const float* row_scales, const float* residual,
                                 float* out, int16_t* rows) {
  add_to_f32_tile(sums, columns, row_scales, residual, out, rows_at(rows));
}
void narrow_i8_64x64(const int32_t* sums, int8_t* out, int32_t shift) {
  set_modes();
  for (int i = 0; i < 64 * 64; i += 32) {
    aie::store_v(out + i, aie::accum<acc32, 32>(aie::load_v<32>(sums + i)).to_vector<int8_t>(shift));
  }
}
void quantise_bf16_64x64(const bfloat16* in, const float* row_max, int8_t* out, float* row_scales) {
  quantise<64, 64>(in, row_max, out, row_scales);
}

}  // extern "C"
