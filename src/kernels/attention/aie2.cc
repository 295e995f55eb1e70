// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/aie2.h"

#include "kernels/aie_math.h"

namespace {

using namespace shorthand::aie2;

using Scores = aie::mmul<4, 8, 8, int8_t, int8_t>;
using Values = aie::mmul<4, 8, 4, bfloat16, bfloat16>;
using Shorts = aie::vector<int16_t, 32>;  // a block of 4 x 8

// state: the rows' maxima, in the units of score * factor; the keys' exponent; whether there were keys before.
constexpr int kExponent = 64, kStarted = 65;
constexpr int kScoreShift = 6;  // 64 * 127 * 127 >> 6 has 15 bits with its sign, and so has a difference of two
constexpr int kSlack = 8;       // binary orders by which a weight may pass 1 before the sums are rescaled

// The largest exponent field among 64 floats that are not negative.
SHORTHAND_KERNEL_INLINE int32_t largest_exponent(const float* x) {
  Ints most = aie::load_v<16>(x).cast_to<int32_t>();
  for (int i = 16; i < 64; i += 16) most = aie::max(most, aie::load_v<16>(x + i).cast_to<int32_t>());
  return aie::reduce_max(most) >> 23;
}

// x * 2^(126 - exponent), which is below 1, with 15 fractional bits.
SHORTHAND_KERNEL_INLINE aie::vector<int16_t, 32> mantissas(const Floats& x0, const Floats& x1, int32_t exponent) {
  const Ints up = aie::broadcast<int32_t, 16>((126 - exponent) << 23);
  const auto scaled = [&up](const Floats& x) {
    const Floats y = aie::add(x.cast_to<int32_t>(), up).cast_to<float>();
    // What is far below the largest has no bits left, and its exponent would wrap.
    return int_of<15>(aie::select(y, splat(0.0f),
                                  aie::lt(aie::add(x.cast_to<int32_t>(), up), aie::broadcast<int32_t, 16>(64 << 23))));
  };
  return narrowed<int16_t>(scaled(x0), scaled(x1));
}

template <class T>
SHORTHAND_KERNEL_INLINE aie::vector<T, 32> four_rows(T a, T b, T c, T d) {
  return aie::concat(aie::broadcast<T, 8>(a), aie::broadcast<T, 8>(b), aie::broadcast<T, 8>(c),
                     aie::broadcast<T, 8>(d));
}

// Scores of eight rows and all keys in use, times the keys' scales, and their maxima lane by lane.
SHORTHAND_KERNEL_INLINE void score_rows(const int8_t* q, const int8_t* k, const int16_t* key_factors, int pairs,
                                        int32_t valid, int16_t* scores, Shorts* most) {
  constexpr int16_t column[32] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
                                  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  const auto columns = aie::load_unaligned_v<32>(column);
  const auto lowest = aie::broadcast<int16_t, 32>(-32768);
  most[0] = most[1] = lowest;
  for (int pair = 0; pair < pairs; ++pair) {
    Scores p[2][2];
    for (int i = 0; i < 4; ++i) p[i >> 1][i & 1] = Scores(aie::zeros<acc32, 32>());
    SHORTHAND_UNROLL
    for (int s = 0; s < 8; ++s) {
      const auto top = aie::load_v<32>(q + s * 32), bottom = aie::load_v<32>(q + 256 + s * 32);
      for (int c = 0; c < 2; ++c) {
        // Eight keys stand in two blocks of four; the product wants them as columns.
        const int8_t* keys = k + (2 * pair + c) * 512 + s * 32;
        const auto block = aie::transpose(aie::concat(aie::load_v<32>(keys), aie::load_v<32>(keys + 256)), 8, 8);
        p[0][c].mac(top, block);
        p[1][c].mac(bottom, block);
      }
    }
    for (int c = 0; c < 2; ++c) {
      const int block = 2 * pair + c;
      const auto factor = aie::load_v<32>(key_factors + block * 32);
      const auto keep = aie::lt(columns, aie::broadcast<int16_t, 32>(static_cast<int16_t>(valid - 8 * block)));
      for (int r = 0; r < 2; ++r) {
        const auto score = p[r][c].template to_vector<int16_t>(kScoreShift);
        const auto scaled = aie::mul<acc32>(score, factor).template to_vector<int16_t>(15);
        aie::store_v(scores + r * 256 + block * 32, scaled);
        most[r] = aie::max(most[r], aie::select(lowest, scaled, keep));
      }
    }
  }
}

// The sums of four rows by 2^(-drop of the row), drop with ten fractional bits.
SHORTHAND_KERNEL_INLINE void rescale(float* values, float* weights, const int16_t* drops) {
  const auto u = aie::concat(aie::broadcast<int16_t, 8>(drops[0]), aie::broadcast<int16_t, 8>(drops[1]),
                             aie::broadcast<int16_t, 8>(drops[2]), aie::broadcast<int16_t, 8>(drops[3]));
  const Halves factor = aie::filter_even(exp2(u), 4);  // four lanes a row
  const auto times = [&factor](float* x) {
    const Parts parts = split(aie::load_v<16>(x));
    aie::store_v(x, aie::mac(aie::mul(parts.low, factor), parts.high, factor).to_vector<float>());
  };
  for (int c = 0; c < 16; ++c) times(values + c * 16);
  times(weights);
}

// The rows' maxima as they have to be for these scores; the sums follow where one moves.
SHORTHAND_KERNEL_INLINE void raise_maxima(const Shorts& most, const int16_t* factors, int32_t* maxima, bool started,
                                          int shift, float* values, float* weights) {
  Shorts m = aie::max(most, aie::shuffle_down(most, 4));
  m = aie::max(m, aie::shuffle_down(m, 2));
  m = aie::max(m, aie::shuffle_down(m, 1));
  const int32_t slack = shift > 16 ? 1 << 30 : kSlack << (10 + shift);
  int16_t drops[4];
  bool moved = false;
  for (int r = 0; r < 4; ++r) {
    const int32_t top = m[static_cast<unsigned>(8 * r)] * factors[r];
    const int32_t passed = top - maxima[r];
    drops[r] = 0;
    if (!started || passed > slack) {
      const int32_t steps = passed >> shift;
      drops[r] = static_cast<int16_t>(steps > 32767 ? -32768 : -steps);
      maxima[r] = top;
      moved = true;
    }
  }
  if (moved && started) rescale(values, weights, drops);
}

// Weights of four rows, and their sums as a product with ones.
SHORTHAND_KERNEL_INLINE void weigh_rows(const int16_t* scores, const int16_t* factors, const int32_t* maxima,
                                        int blocks, int32_t valid, int shift, bfloat16* p, float* weights) {
  constexpr int16_t column[32] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
                                  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  const auto columns = aie::load_unaligned_v<32>(column);
  const auto factor = four_rows<int16_t>(factors[0], factors[1], factors[2], factors[3]);
  const aie::accum<acc32, 32> below(four_rows<int32_t>(-maxima[0], -maxima[1], -maxima[2], -maxima[3]));
  const auto ones = aie::broadcast<bfloat16, 32>(bfloat16(1.0f));
  Values sum(aie::load_v<16>(weights));
  for (int block = 0; block < blocks; ++block) {
    const auto u = aie::mac(below, aie::load_v<32>(scores + block * 32), factor).template to_vector<int16_t>(shift);
    const auto keep = aie::lt(columns, aie::broadcast<int16_t, 32>(static_cast<int16_t>(valid - 8 * block)));
    const auto w = aie::select(aie::zeros<bfloat16, 32>(), exp2(u), keep);
    sum.mac(w, ones);
    aie::store_v(p + block * 32, w);
  }
  aie::store_v(weights, sum.template to_vector<float>());
}

// values += P V: eight rows and eight components at a time, four running sums.
SHORTHAND_KERNEL_INLINE void add_values(const bfloat16* p, const bfloat16* v, int blocks, float* values) {
  for (unsigned group = 0; group < 64; ++group) {
    const unsigned i = group >> 3, j = group & 7;
    float* c0 = values + i * 512 + j * 32;
    float* c1 = c0 + 256;
    Values s00(aie::load_v<16>(c0)), s01(aie::load_v<16>(c0 + 16));
    Values s10(aie::load_v<16>(c1)), s11(aie::load_v<16>(c1 + 16));
    const bfloat16* p0 = p + i * 512;
    for (int b = 0; b < blocks; ++b) {
      const auto top = aie::load_v<32>(p0 + b * 32), bottom = aie::load_v<32>(p0 + 256 + b * 32);
      const bfloat16* keys = v + b * 512 + j * 32;  // eight keys of eight components: their left and right halves
      const auto halves = aie::interleave_unzip(aie::load_v<32>(keys), aie::load_v<32>(keys + 256), 4);
      s00.mac(top, halves.first);
      s01.mac(top, halves.second);
      s10.mac(bottom, halves.first);
      s11.mac(bottom, halves.second);
    }
    aie::store_v(c0, s00.template to_vector<float>());
    aie::store_v(c0 + 16, s01.template to_vector<float>());
    aie::store_v(c1, s10.template to_vector<float>());
    aie::store_v(c1 + 16, s11.template to_vector<float>());
  }
}

}  // namespace

extern "C" {

void attention_begin_64x64(float* sums, int32_t* state) {
  for (int i = 0; i < kAttentionSums; i += 16) aie::store_v(sums + i, aie::zeros<float, 16>());
  for (int i = 0; i < kAttentionState; i += 16) aie::store_v(state + i, aie::zeros<int32_t, 16>());
}

void attention_step_64x64(const int8_t* q, const float* q_scales, const int8_t* k, const float* k_scales,
                          const bfloat16* v, float* sums, int32_t* state, int16_t* work, int32_t valid) {
  set_modes();
  bfloat16* p = reinterpret_cast<bfloat16*>(work);
  int16_t* scores = work + 64 * 64;
  int16_t* key_factors = scores + 8 * 64;
  alignas(32) int16_t factors[64];
  float* weights = sums + 64 * 64;

  // Both scales as 15-bit numbers under a common exponent; the queries' with log2(e) / 8 in them.
  alignas(32) float in_octaves[64];
  const Parts octaves = split(splat(1.44269504f / 8));
  for (int i = 0; i < 64; i += 16) aie::store_v(in_octaves + i, product(split(aie::load_v<16>(q_scales + i)), octaves));
  const int32_t query_exponent = largest_exponent(in_octaves);
  const bool started = state[kStarted] != 0;
  const int32_t found = largest_exponent(k_scales), known = state[kExponent];
  const int32_t exponent = started && known > found ? known : found;
  for (int i = 0; i < 64; i += 32) {
    aie::store_v(factors + i,
                 mantissas(aie::load_v<16>(in_octaves + i), aie::load_v<16>(in_octaves + i + 16), query_exponent));
    const auto keys = mantissas(aie::load_v<16>(k_scales + i), aie::load_v<16>(k_scales + i + 16), exponent);
    for (unsigned b = 0; b < 4; ++b) {
      const auto eight = keys.template extract<8>(b);
      aie::store_v(key_factors + (i / 8 + static_cast<int>(b)) * 32, aie::concat(eight, eight, eight, eight));
    }
  }
  // u = score * factor >> shift has ten fractional bits.
  const int32_t wanted = 251 - exponent - query_exponent, shift = wanted < 0 ? 0 : wanted > 30 ? 30 : wanted;
  if (started && exponent > known) {  // the maxima in the new unit
    const int32_t lower = exponent - known > 31 ? 31 : exponent - known;
    for (int r = 0; r < 64; ++r) state[r] >>= lower;
  }
  state[kExponent] = exponent;
  state[kStarted] = 1;

  const int pairs = (valid + 15) >> 4;
  for (int i = 0; i < 8; ++i) {
    Shorts most[2];
    score_rows(q + i * 512, k, key_factors, pairs, valid, scores, most);
    for (int r = 0; r < 2; ++r) {
      const int group = 2 * i + r;
      raise_maxima(most[r], factors + 4 * group, state + 4 * group, started, shift, sums + group * 256,
                   weights + group * 16);
      weigh_rows(scores + r * 256, factors + 4 * group, state + 4 * group, 2 * pairs, valid, shift, p + group * 256,
                 weights + group * 16);
    }
  }
  add_values(p, v, 2 * pairs, sums);
}

void attention_end_64x64(const float* sums, bfloat16* out, float* row_max) {
  set_modes();
  for (int i = 0; i < 16; ++i) {
    const Parts inverse = split(reciprocal(aie::load_v<16>(sums + 64 * 64 + i * 16)));
    Floats upper = splat(0.0f), lower = upper;
    for (int j = 0; j < 8; ++j) {
      const float* block = sums + i * 256 + j * 32;
      const auto rows = aie::interleave_zip(product(split(aie::load_v<16>(block)), inverse),
                                            product(split(aie::load_v<16>(block + 16)), inverse), 4);
      upper = aie::max(upper, aie::abs(rows.first));
      lower = aie::max(lower, aie::abs(rows.second));
      aie::store_v(out + i * 256 + j * 32, to_bf16(rows.first));
      aie::store_v(out + i * 256 + j * 32 + 16, to_bf16(rows.second));
    }
    keep_largest(row_max + 4 * i, upper);
    keep_largest(row_max + 4 * i + 2, lower);
  }
}

}  // extern "C"
