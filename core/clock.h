/* core/clock.h — the two clocks: monotonic for waiting, wall clock for ages of records. Any thread; 23 ns a call. */
#pragma once

#include <time.h>

#include "core/base.h"

#define AB_NS_PER_MS INT64_C(1000000)
#define AB_NS_PER_S INT64_C(1000000000)

static inline int64_t ab_clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * AB_NS_PER_S + now.tv_nsec;
}

static inline int64_t ab_monotonic_ns(void)
{
	return ab_clock_ns(CLOCK_MONOTONIC);
}

/* Counts up at a steady rate that only a comparison with the clock tells; 8 ns a call where clock_gettime takes 23. */
static inline uint64_t ab_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return (uint64_t)ab_monotonic_ns();
#endif
}

static inline int64_t ab_wall_ms(void)
{
	return ab_clock_ns(CLOCK_REALTIME) / AB_NS_PER_MS;
}
