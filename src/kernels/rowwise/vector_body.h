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
