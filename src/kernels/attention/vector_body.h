// SPDX-License-Identifier: Apache-2.0
// The family over F32x16. Included by avx2.cpp and avx512.cpp inside their region and namespace: see simd/target.h.

static float weigh_int8_body(const WeighInt8& in, float* work, uint8_t* high, uint8_t* low) {
  const int whole = in.keys / 16 * 16, left = in.keys - whole;
  const F32x16 zero = splat(0.0f), nothing = splat(-__builtin_inff());
  F32x16 largest_score = nothing;
  for (int j = 0; j < whole; j += 16) {
    const F32x16 x = mul(to_float(sub(load_int(in.sums + j), load_int(in.key_bias + j))), load(in.key_scales + j));
    store(work + j, x);
    largest_score = max(x, largest_score);
  }
  if (left) {  // lanes beyond the keys hold -inf, whose exp is 0
    const I32x16 sum = sub(load_int_first(in.sums + whole, left), load_int_first(in.key_bias + whole, left));
    store(work + whole, mul(to_float(sum), load_first(in.key_scales + whole, left, zero)));
    store(work + whole, load_first(work + whole, left, nothing));
    largest_score = max(load(work + whole), largest_score);
  }
  const F32x16 m = splat(join_max(largest_score)), scale = splat(in.query_scale);
  F32x16 total = zero, largest_weight = zero;
  for (int j = 0; j < in.keys; j += 16) {
    const F32x16 e = exp(mul(sub(load(work + j), m), scale));
    total = add(total, e);
    const int here = in.keys - j < 16 ? in.keys - j : 16;
    const F32x16 value_scale = here == 16 ? load(in.value_scales + j) : load_first(in.value_scales + j, here, zero);
    const F32x16 w = mul(e, value_scale);
    store(work + j, w);
    largest_weight = max(w, largest_weight);
  }
  const float largest = join_max(largest_weight);
  const int done = (in.keys + 15) / 16 * 16;
  if (!(largest > 0)) {
    __builtin_memset(high, 0, static_cast<size_t>(in.padded));
    __builtin_memset(low, 0, static_cast<size_t>(in.padded));
    return 0.0f;
  }
  const F32x16 levels = splat(kLevels / largest);
  const I32x16 low_bits = splat_int(127);
  for (int j = 0; j < in.keys; j += 16) {
    const I32x16 p = to_int(mul(load(work + j), levels));
    store_bytes(high + j, shift_right<7>(p));
    store_bytes(low + j, and_bits(p, low_bits));
  }
  __builtin_memset(high + done, 0, static_cast<size_t>(in.padded - done));
  __builtin_memset(low + done, 0, static_cast<size_t>(in.padded - done));
  return largest / kLevels / join_sum(total);
}

static float weigh_float_body(float* scores, int keys, int padded) {
  const int whole = keys / 16 * 16, left = keys - whole;
  const F32x16 nothing = splat(-__builtin_inff());
  F32x16 largest = nothing;
  for (int j = 0; j < whole; j += 16) largest = max(load(scores + j), largest);
  if (left) {
    store(scores + whole, load_first(scores + whole, left, nothing));
    largest = max(load(scores + whole), largest);
  }
  const F32x16 m = splat(join_max(largest)), scale = splat(kQueryScale);
  F32x16 total = splat(0.0f);
  for (int j = 0; j < keys; j += 16) {
    const F32x16 e = exp(mul(sub(load(scores + j), m), scale));
    total = add(total, e);
    store(scores + j, e);
  }
  for (int j = (keys + 15) / 16 * 16; j < padded; j += 16) store(scores + j, splat(0.0f));
  return 1.0f / join_sum(total);
}
