// SPDX-License-Identifier: Apache-2.0
// The family over F32x16, a lane a frame. Included by avx2.cpp and avx512.cpp inside their region and namespace: see
// simd/target.h.

struct Complex16 {
  F32x16 re, im;
};

// Sixteen frames side by side: turned[r][j] is sample 160 j + r, so that the sixteen frames' sample 160 q + r is
// turned[r][q] to turned[r][q + 15]. `available` samples are there; what lies beyond reads as zero.
constexpr int kTurnedRows = kHop, kTurnedColumns = 15 + (kFft + kHop - 1) / kHop;
static void turn_samples(const float* samples, int available, float (*turned)[kTurnedColumns]) {
  for (int j = 0; j < kTurnedColumns; ++j, samples += kHop, available -= kHop) {
    const int there = available < 0 ? 0 : available < kHop ? available : kHop;
    for (int r = 0; r < there; ++r) turned[r][j] = samples[r];
    for (int r = there; r < kHop; ++r) turned[r][j] = 0.0f;
  }
}

// Outputs K0 to K0 + K - 1 of dft16 in scalar.cpp, from the sums and differences of the pairs.
template <int K0, int K>
SHORTHAND_INLINE void dft16_columns(F32x16 even, F32x16 odd, const F32x16* sum, const F32x16* difference,
                                    Complex16* out) {
  F32x16 re[K], im[K];
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) {
    re[k] = (K0 + k) % 2 ? odd : even;
    im[k] = splat(0.0f);
  }
#pragma GCC unroll 16
  for (int n = 1; n < 8; ++n) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) {
      re[k] = fma(sum[n], splat(kTurns16.cosine[n][K0 + k]), re[k]);
      im[k] = fma(difference[n], splat(-kTurns16.sine[n][K0 + k]), im[k]);
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) out[(K0 + k) * 25] = {re[k], im[k]};
}

static void dft16_body(const F32x16* x, Complex16* out) {
  F32x16 sum[8], difference[8];
#pragma GCC unroll 16
  for (int n = 1; n < 8; ++n) {
    sum[n] = add(x[n], x[16 - n]);
    difference[n] = sub(x[n], x[16 - n]);
  }
  const F32x16 even = add(x[0], x[8]), odd = sub(x[0], x[8]);
  dft16_columns<0, 3>(even, odd, sum, difference, out);
  dft16_columns<3, 3>(even, odd, sum, difference, out);
  dft16_columns<6, 3>(even, odd, sum, difference, out);
}

struct Pairs25 {
  Complex16 sum[13], difference[13];
};

// Outputs K0 to K0 + K - 1 of power25 in scalar.cpp, and their partners.
template <int K>
SHORTHAND_INLINE void power25_columns(int k0, const Complex16& first, const Pairs25& pairs, const int16_t* bins,
                                      float (*power)[16]) {
  F32x16 re[K], im[K], re_turned[K], im_turned[K];
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) {
    re[k] = first.re;
    im[k] = first.im;
    re_turned[k] = splat(0.0f);
    im_turned[k] = splat(0.0f);
  }
  for (int n = 1; n <= 12; ++n) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) {
      const F32x16 cosine = splat(kTurns25.cosine[n][k0 + k]), sine = splat(kTurns25.sine[n][k0 + k]);
      re[k] = fma(pairs.sum[n].re, cosine, re[k]);
      im[k] = fma(pairs.sum[n].im, cosine, im[k]);
      re_turned[k] = fma(pairs.difference[n].im, sine, re_turned[k]);
      im_turned[k] = fma(pairs.difference[n].re, sine, im_turned[k]);
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) {
    const Complex16 y = {add(re[k], re_turned[k]), sub(im[k], im_turned[k])};
    store(power[bins[k0 + k]], fma(y.im, y.im, mul(y.re, y.re)));
    if (k0 + k == 0) continue;
    const Complex16 partner = {sub(re[k], re_turned[k]), add(im[k], im_turned[k])};
    store(power[bins[25 - k0 - k]], fma(partner.im, partner.im, mul(partner.re, partner.re)));
  }
}

static void power25_body(const Complex16* x, const int16_t* bins, float (*power)[16]) {
  Pairs25 pairs;
  for (int n = 1; n <= 12; ++n) {
    pairs.sum[n] = {add(x[n].re, x[25 - n].re), add(x[n].im, x[25 - n].im)};
    pairs.difference[n] = {sub(x[n].re, x[25 - n].re), sub(x[n].im, x[25 - n].im)};
  }
  power25_columns<1>(0, x[0], pairs, bins, power);
  for (int k0 = 1; k0 < kK25; k0 += kColumnsAtOnce) power25_columns<kColumnsAtOnce>(k0, x[0], pairs, bins, power);
}
static_assert((kK25 - 1) % kColumnsAtOnce == 0);

static void power_spectrum_body(const float (*turned)[kTurnedColumns], float (*power)[16]) {
  F32x16 x[16];
  Complex16 columns[kK16 * 25];
  for (int n2 = 0; n2 < 25; ++n2) {
    for (int n1 = 0; n1 < 16; ++n1) {
      const int n = sample_of(n1, n2);
      x[n1] = mul(load(turned[n % kHop] + n / kHop), splat(kWindow.at[n]));
    }
    dft16_body(x, columns + n2);
  }
  for (int k1 = 0; k1 < kK16; ++k1) power25_body(columns + k1 * 25, kBinOf.at[k1], power);
}

static void frames_body(const float* samples, int n_frames, std::span<const Band> bands, float* out) {
  float turned[kTurnedRows][kTurnedColumns], power[kBins][16], lanes[16];
  const Band* band = bands.data();
  const int n_mels = static_cast<int>(bands.size());
  for (int t = 0; t < n_frames; t += 16, samples += 16 * kHop, out += 16 * n_mels) {
    turn_samples(samples, kHop * (n_frames - t - 1) + kFft, turned);
    power_spectrum_body(turned, power);
    const int frames = n_frames - t < 16 ? n_frames - t : 16;
    for (int m = 0; m < n_mels; ++m) {
      F32x16 sum = splat(0.0f);
      for (int i = 0; i < band[m].bins; ++i) {
        sum = fma(splat(band[m].weights[i]), load(power[band[m].first_bin + i]), sum);
      }
      store(lanes, log10(max(sum, splat(kFloor))));
      for (int f = 0; f < frames; ++f) out[f * n_mels + m] = lanes[f];
    }
  }
}
