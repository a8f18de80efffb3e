/* core/simd.c — see simd.h. */
#include "core/simd.h"

#include <stdlib.h>
#include <string.h>

static enum ab_simd supported(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2"))
		return AB_SIMD_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return AB_SIMD_AVX2;
#endif
	return AB_SIMD_BASE;
}

const char *ab_simd_name(enum ab_simd level)
{
	static const char *const names[] = {"off", "base", "avx2", "avx512"};
	return names[level];
}

enum ab_simd ab_simd_level(void)
{
	enum ab_simd best = supported();
	const char *wish = getenv("AB_SIMD");

	for (enum ab_simd level = AB_SIMD_OFF; wish != NULL && level < best; level++)
		if (strcmp(wish, ab_simd_name(level)) == 0)
			return level;
	return best;
}
