// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/aie2.h"

#include "kernels/aie_math.h"

namespace {

using namespace shorthand::aie2;

using Scores = aie::mmul<4, 8, 8, int8_t, int8_t>;
using Values = aie::mmul<4, 8, 4, bfloat16, bfloat16>;

// Exponents are counted in steps of 2^-8: a weight 2^(x - m) has the step kOne + 256 (x - m), 0 to 32,767, m the row's
// reference. A row's reference is its largest x among the first keys and is raised only where a later x passes it by
// more than 2^32: floats have room, so sums are all but never rescaled.
constexpr int kOne = 63 * 256, kSteps = 256, kSlack = 32 * kSteps;
constexpr int kLargestShift = 16;  // kOne << 16, and twice 2^29 of scores and references, stay below 2^31

// state: kOne less the references [16][32] in steps, times 2^shift, each four rows' spread over a block; the queries'
// factors [16][32] likewise, 14 bits under a common exponent.
constexpr int kFactors = 16 * 32;
static_assert(kFactors + 16 * 16 == kAttentionState);

constexpr int kScoreShift = 5;  // 64 * 127 * 127 >> 5 has 15 bits with its sign

// work: scores [16][8][32], which become weights in place; the keys' factors [64]; the rows' maxima [16][32]; numbers.
constexpr int kKeyFactors = 64 * 64, kMaxima = kKeyFactors + 64, kNumbers = kMaxima + 16 * 32;
static_assert(kNumbers + 32 == kAttentionWork);
struct Numbers {
  int32_t started, query_exponent, shift, key_exponent, raised;
};
SHORTHAND_KERNEL_INLINE Numbers& numbers_of(int16_t* work) { return *reinterpret_cast<Numbers*>(work + kNumbers); }

SHORTHAND_KERNEL_INLINE Shorts four_rows(const int16_t* x) {
  return aie::concat(aie::broadcast<int16_t, 8>(x[0]), aie::broadcast<int16_t, 8>(x[1]),
                     aie::broadcast<int16_t, 8>(x[2]), aie::broadcast<int16_t, 8>(x[3]));
}

// The queries' scales, with log2(e) / 8 in them, as factors; no keys seen yet.
SHORTHAND_KERNEL_INLINE void start(const float* q_scales, int32_t* state, Numbers& numbers) {
  alignas(32) int16_t factors[64];
  const Parts unit = constant(1.44269504f / 8);
  Floats octaves[4];
  for (int i = 0; i < 4; ++i) octaves[i] = product(split(aie::load_v<16>(q_scales + 16 * i)), unit);
  const int32_t exponent = largest_exponent(octaves);
  for (int i = 0; i < 2; ++i)
    aie::store_v(factors + 32 * i, mantissas<14>(octaves[2 * i], octaves[2 * i + 1], exponent));
  int16_t* spread = reinterpret_cast<int16_t*>(state + kFactors);
  for (int g = 0; g < 16; ++g) aie::store_v(spread + g * 32, four_rows(factors + 4 * g));
  numbers = {0, exponent, kLargestShift, 0, 0};
}

// The keys' factors, of which those of padding are 0, whatever they hold.
SHORTHAND_KERNEL_INLINE void mask_keys(const int16_t* k_factors, int32_t valid, int16_t* key_factors) {
  constexpr int16_t lane[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  const auto lanes = aie::load_unaligned_v<32>(lane);
  SHORTHAND_UNROLL
  for (int i = 0; i < 2; ++i) {
    const auto inside = aie::lt(lanes, splat16(static_cast<int16_t>(valid - 32 * i)));
    aie::store_v(key_factors + 32 * i, aie::select(splat16(0), aie::load_v<32>(k_factors + 32 * i), inside));
  }
}

// Scores times the keys' scales, and their maxima lane by lane, of 8 rows and 16 keys: four running sums.
SHORTHAND_KERNEL_INLINE void score_group(unsigned group, const int8_t* q, const int8_t* k, const int16_t* key_factors,
                                         const int16_t* lowest, int16_t* scores, int16_t* maxima) {
  const unsigned i = group >> 2, pair = group & 3;
  const int8_t* rows = q + i * 512;
  const int8_t* keys = k + pair * 1024;
  const auto factors_of = [&](unsigned c) {  // of eight keys, for four rows
    const auto eight = aie::load_v<8>(key_factors + (2 * pair + c) * 8);
    return aie::concat(eight, eight, eight, eight);
  };
  const Shorts factors[2] = {factors_of(0), factors_of(1)};
  Scores p[2][2];
  for (unsigned j = 0; j < 4; ++j) p[j >> 1][j & 1] = Scores(aie::zeros<acc32, 32>());
  SHORTHAND_UNROLL
  for (int s = 0; s < 8; ++s) {
    const auto top = aie::load_v<32>(rows + s * 32), bottom = aie::load_v<32>(rows + 256 + s * 32);
    for (int c = 0; c < 2; ++c) {
      // Eight keys stand in two blocks of four; the product wants them as columns.
      const int8_t* block = keys + c * 512 + s * 32;
      const auto columns = aie::transpose(aie::concat(aie::load_v<32>(block), aie::load_v<32>(block + 256)), 8, 8);
      p[0][c].mac(top, columns);
      p[1][c].mac(bottom, columns);
    }
  }
  for (unsigned r = 0; r < 2; ++r) {
    int16_t* most = maxima + (2 * i + r) * 32;
    Shorts m = aie::load_v<32>(pair == 0 ? lowest : most);
    for (unsigned c = 0; c < 2; ++c) {
      const Shorts x = p[r][c].template to_vector<int16_t>(kScoreShift);
      const Shorts scaled = times(x, factors[c]);
      aie::store_v(scores + (2 * i + r) * 256 + (2 * pair + c) * 32, scaled);
      m = aie::max(m, scaled);
    }
    aie::store_v(most, m);
  }
}
// Two groups at a time, whose stores overlap the next ones' products.
SHORTHAND_KERNEL_INLINE void score(const int8_t* q, const int8_t* k, const int16_t* key_factors, int16_t* scores,
                                   int16_t* maxima) {
  alignas(32) int16_t lowest[32];
  aie::store_v(lowest, splat16(-32768));
  for (unsigned group = 0; group < 32; group += 2) {
    score_group(group, q, k, key_factors, lowest, scores, maxima);
    score_group(group + 1, q, k, key_factors, lowest, scores, maxima);
  }
}

struct Steps {  // from scores to steps in this call: (below + score * factor >> drop) >> shift
  const int32_t* state;
  int shift, drop;

  SHORTHAND_KERNEL_INLINE Shorts factor(int g) const {
    const int16_t* factors = reinterpret_cast<const int16_t*>(state + kFactors);
    return Wide(aie::load_v<32>(factors + g * 32)).template to_vector<int16_t>(drop);
  }
  SHORTHAND_KERNEL_INLINE Wide below(int g) const { return Wide(aie::load_v<32>(state + g * 32)); }
};

// 2^(step / 256 - 127 + 64), as bfloat16: its bits are step / 2 but for the mantissa's 2^f - 1 - f, f the fraction of
// the step, a parabola. Within 2^-9 + 0.0035 of it.
SHORTHAND_KERNEL_INLINE aie::vector<bfloat16, 32> weight(const Shorts& step) {
  const Shorts f = aie::bit_and(step, splat16(255));
  const Shorts bend = aie::mac(Wide(splat16(-5472), 8), f, splat16(5407)).template to_vector<int16_t>(8);
  return aie::mac(Wide(step, 14), f, bend).template to_vector<int16_t>(15).template cast_to<bfloat16>();
}

SHORTHAND_KERNEL_INLINE void times_power(float* x, const Halves& factor) {
  const Parts parts = split(aie::load_v<16>(x));
  const Halves rest = to_bf16(aie::sub(aie::sub(aie::load_v<16>(x), to_f32(parts.high)), to_f32(parts.low)));
  aie::store_v(
      x, aie::mac(aie::mac(aie::mul(rest, factor), parts.low, factor), parts.high, factor).template to_vector<float>());
}

// A row's reference becomes its largest x where that is larger, by whole octaves once there are sums. Those of weights
// follow; those of values when they are at hand, by the factors that take the places of the maxima.
SHORTHAND_KERNEL_INLINE void raise(const Steps& steps, bool started, int16_t* maxima, int32_t* state, float* row_sums) {
  const auto one = aie::broadcast<int32_t, 32>(kOne);
  const auto shift = static_cast<unsigned>(steps.shift);
  const auto keep = [&](int g, const aie::vector<int32_t, 32>& reference) {
    aie::store_v(state + g * 32, aie::upshift(aie::sub(one, reference), shift));
  };
  for (int g = 0; g < 16; ++g) {
    const auto product = aie::mul<acc32>(spread_maxima(aie::load_v<32>(maxima + g * 32)), steps.factor(g));
    const auto top = aie::downshift(product.template to_vector<int32_t>(), shift);
    if (!started) {
      keep(g, top);
      continue;
    }
    const auto old = aie::sub(one, aie::downshift(aie::load_v<32>(state + g * 32), shift));
    const auto zero = aie::zeros<int32_t, 32>(), octaves = aie::broadcast<int32_t, 32>(-kSteps);
    const auto rise = aie::max(zero, aie::bit_and(aie::sub(top, old), octaves));
    keep(g, aie::add(old, rise));
    // 2^-octaves by its bits; sums below 2^-126 of the new ones are gone.
    const auto power = Wide(aie::max(zero, aie::sub(aie::broadcast<int32_t, 32>(127 * kSteps), rise)));
    const Halves factor = aie::filter_even(power.template to_vector<int16_t>(1).template cast_to<bfloat16>(), 4);
    times_power(row_sums + g * 16, factor);
    aie::store_v(reinterpret_cast<bfloat16*>(maxima + g * 32), factor);
  }
}
SHORTHAND_KERNEL_INLINE void follow(const int16_t* maxima, float* sums) {
  for (int g = 0; g < 16; ++g) {
    const Halves factor = aie::load_v<16>(reinterpret_cast<const bfloat16*>(maxima + g * 32));
    for (int c = 0; c < 16; ++c) times_power(sums + g * 256 + c * 16, factor);
  }
}

// Whether any score stands so far above its row's reference that its weight might not be a number.
SHORTHAND_KERNEL_INLINE bool too_high(const Steps& steps, const int16_t* maxima) {
  Shorts most = aie::broadcast<int16_t, 32>(0);
  for (int g = 0; g < 16; ++g) {
    const auto top = aie::mac(steps.below(g), aie::load_v<32>(maxima + g * 32), steps.factor(g));
    most = aie::max(most, top.template to_vector<int16_t>(steps.shift));
  }
  return aie::reduce_max(most) > kOne + kSlack;
}

// Scores become weights, in place; their sums are a product with ones.
template <bool masked>
SHORTHAND_KERNEL_INLINE void weigh(const Steps& steps, int16_t* scores, float* weights, int32_t valid) {
  constexpr int16_t column[32] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
                                  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  const auto columns = aie::load_unaligned_v<32>(column);
  const auto ones = aie::broadcast<bfloat16, 32>(bfloat16(1.0f));
  const auto four_rows_of = [&](int g) __attribute__((always_inline)) {
    const Wide below = steps.below(g);
    const Shorts factor = steps.factor(g);
    Values sum(aie::load_v<16>(weights + g * 16));
    SHORTHAND_UNROLL
    for (int b = 0; b < 8; ++b) {
      int16_t* block = scores + g * 256 + b * 32;
      // As unsigned numbers: what is below 2^-63 saturates to the step 0.
      const auto step = aie::mac(below, aie::load_v<32>(block), factor).template to_vector<uint16_t>(steps.shift);
      auto w = weight(step.template cast_to<int16_t>());
      if constexpr (masked) {
        const auto inside = aie::lt(columns, aie::broadcast<int16_t, 32>(static_cast<int16_t>(valid - 8 * b)));
        w = aie::select(aie::zeros<bfloat16, 32>(), w, inside);
      }
      sum.mac(w, ones);
      aie::store_v(reinterpret_cast<bfloat16*>(block), w);
    }
    aie::store_v(weights + g * 16, sum.template to_vector<float>());
  };
  for (int g = 0; g < 16; g += 2) {
    four_rows_of(g);
    four_rows_of(g + 1);
  }
}

// values += P V of 16 rows, 8 components and 32 keys: eight running sums of half an accumulator each.
SHORTHAND_KERNEL_INLINE void add_values_group(unsigned group, const bfloat16* p, const bfloat16* v, float* values) {
  const unsigned i = group >> 3, j = group & 7;
  float* c = values + i * 1024 + j * 32;
  const bfloat16* rows = p + i * 1024;
  Values s[4][2];
  for (int r = 0; r < 4; ++r) {
    s[r][0] = Values(aie::load_v<16>(c + r * 256));
    s[r][1] = Values(aie::load_v<16>(c + r * 256 + 16));
  }
  SHORTHAND_UNROLL
  for (int b = 0; b < 4; ++b) {
    // Eight keys of eight components: their left and right halves.
    const bfloat16* keys = v + b * 512 + j * 32;
    const auto halves = aie::interleave_unzip(aie::load_v<32>(keys), aie::load_v<32>(keys + 256), 4);
    for (int r = 0; r < 4; ++r) {
      const auto w = aie::load_v<32>(rows + r * 256 + b * 32);
      s[r][0].mac(w, halves.first);
      s[r][1].mac(w, halves.second);
    }
  }
  for (int r = 0; r < 4; ++r) {
    aie::store_v(c + r * 256, s[r][0].template to_vector<float>());
    aie::store_v(c + r * 256 + 16, s[r][1].template to_vector<float>());
  }
}

}  // namespace

extern "C" {

void attention_begin_64x64(const float* q_scales, float* row_sums, int32_t* state, int16_t* work) {
  set_modes();
  for (int i = 0; i < kAttentionRowSums; i += 8) aie::store_v(row_sums + i, aie::zeros<float, 8>());
  start(q_scales, state, numbers_of(work));
}

void attention_scores_64x64(const int8_t* q, const int8_t* k, const int16_t* k_factors, int16_t* work, int32_t valid) {
  set_modes();
  __builtin_memcpy(&numbers_of(work).key_exponent, k_factors + 64, sizeof(int32_t));
  mask_keys(k_factors, valid, work + kKeyFactors);
  score(q, k, work + kKeyFactors, work, work + kMaxima);
}

void attention_weights_64x64(float* row_sums, int32_t* state, int16_t* work, int32_t valid) {
  set_modes();
  Numbers& numbers = numbers_of(work);
  // score * factor >> wanted are steps. The shift never grows again within a head, so that old references fit.
  const int32_t found = 253 - numbers.key_exponent - numbers.query_exponent, wanted = found < 0 ? 0 : found;
  const int32_t shift = wanted < numbers.shift ? wanted : numbers.shift;
  const Steps steps{state, shift, wanted - shift < 31 ? wanted - shift : 31};
  const bool started = numbers.started != 0;
  // Rare: the references follow the shift.
  for (int g = 0; started && shift < numbers.shift && g < 16; ++g) {
    aie::store_v(state + g * 32,
                 aie::downshift(aie::load_v<32>(state + g * 32), static_cast<unsigned>(numbers.shift - shift)));
  }
  numbers.shift = shift;
  const bool rise = !started || too_high(steps, work + kMaxima);
  if (rise) raise(steps, started, work + kMaxima, state, row_sums);
  numbers.raised = rise && started;
  numbers.started = 1;

  if (valid >= 64) {
    weigh<false>(steps, work, row_sums, valid);
  } else {
    weigh<true>(steps, work, row_sums, valid);
  }
}

void attention_values_64x32(int16_t* work, const bfloat16* v, float* sums, int32_t half) {
  set_modes();
  if (half == 0 && numbers_of(work).raised != 0) follow(work + kMaxima, sums);
  const bfloat16* p = reinterpret_cast<const bfloat16*>(work) + half * 128;
  for (unsigned group = 0; group < 32; group += 2) {  // two at a time, whose stores overlap the next ones' products
    add_values_group(group, p, v, sums);
    add_values_group(group + 1, p, v, sums);
  }
}

void attention_end_64x64(float* sums, float* weights, bfloat16* out) {
  set_modes();
  // The reciprocal of each sum in the place of it, split once for eight blocks.
  const auto parts_at = [weights](unsigned i) { return reinterpret_cast<bfloat16*>(weights + i * 16); };
  for (unsigned i = 0; i < 16; ++i) {
    const Parts inverse = split(reciprocal<2>(aie::load_v<16>(weights + i * 16)));
    aie::store_v(parts_at(i), inverse.high);
    aie::store_v(parts_at(i) + 16, inverse.low);
  }
  for (unsigned pair = 0; pair < 64; ++pair) {
    const unsigned i = pair >> 2, first = 2 * (pair & 3);
    const Parts inverse = {aie::load_v<16>(parts_at(i)), aie::load_v<16>(parts_at(i) + 16)};
    SHORTHAND_UNROLL
    for (unsigned g = 0; g < 2; ++g) {
      const unsigned at = i * 256 + (first + g) * 32;
      const auto mean = [&](float* half) {
        const Parts x = split(aie::load_v<16>(half));
        aie::store_v(half, splat(0.0f));
        return aie::mac(aie::mac(aie::mul(x.low, inverse.high), x.high, inverse.low), x.high, inverse.high)
            .template to_vector<bfloat16>();
      };
      const Halves left = mean(sums + at), right = mean(sums + at + 16);
      const auto halves = aie::interleave_zip(left, right, 4);
      aie::store_v(out + at, aie::concat(halves.first, halves.second));
    }
  }
}

}  // extern "C"
