// SPDX-License-Identifier: Apache-2.0
// The family over F32x16. Included by avx2.cpp and avx512.cpp inside their region and namespace: see simd/target.h.
// They define
//   store_weights(out, p0, p1, p2, p3)    64 integers, 0 to 255, as bytes; 0 for INT32_MIN

// Scores of sixteen keys: the product without the bias of q, times the keys' scales.
SHORTHAND_INLINE F32x16 score(I32x16 sums, I32x16 key_bias, F32x16 key_scales) {
  return mul(to_float(sub(sums, key_bias)), key_scales);
}

// A row's largest score; its scores x take the sums' place.
SHORTHAND_INLINE float score_row(const WeighInt8& in, int keys, const int32_t* sums, float* x) {
  const F32x16 nothing = splat(-__builtin_inff());
  const int whole = keys / 16 * 16, left = keys - whole;
  F32x16 largest = nothing;
  for (int j = 0; j < whole; j += 16) {
    const F32x16 s = score(load_int(sums + j), load_int(in.key_bias + j), load(in.key_scales + j));
    store(x + j, s);
    largest = max(s, largest);
  }
  if (left) {
    store(x + whole, score(load_int_first(sums + whole, left), load_int_first(in.key_bias + whole, left),
                           load_first(in.key_scales + whole, left, splat(0.0f))));
    largest = max(load_first(x + whole, left, nothing), largest);
  }
  return join_max(largest);
}

// Scores to weights w in their place, zeros behind the visible keys; adds up e. Returns the largest w.
SHORTHAND_INLINE float weigh_row(const WeighInt8& in, int keys, float m, float c, float* x, F32x16& total) {
  const F32x16 zero = splat(0.0f), scale = splat(c), below = splat(-(m * c));
  const int whole = keys / 16 * 16, left = keys - whole;
  F32x16 largest = zero;
#pragma GCC unroll 2
  for (int j = 0; j < whole; j += 16) {
    const F32x16 e = exp2(fma(load(x + j), scale, below)), w = mul(e, load(in.value_scales + j));
    store(x + j, w);
    total = add(total, e);
    largest = max(w, largest);
  }
  int j = whole;
  if (left) {
    store(x + j, exp2(fma(load(x + j), scale, below)));
    const F32x16 e = load_first(x + j, left, zero), w = mul(e, load_first(in.value_scales + j, left, zero));
    store(x + j, w);
    total = add(total, e);
    largest = max(w, largest);
    j += 16;
  }
  for (; j < in.padded; j += 16) store(x + j, zero);
  return join_max(largest);
}

SHORTHAND_INLINE void round_row(const float* w, int padded, float largest, uint8_t* weights) {
  if (!(largest > 0)) {  // every value is zero
    __builtin_memset(weights, 0, static_cast<size_t>(padded));
    return;
  }
  const F32x16 levels = splat(kLevels / largest);
  for (int j = 0; j < padded; j += 64) {
    store_weights(weights + j, to_int(mul(load(w + j), levels)), to_int(mul(load(w + j + 16), levels)),
                  to_int(mul(load(w + j + 32), levels)), to_int(mul(load(w + j + 48), levels)));
  }
}

// Pass by pass over all rows: what a row waits for, its largest score and its largest weight, is then long known.
static void weigh_int8_body(const WeighInt8& arguments, RowState* states, uint8_t* weights, BlockFactors* factors) {
  const WeighInt8 in = arguments;  // a copy: what is stored below cannot change it
  float m[kMaxBlockRows], largest[kMaxBlockRows];
  const auto row = [&in](int r) { return in.sums + r * in.padded; };
  const auto floats = [&row](int r) { return reinterpret_cast<float*>(row(r)); };
  // The last part of less than no keys would lie before the row.
  for (int r = 0; r < in.rows; ++r) m[r] = in.keys[r] > 0 ? score_row(in, in.keys[r], row(r), floats(r)) : 0.0f;
  for (int r = 0; r < in.rows; ++r) {
    if (in.keys[r] <= 0) {
      largest[r] = 0, factors[r] = {1, 0};
      continue;
    }
    F32x16 total = splat(0.0f);
    const float c = in.query_scales[r];
    largest[r] = weigh_row(in, in.keys[r], m[r], c, floats(r), total);

    RowState& state = states[r];
    const float rise = (m[r] - state.largest) * c;
    const F32x16 fade = exp2(splat(-__builtin_fabsf(rise))), one = splat(1.0f);
    const F32x16 keep = rise > 0 ? fade : one, more = rise > 0 ? one : fade;
    store(state.total, fma(load(state.total), keep, mul(total, more)));
    state.largest = state.largest < m[r] ? m[r] : state.largest;
    factors[r] = {first_lane(keep), first_lane(more)};
  }
  for (int r = 0; r < in.rows; ++r) {
    round_row(floats(r), in.padded, largest[r], weights + r * in.padded);
    factors[r].add = largest[r] > 0 ? largest[r] / kLevels * factors[r].add : 0.0f;
  }
}

static void add_block_body(const int32_t* sums, const BlockFactors* factors, int rows, float* acc) {
  for (int r = 0; r < rows; ++r) {
    const F32x16 keep = splat(factors[r].keep), more = splat(factors[r].add);
    for (int i = 0; i < kHeadDim; i += 16, sums += 16, acc += 16)
      store(acc, fma(to_float(load_int(sums)), more, mul(load(acc), keep)));
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
