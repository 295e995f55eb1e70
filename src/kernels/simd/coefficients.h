// SPDX-License-Identifier: Apache-2.0
// The numbers that define exp, 2^x, log10 and GELU in float32, once for the scalar form and for every vector form.
#pragma once

#include <cstdint>

namespace shorthand::simd {

// exp(x), x <= 0: n = round(x / ln 2), r = x - n ln 2, exp(x) = 2^n (1 + r (1 + r q(r))). q has degree 4 and minimises
// the largest relative error of the whole on |r| <= ln(2)/2; that is 3.6e-9, and after all roundings 0.883 ULP on
// [-87, 0] (every float tried). Below kExpLowest, where results would become denormal, the result is 0.
inline constexpr float kExpLowest = -87.0f;
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2High = 0.693359375f;  // 9 bits: n * kLn2High is exact
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kExpQ[5] = {0.49999994f, 0.16666521f, 0.041668389f, 0.0083687454f, 0.0013814538f};

// 2^x, x <= 0, where a result of 8 bits follows: n = round(x), r = x - n, 2^x = 2^n p(r). p has degree 3 and minimises
// the largest relative error on |r| <= 1/2: 7.5e-5. x + kToInteger has n in its low bits. Below kExp2Lowest x counts as
// that, which is nothing beside the 1 that every sum of such weights contains, and keeps products from being denormal.
inline constexpr float kExp2Lowest = -100.0f;
inline constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23
inline constexpr float kExp2P[4] = {0.99992806f, 0.69326097f, 0.24261113f, 0.05517167f};

// gelu(x) = max(x, 0) - g(min(|x|, 5.5)), g(a) = a (1 - Phi(a)), exact-erf GELU: what is subtracted is a small bump, so
// that the far negative side, where activations of a deep network lie, loses nothing. g: Chebyshev fit of degree 16 in
// u = a * 2 / 5.5 - 1; absolute error below 4e-7 everywhere.
inline constexpr float kGeluReach = 5.5f;
inline constexpr float kGeluScale = 2.0f / 5.5f;
inline constexpr float kGeluG[17] = {
    0.008194370195269585f,   -0.06057798117399216f, 0.1912633776664734f,  -0.3086808919906616f,   0.1789475828409195f,
    0.26041826605796814f,    -0.6283228993415833f,  0.45969733595848083f, 0.15138386189937592f,   -0.545276403427124f,
    0.27221253514289856f,    0.23240207135677338f,  -0.2569062113761902f, -0.037460409104824066f, 0.09892436861991882f,
    -0.0005220473394729197f, -0.015696920454502106f};

// log10(x), x in [2^-126, inf): x = 2^n m, m in [sqrt(1/2), sqrt(2)), r = m - 1, log10(x) = n log10(2) + r p(r). p: fit
// of degree 8, equal errors of r p(r): below 3e-9 absolute; the whole is within 1.5 ULP of the larger of |n log10(2)|
// and |log10(x)|.
inline constexpr uint32_t kRootHalfBits = 0x3f3504f3;    // sqrt(1/2)
inline constexpr float kLog10Of2High = 0.301025390625f;  // 15 bits: n * kLog10Of2High is exact
inline constexpr float kLog10Of2Low = 4.6050389811952e-6f;
inline constexpr float kLog10P[9] = {0.43429443f,  -0.21714713f, 0.14477207f,  -0.10858788f, 0.08659391f,
                                     -0.07180204f, 0.065433644f, -0.06330346f, 0.03775737f};

}  // namespace shorthand::simd
