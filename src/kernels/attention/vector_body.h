// SPDX-License-Identifier: Apache-2.0
// The family over F32x16. Included by avx2.cpp and avx512.cpp inside their region and namespace: see simd/target.h.
// They define
//   store_weights(out, p0, p1, p2, p3)    64 integers, 0 to 255, as bytes; 0 for INT32_MIN

// Scores of sixteen keys: the product without the bias of q, times the keys' scales.
SHORTHAND_INLINE F32x16 score(I32x16 sums, I32x16 key_bias, F32x16 key_scales) {
  return mul(to_float(sub(sums, key_bias)), key_scales);
}

static float weigh_int8_body(const WeighInt8& arguments, float* work, uint8_t* weights, float* block_scales) {
  const WeighInt8 in = arguments;  // a copy: what is stored below cannot change it
  const int whole = in.keys / 16 * 16, left = in.keys - whole;
  const F32x16 zero = splat(0.0f), nothing = splat(-__builtin_inff());

  F32x16 largest_score = nothing;
  for (int j = 0; j < whole; j += 16) {
    const F32x16 x = score(load_int(in.sums + j), load_int(in.key_bias + j), load(in.key_scales + j));
    store(work + j, x);
    largest_score = max(x, largest_score);
  }
  if (left) {  // lanes beyond the keys hold -inf, whose exp is 0
    store(work + whole, score(load_int_first(in.sums + whole, left), load_int_first(in.key_bias + whole, left),
                              load_first(in.key_scales + whole, left, zero)));
    store(work + whole, load_first(work + whole, left, nothing));
    largest_score = max(load(work + whole), largest_score);
  }

  const F32x16 m = splat(join_max(largest_score)), scale = splat(in.query_scale);
  F32x16 total = zero;
  for (int first = 0; first < in.padded; first += kBlockKeys) {
    const int end = in.padded - first < kBlockKeys ? in.padded : first + kBlockKeys;
    F32x16 largest_weight = zero;
    int j = first;
    for (; j < whole && j < end; j += 16) {
      const F32x16 e = exp(mul(sub(load(work + j), m), scale));
      const F32x16 w = mul(e, load(in.value_scales + j));
      store(work + j, w);
      total = add(total, e);
      largest_weight = max(w, largest_weight);
    }
    if (left && j == whole && j < end) {
      const F32x16 e = exp(mul(sub(load(work + j), m), scale));
      const F32x16 w = mul(e, load_first(in.value_scales + j, left, zero));
      store(work + j, w);
      total = add(total, e);
      largest_weight = max(w, largest_weight);
      j += 16;
    }
    for (; j < end; j += 16) store(work + j, zero);

    const float largest = join_max(largest_weight);
    block_scales[first / kBlockKeys] = largest > 0 ? largest / kLevels : 0.0f;
    if (!(largest > 0)) {  // every value is zero
      __builtin_memset(weights + first, 0, static_cast<size_t>(end - first));
      continue;
    }
    const F32x16 levels = splat(kLevels / largest);
    for (j = first; j < end; j += 64) {
      store_weights(weights + j, to_int(mul(load(work + j), levels)), to_int(mul(load(work + j + 16), levels)),
                    to_int(mul(load(work + j + 32), levels)), to_int(mul(load(work + j + 48), levels)));
    }
  }
  return 1.0f / join_sum(total);
}

static void add_block_body(const int32_t* sums, const float* scales, int rows, float* acc) {
  for (int r = 0; r < rows; ++r) {
    const F32x16 scale = splat(scales[r * kMaxKeyBlocks]);
    for (int i = 0; i < kHeadDim; i += 16, sums += 16, acc += 16)
      store(acc, fma(to_float(load_int(sums)), scale, load(acc)));
  }
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
