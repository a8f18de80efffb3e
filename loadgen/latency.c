/* loadgen/latency.c — see latency.h for what a bucket is. */
#include "loadgen/latency.h"

static uint32_t bucket_of(uint64_t ns)
{
	if (ns < AB_LATENCY_SUB)
		return (uint32_t)ns;
	uint32_t shift = 63 - (uint32_t)__builtin_clzll(ns) - AB_LATENCY_SUB_BITS;
	return (shift + 1) * AB_LATENCY_SUB + (uint32_t)((ns >> shift) & (AB_LATENCY_SUB - 1));
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_last(uint32_t bucket)
{
	if (bucket < AB_LATENCY_SUB)
		return bucket;
	uint32_t shift = bucket / AB_LATENCY_SUB - 1;
	uint64_t first = (uint64_t)(AB_LATENCY_SUB + bucket % AB_LATENCY_SUB) << shift;
	return first + ((UINT64_C(1) << shift) - 1);
}

void ab_latency_add(struct ab_latency *l, int64_t ns, uint64_t times)
{
	if (ns < 0)
		ns = 0;
	l->count += times;
	l->buckets[bucket_of((uint64_t)ns)] += times;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

void ab_latency_merge(struct ab_latency *into, const struct ab_latency *from)
{
	into->count += from->count;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	for (uint32_t i = 0; i < AB_LATENCY_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

int64_t ab_latency_ppm_ns(const struct ab_latency *l, uint32_t ppm)
{
	AB_ASSERT(ppm <= 1000000);
	uint64_t wanted = (uint64_t)(((unsigned __int128)l->count * ppm + 999999) / 1000000), seen = 0;
	if (l->count == 0)
		return 0;
	for (uint32_t i = 0; i < AB_LATENCY_BUCKETS; i++) {
		seen += l->buckets[i];
		if (seen >= wanted && seen > 0)
			return (int64_t)ab_min_u64(bucket_last(i), (uint64_t)l->max_ns);
	}
	AB_ASSERT(!"the buckets hold all that was counted");
	return 0;
}

int64_t ab_latency_ns(const struct ab_latency *l, uint32_t permille)
{
	return ab_latency_ppm_ns(l, permille * 1000);
}
