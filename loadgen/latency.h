/* loadgen/latency.h — how often which latency came: exact counts in buckets whose width is relative.
 *
 * The idea and the layout are HdrHistogram's (https://hdrhistogram.org), which Debian has no C package of: values below
 * AB_LATENCY_SUB have a bucket each, above them every power of two is cut into AB_LATENCY_SUB equal parts.
 *
 * Threads: one, or copies. Memory: fixed, 60 KB each.
 */
#pragma once

#include "core/base.h"

/* Parts of a power of two: a percentile is off by at most 0.8 %, and never too small. */
#define AB_LATENCY_SUB_BITS 7
#define AB_LATENCY_SUB	    (1 << AB_LATENCY_SUB_BITS)
#define AB_LATENCY_BUCKETS  ((64 - AB_LATENCY_SUB_BITS) * AB_LATENCY_SUB)

struct ab_latency {
	uint64_t count;
	int64_t max_ns;
	uint64_t buckets[AB_LATENCY_BUCKETS];
};

/* Below zero counts as zero. */
void ab_latency_add(struct ab_latency *l, int64_t ns, uint64_t times);
void ab_latency_merge(struct ab_latency *into, const struct ab_latency *from);

/* Not less than the latency of so many of 1,000,000; 0 when there is none. */
int64_t ab_latency_ppm_ns(const struct ab_latency *l, uint32_t ppm);
int64_t ab_latency_ns(const struct ab_latency *l, uint32_t permille);
