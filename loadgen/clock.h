/* loadgen/clock.h — the monotonic clock. Any thread. */
#pragma once

#include <time.h>

#include "core/base.h"

#define AB_LG_NS_PER_S INT64_C(1000000000)

static inline int64_t ab_lg_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * AB_LG_NS_PER_S + now.tv_nsec;
}
