// SPDX-License-Identifier: Apache-2.0
// The epilogue over F32x16. Included by avx2.cpp and avx512vnni.cpp inside their region and namespace: see
// simd/target.h.

template <bool has_bias, bool has_gelu, bool has_residual>
SHORTHAND_INLINE F32x16 finish(I32x16 sum, F32x16 scale, F32x16 bias, F32x16 residual) {
  F32x16 v = fma(to_float(sum), scale, bias);
  if constexpr (has_gelu) v = gelu(v);
  if constexpr (has_residual) v = add(v, residual);
  return v;
}

template <bool has_bias, bool has_gelu, bool has_residual>
static void epilogue_body(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  for (int c = 0; c < columns; c += 16) {
    const int left = columns - c < 16 ? columns - c : 16;
    // scales, sums and bias are padded to whole panels
    const F32x16 b_scale = load(t.b_scales + c);
    const I32x16 bias_sum = load_int(t.bias_sums + c);
    for (int r = 0; r < rows; ++r) {
      const size_t row = static_cast<size_t>(r);
      const F32x16 scale = mul(splat(t.a_scales[row * t.a_scale_stride]), b_scale);
      const I32x16 sum = sub(load_int(sums + row * stride + c), bias_sum);
      float* out = t.e.c + row * t.e.c_stride + c;
      const F32x16 bias = has_bias ? load(t.e.bias + row * t.bias_stride + c) : splat(0.0f);
      const float* old = has_residual ? t.e.residual + row * t.e.residual_stride + c : nullptr;
      if (left == 16) {
        store(out, finish<has_bias, has_gelu, has_residual>(sum, scale, bias, has_residual ? load(old) : splat(0.0f)));
      } else {
        const F32x16 residual = has_residual ? load_first(old, left, splat(0.0f)) : splat(0.0f);
        store_first(out, left, finish<has_bias, has_gelu, has_residual>(sum, scale, bias, residual));
      }
    }
  }
}

static void epilogue_any(const int32_t* sums, size_t stride, int rows, int columns, const TileEpilogue& t) {
  const bool bias = t.e.bias != nullptr, gelu_wanted = t.e.act == Act::gelu, residual = t.e.residual != nullptr;
  switch (bias * 4 + gelu_wanted * 2 + residual) {
    case 0: return epilogue_body<false, false, false>(sums, stride, rows, columns, t);
    case 1: return epilogue_body<false, false, true>(sums, stride, rows, columns, t);
    case 2: return epilogue_body<false, true, false>(sums, stride, rows, columns, t);
    case 3: return epilogue_body<false, true, true>(sums, stride, rows, columns, t);
    case 4: return epilogue_body<true, false, false>(sums, stride, rows, columns, t);
    case 5: return epilogue_body<true, false, true>(sums, stride, rows, columns, t);
    case 6: return epilogue_body<true, true, false>(sums, stride, rows, columns, t);
    default: return epilogue_body<true, true, true>(sums, stride, rows, columns, t);
  }
}
