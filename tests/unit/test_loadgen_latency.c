/* tests/unit/test_loadgen_latency.c — percentiles are never too small, and hardly too large. */
#include <criterion/criterion.h>

#include "loadgen/latency.h"

static struct ab_latency l, other;

Test(loadgen_latency, percentiles_are_at_most_a_hundredth_above_and_never_below)
{
	l = (struct ab_latency){0};
	for (int64_t ns = 1; ns <= 1000; ns++)
		ab_latency_add(&l, ns * 1000000, 1);
	for (uint32_t permille = 1; permille <= 1000; permille++) {
		int64_t want = permille * INT64_C(1000000), got = ab_latency_ns(&l, permille);
		cr_assert(got >= want && got <= want + want / 100, "%u: %lld", permille, (long long)got);
	}
	cr_expect_eq(ab_latency_ns(&l, 1000), l.max_ns);
}

Test(loadgen_latency, extremes_have_a_bucket)
{
	l = (struct ab_latency){0};
	ab_latency_add(&l, -5, 1);
	cr_expect_eq(ab_latency_ns(&l, 1000), 0);
	ab_latency_add(&l, INT64_MAX, 3);
	cr_expect_eq(ab_latency_ns(&l, 500), INT64_MAX);
	cr_expect_eq(ab_latency_ns(&l, 250), 0);
}

Test(loadgen_latency, without_a_sample_there_is_no_latency)
{
	l = (struct ab_latency){0};
	cr_expect_eq(ab_latency_ns(&l, 990), 0);
}

Test(loadgen_latency, one_in_ten_thousand_is_seen)
{
	l = (struct ab_latency){0};
	ab_latency_add(&l, 1000, 9999);
	ab_latency_add(&l, 1000000000, 1);
	cr_expect(ab_latency_ppm_ns(&l, 999900) <= 1010);
	cr_expect_eq(ab_latency_ppm_ns(&l, 999901), 1000000000);
}

Test(loadgen_latency, two_together_are_as_if_counted_in_one)
{
	l = other = (struct ab_latency){0};
	for (int64_t ns = 0; ns < 1000; ns++)
		ab_latency_add(ns % 3 ? &l : &other, ns * ns * 1000, 1);
	ab_latency_merge(&l, &other);
	cr_expect_eq(l.count, 1000);
	cr_expect_eq(l.max_ns, INT64_C(999) * 999 * 1000);
	cr_expect(ab_latency_ns(&l, 500) >= INT64_C(499) * 499 * 1000);
}
