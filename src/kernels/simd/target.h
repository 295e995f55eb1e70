// SPDX-License-Identifier: Apache-2.0
// Regions of a source file that may use instructions above the baseline.
//
// Every object is built for x86-64-v2. Between SHORTHAND_TARGET_<X> and SHORTHAND_TARGET_END functions are compiled for
// <X> as well, and only the variant tables lead there, after the processor has been asked. Standard headers are
// included above a region, never inside: an inline function that it compiled for AVX-512 could be the copy that the
// linker keeps for everybody. For the same reason everything inside a region has internal linkage. No lambdas inside:
// Clang does not apply the region to them.
#pragma once

#include <immintrin.h>

#define SHORTHAND_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define SHORTHAND_TARGET(isa) SHORTHAND_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define SHORTHAND_TARGET_END SHORTHAND_PRAGMA(clang attribute pop)
#else
#define SHORTHAND_TARGET(isa) SHORTHAND_PRAGMA(GCC push_options) SHORTHAND_PRAGMA(GCC target(isa))
#define SHORTHAND_TARGET_END SHORTHAND_PRAGMA(GCC pop_options)
#endif

#define SHORTHAND_TARGET_AVX2 SHORTHAND_TARGET("avx2,fma,f16c")
#define SHORTHAND_TARGET_AVXVNNI SHORTHAND_TARGET("avx2,fma,f16c,avxvnni")
#define SHORTHAND_TARGET_AVX512VNNI SHORTHAND_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#define SHORTHAND_TARGET_AMX \
  SHORTHAND_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")

// Before a loop over registers, whose bound is known and small: all of it, so that arrays of vectors stay in registers.
#if defined(__clang__)
#define SHORTHAND_UNROLL SHORTHAND_PRAGMA(clang loop unroll(full))
#else
#define SHORTHAND_UNROLL SHORTHAND_PRAGMA(GCC unroll 64)
#endif

// After a vector has been computed: GCC 12 otherwise gathers the products of a whole loop body before it adds the
// first, and has too few registers for them.
#define SHORTHAND_IN_ORDER(vector) __asm__("" : "+x"(vector))

#define SHORTHAND_INLINE static inline __attribute__((always_inline, unused))
