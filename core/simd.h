/* core/simd.h — which of the processor's vector instructions are used: chosen at run time, forced by AB_SIMD for tests.
 *
 *     AB_SIMD=   avx512 | avx2 | base (SSE4.2)   at most this one
 *                off                             no learned shapes at all: every message goes through simdjson
 *
 * Threads: any. The environment is read at every call: once per decoder.
 */
#pragma once

enum ab_simd { AB_SIMD_OFF, AB_SIMD_BASE, AB_SIMD_AVX2, AB_SIMD_AVX512 };

/* The best level that this processor has and AB_SIMD allows. A word that is none of those counts as unset. */
enum ab_simd ab_simd_level(void);

/* "off", "base", "avx2", "avx512". */
const char *ab_simd_name(enum ab_simd level);
