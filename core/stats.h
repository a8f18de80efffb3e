/* core/stats.h — counters with one writing thread, readable by any.
 *
 * A count is added by a plain load and store, both relaxed: there is no second writer to lose an addition to, and
 * readers (metrics, status line) only ever show the number.
 */
#pragma once

#include <stdatomic.h>

#include "core/base.h"

typedef _Atomic uint64_t ab_count;

static inline void ab_count_add(ab_count *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void ab_count_set(ab_count *count, uint64_t n)
{
	atomic_store_explicit(count, n, memory_order_relaxed);
}

static inline uint64_t ab_count_get(const ab_count *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

/* Durations by power-of-two buckets from 1 ms: bucket b counts those below 2^b ms; the last counts all the rest. */
#define AB_HIST_BUCKETS 18

struct ab_hist {
	ab_count bucket[AB_HIST_BUCKETS];
	ab_count sum_ms;
};

static inline void ab_hist_add(struct ab_hist *hist, int64_t ms)
{
	uint64_t value = ms > 0 ? (uint64_t)ms : 0;
	int bucket = value == 0 ? 0 : 64 - __builtin_clzll(value);

	ab_count_add(&hist->bucket[bucket < AB_HIST_BUCKETS ? bucket : AB_HIST_BUCKETS - 1], 1);
	ab_count_add(&hist->sum_ms, value);
}
