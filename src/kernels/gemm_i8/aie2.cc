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
// loop that remains can overlap a group's stores with the next group's products.
template <int m, int k, int n>
SHORTHAND_KERNEL_INLINE void multiply_2x2(const int8_t* a, const int8_t* b, int32_t* sums) {
  static_assert(m % 8 == 0 && k % 8 == 0 && n % 16 == 0);
  set_modes();
  constexpr int a_row = k * 4, b_row = n * 8, c_row = n * 4;  // elements of a row of blocks
  constexpr unsigned across = n / 16;
  for (unsigned group = 0; group < m / 8 * across; ++group) {
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

struct Columns {  // of one block, for both rows of half a block
  Halves high, low;
  Floats bias;
};
template <int n>
SHORTHAND_KERNEL_INLINE Columns load_columns(const bfloat16* columns, int block) {
  const auto high = aie::load_v<8>(columns + block * 8), low = aie::load_v<8>(columns + n + block * 8);
  const auto bias = aie::load_v<8>(reinterpret_cast<const float*>(columns + 2 * n) + block * 8);
  return {aie::concat(high, high), aie::concat(low, low), aie::concat(bias, bias)};
}

// sum * column scale * row scale + bias of two rows of a block. Sums have up to 27 bits (K <= 8,192); the five lowest,
// far below the noise of the quantised factors, are rounded off so that the rest is a float by magic number. What is
// multiplied is rounded to bfloat16 twice, at most 2^-8 each and without bias; scales have 16 bits, because theirs
// would be an error of a whole row or column.
SHORTHAND_KERNEL_INLINE Floats dequantised(const int32_t* sums, const Columns& c, const Parts& row) {
  const aie::accum<acc64, 16> wide(aie::load_v<16>(sums));  // an acc32 would not shift
  const Halves sum = to_bf16(float_of<-5>(wide.to_vector<int32_t>(5)));
  const Halves scaled = to_bf16(aie::mac(aie::mul(sum, c.low), sum, c.high).to_vector<float>());
  return aie::mac(aie::mac(FloatSum(c.bias), scaled, row.low), scaled, row.high).to_vector<float>();
}

// Every block of the tile through `finish(values of rows 0 and 1, of rows 2 and 3, element offset)`, and the rows'
// largest magnitudes of what it leaves. Eight rows at a time: the columns' parameters serve two blocks, and what a loop
// of few rounds waits for at its ends is waited for half as often.
template <int m, int n, class Finish>
SHORTHAND_KERNEL_INLINE void each_block(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                                        float* row_max, Finish finish) {
  static_assert(m % 8 == 0);
  for (int i = 0; i < m / 8; ++i) {
    const float* scale = row_scales + 8 * i;
    const Parts rows[4] = {two_rows(scale[0], scale[1]), two_rows(scale[2], scale[3]), two_rows(scale[4], scale[5]),
                           two_rows(scale[6], scale[7])};
    Ints most[4] = {aie::zeros<int32_t, 16>(), aie::zeros<int32_t, 16>(), aie::zeros<int32_t, 16>(),
                    aie::zeros<int32_t, 16>()};
    for (int j = 0; j < n / 8; ++j) {
      const Columns c = load_columns<n>(columns, j);
      SHORTHAND_UNROLL
      for (int g = 0; g < 2; ++g) {
        const int at = ((2 * i + g) * (n / 8) + j) * 32;
        Floats v0 = dequantised(sums + at, c, rows[2 * g]), v1 = dequantised(sums + at + 16, c, rows[2 * g + 1]);
        finish(v0, v1, at);
        most[2 * g] = aie::max(most[2 * g], magnitude(v0));
        most[2 * g + 1] = aie::max(most[2 * g + 1], magnitude(v1));
      }
    }
    for (int r = 0; r < 4; ++r) keep_largest(row_max + 8 * i + 2 * r, most[r]);
  }
}

template <int m, int n, bool with_gelu>
SHORTHAND_KERNEL_INLINE void to_bf16_tile(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                                          bfloat16* out, float* row_max) {
  set_modes();
  each_block<m, n>(sums, columns, row_scales, row_max, [out](Floats& v0, Floats& v1, int at) {
    if constexpr (with_gelu) gelu(v0, v1);
    aie::store_v(out + at, to_bf16(v0));
    aie::store_v(out + at + 16, to_bf16(v1));
  });
}

template <int m, int n>
SHORTHAND_KERNEL_INLINE void add_to_f32_tile(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                                             const float* residual, float* out, float* row_max) {
  set_modes();
  each_block<m, n>(sums, columns, row_scales, row_max, [residual, out](Floats& v0, Floats& v1, int at) {
    v0 = aie::add(v0, aie::load_v<16>(residual + at));
    v1 = aie::add(v1, aie::load_v<16>(residual + at + 16));
    aie::store_v(out + at, v0);
    aie::store_v(out + at + 16, v1);
  });
}

// round(v * inverse of the row), saturated: for rows whose scale is known before their values are.
template <int m, int n, bool with_gelu>
SHORTHAND_KERNEL_INLINE void to_i8_tile(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                                        const float* inverses, int8_t* out, float* row_max) {
  set_modes();
  each_block<m, n>(sums, columns, row_scales, row_max, [inverses, out](Floats& v0, Floats& v1, int at) {
    if constexpr (with_gelu) gelu(v0, v1);
    const float* inverse = inverses + at / (4 * n) * 4;
    const Floats q0 = product(split(v0), two_rows(inverse[0], inverse[1]));
    const Floats q1 = product(split(v1), two_rows(inverse[2], inverse[3]));
    const auto q = narrowed<int16_t>(int_of<0>(q0), int_of<0>(q1));
    aie::store_v(out + at, aie::accum<acc32, 32>(aie::max(q, aie::broadcast<int16_t, 32>(-127))).to_vector<int8_t>());
  });
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

void epilogue_bf16_16x16(const int32_t* sums, const bfloat16* columns, const float* row_scales, bfloat16* out,
                         float* row_max) {
  to_bf16_tile<16, 16, false>(sums, columns, row_scales, out, row_max);
}
void epilogue_bf16_32x32(const int32_t* sums, const bfloat16* columns, const float* row_scales, bfloat16* out,
                         float* row_max) {
  to_bf16_tile<32, 32, false>(sums, columns, row_scales, out, row_max);
}
void epilogue_bf16_64x64(const int32_t* sums, const bfloat16* columns, const float* row_scales, bfloat16* out,
                         float* row_max) {
  to_bf16_tile<64, 64, false>(sums, columns, row_scales, out, row_max);
}
void epilogue_gelu_bf16_64x64(const int32_t* sums, const bfloat16* columns, const float* row_scales, bfloat16* out,
                              float* row_max) {
  to_bf16_tile<64, 64, true>(sums, columns, row_scales, out, row_max);
}
void epilogue_residual_f32_64x64(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                                 const float* residual, float* out, float* row_max) {
  add_to_f32_tile<64, 64>(sums, columns, row_scales, residual, out, row_max);
}
void epilogue_i8_64x64(const int32_t* sums, const bfloat16* columns, const float* row_scales, const float* inverses,
                       int8_t* out, float* row_max) {
  to_i8_tile<64, 64, false>(sums, columns, row_scales, inverses, out, row_max);
}
void epilogue_gelu_i8_64x64(const int32_t* sums, const bfloat16* columns, const float* row_scales,
                            const float* inverses, int8_t* out, float* row_max) {
  to_i8_tile<64, 64, true>(sums, columns, row_scales, inverses, out, row_max);
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
