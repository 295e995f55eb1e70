// SPDX-License-Identifier: Apache-2.0
// exp, 2^x, log10 and GELU over F32x16: scalar_math.h, sixteen at a time. Included after f32x16_<isa>.h, inside its
// region and namespace.

// exp(x) for x <= 0
SHORTHAND_INLINE F32x16 exp(F32x16 x) {
  const F32x16 n = round(mul(x, splat(simd::kLog2E)));
  const F32x16 r = fma(n, splat(-simd::kLn2Low), fma(n, splat(-simd::kLn2High), x));
  F32x16 q = splat(simd::kExpQ[4]);
  q = fma(q, r, splat(simd::kExpQ[3]));
  q = fma(q, r, splat(simd::kExpQ[2]));
  q = fma(q, r, splat(simd::kExpQ[1]));
  q = fma(q, r, splat(simd::kExpQ[0]));
  const F32x16 mantissa = fma(fma(q, r, splat(1.0f)), r, splat(1.0f));
  return zero_unless_ge(scale_by_power(mantissa, n), x, splat(simd::kExpLowest));
}

// 2^x for x <= 0, within 7.5e-5 of it
SHORTHAND_INLINE F32x16 exp2(F32x16 x) {
  const F32x16 t = max(x, splat(simd::kExp2Lowest));
  const F32x16 shifted = add(t, splat(simd::kToInteger));
  const F32x16 r = sub(t, sub(shifted, splat(simd::kToInteger)));
  F32x16 p = splat(simd::kExp2P[3]);
  p = fma(p, r, splat(simd::kExp2P[2]));
  p = fma(p, r, splat(simd::kExp2P[1]));
  p = fma(p, r, splat(simd::kExp2P[0]));
  return from_bits(add(bits_of(p), shift_left<23>(bits_of(shifted))));
}

// log10(x) for x in [2^-126, inf)
SHORTHAND_INLINE F32x16 log10(F32x16 x) {
  const I32x16 above = add(bits_of(x), splat_int(static_cast<int32_t>(0x3f800000u - simd::kRootHalfBits)));
  const F32x16 n = to_float(sub(shift_right<23>(above), splat_int(127)));
  const I32x16 mantissa = add(and_bits(above, splat_int(0x7fffff)), splat_int(simd::kRootHalfBits));
  const F32x16 r = sub(from_bits(mantissa), splat(1.0f));
  F32x16 p = splat(simd::kLog10P[8]);
#pragma GCC unroll 8
  for (int i = 7; i >= 0; --i) p = fma(p, r, splat(simd::kLog10P[i]));
  return fma(n, splat(simd::kLog10Of2High), fma(n, splat(simd::kLog10Of2Low), mul(p, r)));
}

SHORTHAND_INLINE F32x16 gelu(F32x16 x) {
  const F32x16 a = min(abs(x), splat(simd::kGeluReach));
  const F32x16 u = fma(a, splat(simd::kGeluScale), splat(-1.0f));
  F32x16 g = splat(simd::kGeluG[16]);
#pragma GCC unroll 16
  for (int i = 15; i >= 0; --i) g = fma(g, u, splat(simd::kGeluG[i]));
  return sub(max(x, splat(0.0f)), g);
}
