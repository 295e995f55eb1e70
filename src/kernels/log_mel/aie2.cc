// SPDX-License-Identifier: Apache-2.0
#include "kernels/log_mel/aie2.h"

#include "kernels/aie_math.h"
#include "kernels/log_mel/tables.h"

namespace {

using namespace shorthand::aie2;
using shorthand::log_mel::kK16;
using shorthand::log_mel::kK25;

using Lanes = aie::vector<int16_t, 16>;   // a number of each frame
using Shorts = aie::vector<int16_t, 32>;  // two of each: real and imaginary parts
using Wide = aie::accum<acc32, 32>;

constexpr int16_t fixed(double x, int bits) {
  const double scaled = x * (1 << bits);
  const int rounded = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  return static_cast<int16_t>(rounded > 32767 ? 32767 : rounded);
}

// The constants of tables.h as integers; in `turns` cosine and sine stand side by side.
constexpr int kWindowBits = 15, kBits16 = 14, kBits25 = 12;
struct Window {
  int32_t pairs[200];  // a sample's weight, and the next one's above it
};
constexpr Window kWindow = [] {
  Window w{};
  for (int i = 0; i < 200; ++i) {
    const auto weight = [](int n) { return fixed(shorthand::log_mel::kWindow.at[n], kWindowBits); };
    w.pairs[i] = weight(2 * i) | weight(2 * i + 1) << 16;
  }
  return w;
}();
template <int pairs, int outputs>
struct Turns {
  int16_t at[pairs + 1][outputs][2];
};
template <int bits, int N, int K>
constexpr auto fixed_turns(const shorthand::log_mel::Turns<N, K>& from) {
  Turns<(N - 1) / 2, K> t{};
  for (int n = 1; n <= (N - 1) / 2; ++n) {
    for (int k = 0; k < K; ++k) {
      t.at[n][k][0] = fixed(from.cosine[n][k], bits);
      t.at[n][k][1] = fixed(from.sine[n][k], bits);
    }
  }
  return t;
}
constexpr auto kTurns16 = fixed_turns<kBits16>(shorthand::log_mel::kTurns16);
constexpr auto kTurns25 = fixed_turns<kBits25>(shorthand::log_mel::kTurns25);

// The sample that is input n1 of the sixteen n2.
struct SampleTable {
  int16_t at[25][16];
};
constexpr SampleTable kSampleOf = [] {
  SampleTable s{};
  for (int n2 = 0; n2 < 25; ++n2) {
    for (int n1 = 0; n1 < 16; ++n1) s.at[n2][n1] = static_cast<int16_t>(shorthand::log_mel::sample_of(n1, n2));
  }
  return s;
}();

// Scales every frame to 15 bits and puts it under the window; samples in order, [400][16]. offsets: log2 of what a
// power then has to be multiplied with.
SHORTHAND_KERNEL_INLINE void window(int16_t* frames, Ints& offsets) {
  Shorts most = aie::zeros<int16_t, 32>(), least = most;
  for (int i = 0; i < 200; ++i) {
    const Shorts x = aie::load_v<32>(frames + i * 32);
    most = aie::max(most, x);
    least = aie::min(least, x);
  }
  const Shorts both = aie::max(most, aie::bit_xor(least, aie::broadcast<int16_t, 32>(-1)));  // -1 - least
  const Lanes peak = aie::max(aie::filter_even(both), aie::filter_odd(both));
  alignas(32) int16_t factor[16];
  alignas(32) int32_t offset[16];
  for (unsigned t = 0; t < 16; ++t) {
    const int up = __builtin_clz(static_cast<unsigned>(peak[t]) | 1) - 17;  // peak * 2^up has 15 bits
    factor[t] = static_cast<int16_t>(1 << up);
    offset[t] = -28 - 2 * up;
  }
  offsets = aie::load_v<16>(offset);
  const Lanes once = aie::load_v<16>(factor);
  const Shorts factors =
      aie::concat(aie::interleave_zip(once, once, 1).first, aie::interleave_zip(once, once, 1).second);
  for (int i = 0; i < 200; ++i) {
    const Shorts x = aie::mul<acc32>(aie::load_v<32>(frames + i * 32), factors).template to_vector<int16_t>(1);
    const Shorts w = aie::broadcast<int32_t, 16>(kWindow.pairs[i]).cast_to<int16_t>();
    const Shorts y = aie::mul<acc32>(x, w).template to_vector<int16_t>(kWindowBits);
    aie::store_v(frames + i * 32, aie::concat(aie::filter_even(y), aie::filter_odd(y)));
  }
}

// columns[k1][n2] = real and imaginary parts of output k1 of the sixteen n2, divided by 8.
SHORTHAND_KERNEL_INLINE void sixteens(const int16_t* samples, int16_t* columns) {
  for (int n2 = 0; n2 < 25; ++n2) {
    const int16_t* at = kSampleOf.at[n2];
    const auto sample = [samples, at](int n1) { return aie::load_v<16>(samples + at[n1] * 16); };
    Shorts pairs[8];
    SHORTHAND_UNROLL
    for (int n = 1; n < 8; ++n) {
      pairs[n] = aie::concat(aie::add(sample(n), sample(16 - n)), aie::sub(sample(n), sample(16 - n)));
    }
    const Lanes first = sample(0), middle = sample(8), zero = aie::zeros<int16_t, 16>();
    const Shorts ends[2] = {aie::concat(aie::add(first, middle), zero), aie::concat(aie::sub(first, middle), zero)};
    for (int k = 0; k < kK16; ++k) {
      Wide y(ends[k & 1], kBits16);
      SHORTHAND_UNROLL
      for (int n = 1; n < 8; ++n) {
        const int16_t* turn = kTurns16.at[n][k];
        const Shorts both = aie::concat(aie::broadcast<int16_t, 16>(turn[0]),
                                        aie::broadcast<int16_t, 16>(static_cast<int16_t>(-turn[1])));
        y = aie::mac(y, pairs[n], both);
      }
      aie::store_v(columns + (k * 25 + n2) * 32, y.template to_vector<int16_t>(kBits16 + 3));
    }
  }
}

// A part of a transform's sum, with what the sixteens were divided by: at most 200 * 2^14, and 3 fractional bits off.
SHORTHAND_KERNEL_INLINE Floats part(const Wide& sum, unsigned half) {
  const Ints bits = sum.template extract<16>(half).template to_vector<int32_t>();
  return float_of<0>(aie::accum<acc64, 16>(bits).to_vector<int32_t>(kBits25 - 3));  // an acc32 would not shift
}

SHORTHAND_KERNEL_INLINE Halves power(const Floats& re, const Floats& im) {
  const Halves r = to_bf16(re), i = to_bf16(im);
  return aie::mac(aie::mul(r, r), i, i).to_vector<bfloat16>();
}

// power[bin] of all 201 bins, and a row behind them that holds nothing. columns are used up.
SHORTHAND_KERNEL_INLINE void twentyfives(int16_t* columns, bfloat16* powers) {
  for (int k1 = 0; k1 < kK16; ++k1) {
    int16_t* x = columns + k1 * 25 * 32;
    for (int n = 1; n <= 12; ++n) {
      const Shorts a = aie::load_v<32>(x + n * 32), b = aie::load_v<32>(x + (25 - n) * 32);
      aie::store_v(x + n * 32, aie::add(a, b));
      aie::store_v(x + (25 - n) * 32, aie::sub(a, b));
    }
    const int16_t* bins = shorthand::log_mel::kBinOf.at[k1];
    for (int k = 0; k < kK25; ++k) {
      Wide even(aie::load_v<32>(x), kBits25), odd = aie::zeros<acc32, 32>();
      SHORTHAND_UNROLL
      for (int n = 1; n <= 12; ++n) {
        const int16_t* turn = kTurns25.at[n][k];
        even = aie::mac(even, aie::load_v<32>(x + n * 32), aie::broadcast<int16_t, 32>(turn[0]));
        odd = aie::mac(odd, aie::load_v<32>(x + (25 - n) * 32), aie::broadcast<int16_t, 32>(turn[1]));
      }
      const Floats re = part(even, 0), im = part(even, 1), re_turned = part(odd, 1), im_turned = part(odd, 0);
      aie::store_v(powers + bins[k] * 16, power(aie::add(re, re_turned), aie::sub(im, im_turned)));
      const int partner = k > 0 ? bins[25 - k] : 201;
      aie::store_v(powers + partner * 16, power(aie::sub(re, re_turned), aie::add(im, im_turned)));
    }
  }
}

// log10(x * 2^offset), at least -10, for x >= 0. A float's bits are 2^23 times its logarithm to base 2 but for
// log2(1 + f) - f, f the fraction: a polynomial within 7e-5.
SHORTHAND_KERNEL_INLINE Floats log10_of(const Floats& x, const Ints& offset) {
  constexpr int16_t bend[5] = {14482, -23254, 13684, -6431, 1520};
  const Ints bits = x.cast_to<int32_t>();
  const auto f = aie::accum<acc32, 16>(aie::downshift(aie::bit_and(bits, aie::broadcast<int32_t, 16>(0x7fff00)), 8))
                     .to_vector<int16_t>();
  using Narrow = aie::accum<acc32, 16>;
  Lanes h = aie::broadcast<int16_t, 16>(bend[4]);
  SHORTHAND_UNROLL
  for (int i = 3; i >= 0; --i) {
    h = aie::mac(Narrow(aie::broadcast<int16_t, 16>(bend[i]), 15), h, f).to_vector<int16_t>(15);
  }
  const Ints bent = aie::downshift(aie::mul<acc32>(h, f).to_vector<int32_t>(), 14);  // 16 fractional bits
  const Ints whole = aie::add(offset, aie::broadcast<int32_t, 16>(-127));
  Ints log2 = aie::add(aie::add(aie::downshift(bits, 7), aie::upshift(whole, 16)), bent);
  log2 = aie::max(log2, aie::broadcast<int32_t, 16>(-2177043));  // log2(1e-10)
  return product(split(float_of<16>(log2)), constant(0.301029996f));
}

}  // namespace

extern "C" {

void log_mel_frames_16(int16_t* frames, const int16_t* filters, int16_t* work, float* out, float* largest,
                       int32_t n_mels) {
  set_modes();
  Ints offsets;
  window(frames, offsets);
  sixteens(frames, work);
  bfloat16* powers = reinterpret_cast<bfloat16*>(frames);  // the samples are not needed again
  twentyfives(work, powers);
  const bfloat16* weight = reinterpret_cast<const bfloat16*>(filters + 2 * n_mels);
  Floats most = aie::load_v<16>(largest);
  for (int32_t m = 0; m < n_mels; ++m) {
    const bfloat16* bin = powers + filters[2 * m] * 16;
    FloatSum sum = aie::zeros<accfloat, 16>();
    for (int i = 0; i < filters[2 * m + 1]; ++i, ++weight, bin += 16) {
      sum = aie::mac(sum, aie::load_v<16>(bin), aie::broadcast<bfloat16, 16>(*weight));
    }
    const Floats y = log10_of(sum.to_vector<float>(), offsets);
    most = aie::max(most, y);
    aie::store_v(out + m * 16, y);
  }
  aie::store_v(largest, most);
}

void log_mel_scale_f32(const float* x, const float* largest, float* out, int32_t count) {
  set_modes();
  const Floats least = splat(aie::reduce_max(aie::sub(aie::load_v<16>(largest), splat(8.0f)))), one = splat(1.0f);
  const Halves quarter = to_bf16(splat(0.25f));
  for (int32_t i = 0; i < count; i += 16) {
    const Floats kept = aie::max(aie::load_v<16>(x + i), least);
    const Parts parts = split(kept);
    aie::store_v(out + i,
                 aie::mac(aie::mac(FloatSum(one), parts.low, quarter), parts.high, quarter).to_vector<float>());
  }
}

}  // extern "C"
