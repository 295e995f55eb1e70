// SPDX-License-Identifier: Apache-2.0
// The family over F32x16. Included by avx2.cpp and avx512.cpp inside their region and namespace: see simd/target.h.

static void layer_norm_body(const LayerNorm& ln, const float* x, size_t x_stride, int rows, float* y, size_t y_stride) {
  const int whole = ln.n / 16 * 16, left = ln.n - whole;
  const F32x16 zero = splat(0.0f);
  for (int r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    F32x16 sum = zero;
    for (int i = 0; i < whole; i += 16) sum = add(sum, load(x + i));
    if (left) sum = add(sum, load_first(x + whole, left, zero));
    const F32x16 mean = splat(join_sum(sum) / static_cast<float>(ln.n));
    F32x16 squares = zero;
    for (int i = 0; i < whole; i += 16) {
      const F32x16 d = sub(load(x + i), mean);
      squares = fma(d, d, squares);
    }
    if (left) {
      const F32x16 d = sub(load_first(x + whole, left, mean), mean);
      squares = fma(d, d, squares);
    }
    const float variance = join_sum(squares) / static_cast<float>(ln.n);
    const F32x16 scale = splat(1.0f / __builtin_sqrtf(variance + kLayerNormEpsilon));
    for (int i = 0; i < whole; i += 16) {
      store(y + i, fma(mul(sub(load(x + i), mean), scale), load(ln.gamma + i), load(ln.beta + i)));
    }
    if (left) {
      const F32x16 d = sub(load_first(x + whole, left, mean), mean);
      const F32x16 gamma = load_first(ln.gamma + whole, left, zero), beta = load_first(ln.beta + whole, left, zero);
      store_first(y + whole, left, fma(mul(d, scale), gamma, beta));
    }
  }
}

SHORTHAND_INLINE void mix_four(F32x16& a, F32x16& b, F32x16& c, F32x16& d) {
  const F32x16 sum_ab = add(a, b), difference_ab = sub(a, b), sum_cd = add(c, d), difference_cd = sub(c, d);
  a = add(sum_ab, difference_cd);
  b = add(difference_ab, sum_cd);
  c = sub(sum_ab, difference_cd);
  d = sub(difference_ab, sum_cd);
}

// The butterfly of four within a vector, over its quarters.
SHORTHAND_INLINE F32x16 mix_quarters(F32x16 x) {
  alignas(64) static constexpr float kOwn[16] = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1};
  alignas(64) static constexpr float kOther[16] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1};
  alignas(64) static constexpr float kHalves[16] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  // a + b, a - b, c - d, c + d
  const F32x16 pairs = fma(x, load(kOwn), mul(swap_quarters(x), load(kOther)));
  return fma(pairs, load(kHalves), swap_halves(pairs));
}

// Vectors `step` floats apart, all of them in registers: within them if asked, `fours` times by four, then by two if
// `twos` is 2.
template <int fours, int twos, bool quarters_first = false>
SHORTHAND_INLINE void mix_group(const float* from, float* to, size_t step) {
  constexpr int count = (fours == 2 ? 16 : fours == 1 ? 4 : 1) * twos, quarters = count / 4, half = count / 2;
  F32x16 v[count];
  SHORTHAND_UNROLL for (int i = 0; i < count; ++i) v[i] = load(from + static_cast<size_t>(i) * step);
  if constexpr (quarters_first) {
    SHORTHAND_UNROLL for (int i = 0; i < count; ++i) v[i] = mix_quarters(v[i]);
  }
  if constexpr (fours > 0) {
    SHORTHAND_UNROLL for (int i = 0; i < quarters; ++i) mix_four(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  }
  if constexpr (fours == 2) {
    SHORTHAND_UNROLL for (int i = 0; i < 4; ++i) mix_four(v[i], v[i + 4], v[i + 8], v[i + 12]);
  }
  if constexpr (twos == 2) {
    SHORTHAND_UNROLL for (int i = 0; i < half; ++i) {
      const F32x16 a = v[i], b = v[i + half];
      v[i] = add(a, b), v[i + half] = sub(a, b);
    }
  }
  SHORTHAND_UNROLL for (int i = 0; i < count; ++i) store(to + static_cast<size_t>(i) * step, v[i]);
}

// All vectors once through mix_group, in place; `stride` counts vectors.
template <int fours, int twos>
SHORTHAND_INLINE void mix_pass(float* y, int width, int stride) {
  const int step = 16 * stride, group = (fours == 2 ? 16 : fours == 1 ? 4 : 1) * twos * step;
  for (int first = 0; first < width; first += group) {
    for (int i = first; i < first + step; i += 16) mix_group<fours, twos>(y + i, y + i, static_cast<size_t>(step));
  }
}

// The first pass, from x; what lies behind it is zero.
template <int fours, int twos>
SHORTHAND_INLINE void mix_into(const float* x, int n, float* y, int width) {
  constexpr int group = (fours == 2 ? 16 : 4) * twos * 16;
  alignas(64) float last[group];
  for (int first = 0; first < width; first += group) {
    const float* from = x + first;
    if (n - first < group) {
      for (int i = 0; i < group; ++i) last[i] = i < n - first ? from[i] : 0.0f;
      from = last;
    }
    mix_group<fours, twos, true>(from, y + first, 16);
  }
}

SHORTHAND_INLINE void mix_rest(float* y, int width, int b) {
  const int step = width / b;
  const F32x16 part = splat(2.0f / static_cast<float>(b));
  for (int i = 0; i < step; i += 16) {
    F32x16 sum = load(y + i);
    for (int k = i + step; k < width; k += step) sum = add(sum, load(y + k));
    sum = mul(part, sum);
    for (int k = i; k < width; k += step) store(y + k, sub(load(y + k), sum));
  }
}

static void mix_body(const float* x, int n, float* y) {
  const int width = mixed_width(n), count = width / 16;
  int stride;  // of the vectors that have not been mixed
  if (count % 16 == 0) {
    mix_into<2, 1>(x, n, y, width), stride = 16;
  } else if (count % 8 == 0) {
    mix_into<1, 2>(x, n, y, width), stride = 8;
  } else {
    mix_into<1, 1>(x, n, y, width), stride = 4;
  }
  if (count % 16 == 0) {
    for (; count / stride % 16 == 0; stride *= 16) mix_pass<2, 1>(y, width, stride);
    if (count / stride % 8 == 0) {
      mix_pass<1, 2>(y, width, stride), stride *= 8;
    } else if (count / stride % 4 == 0) {
      mix_pass<1, 1>(y, width, stride), stride *= 4;
    } else if (count / stride % 2 == 0) {
      mix_pass<0, 2>(y, width, stride), stride *= 2;
    }
  }
  if (count > stride) mix_rest(y, width, count / stride);
}

static void quantise_body(const float* x, size_t x_stride, int rows, int n, int group, const Quantised& out) {
  for (int r = 0; r < rows; ++r) {
    for (int g = 0; g < n / group; ++g) {
      const float* from = x + static_cast<size_t>(r) * x_stride + g * group;
      uint8_t* to = out.q + static_cast<size_t>(r) * out.q_stride + g * group;
      F32x16 largest = splat(0.0f);
      for (int i = 0; i < group; i += 16) largest = max(abs(load(from + i)), largest);
      const float absmax = join_max(largest);
      out.scales[static_cast<size_t>(r) * out.scale_stride + static_cast<size_t>(g)] = absmax / 127.0f;
      const F32x16 inverse = splat(absmax > 0 ? 127.0f / absmax : 0.0f);
      for (int i = 0; i < group; i += 16)
        store_bytes(to + i, add(to_int(mul(load(from + i), inverse)), splat_int(128)));
    }
  }
}

static void quantise_fine_body(float* x, int n, const Quantised& out, const Quantised& rest) {
  F32x16 largest = splat(0.0f);
  for (int i = 0; i < n; i += 16) largest = max(abs(load(x + i)), largest);
  const float absmax = join_max(largest);
  *out.scales = absmax / 127.0f;
  const F32x16 scale = splat(-*out.scales), inverse = splat(absmax > 0 ? 127.0f / absmax : 0.0f);
  for (int i = 0; i < n; i += 16) {
    const I32x16 q = to_int(mul(load(x + i), inverse));
    store_bytes(out.q + i, add(q, splat_int(128)));
    store(x + i, fma(to_float(q), scale, load(x + i)));
  }
  quantise_body(x, 0, 1, n, n, rest);
}

static SoftmaxSums softmax_sums_body(const float* x, int n) {
  const float infinity = __builtin_inff();
  const int whole = n / 16 * 16, left = n - whole;
  const F32x16 nothing = splat(-infinity);
  F32x16 largest = nothing;
  for (int i = 0; i < whole; i += 16) largest = max(load(x + i), largest);
  if (left) largest = max(load_first(x + whole, left, nothing), largest);
  SoftmaxSums s{join_max(largest), 0, 0};
  if (!(s.max > -infinity)) return {-infinity, 0, 0};
  const F32x16 m = splat(s.max);
  while (s.argmax < whole && first_equal(load(x + s.argmax), m) == 16) s.argmax += 16;
  s.argmax +=
      s.argmax < whole ? first_equal(load(x + s.argmax), m) : first_equal(load_first(x + whole, left, nothing), m);
  s.max = x[s.argmax];  // of two zeros the first
  F32x16 sum = splat(0.0f);
  for (int i = 0; i < whole; i += 16) sum = add(sum, exp(sub(load(x + i), m)));
  if (left) sum = add(sum, exp(sub(load_first(x + whole, left, nothing), m)));
  s.sum_exp = join_sum(sum);
  return s;
}
