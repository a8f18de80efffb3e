/* tests/unit/test_loadgen_plan.c — the times and sizes of batches. */
#include <criterion/criterion.h>

#include "loadgen/plan.h"

#define S INT64_C(1000000000)

static uint64_t rows_of(const struct ab_plan *plan)
{
	uint64_t rows = 0;
	for (uint64_t k = 0; ab_plan_rows(plan, k) > 0; k++)
		rows += ab_plan_rows(plan, k);
	return rows;
}

Test(loadgen_plan, an_interval_gives_a_whole_batch_at_each_multiple)
{
	struct ab_plan p = ab_plan_by_interval(S, 50);
	cr_expect_eq(ab_plan_time_ns(&p, 0), 0);
	cr_expect_eq(ab_plan_time_ns(&p, 3), 3 * S);
	cr_expect_eq(ab_plan_rows(&p, 1000000), 50);
	cr_expect_float_eq(ab_plan_rate(&p), 50.0, 1e-9);
}

Test(loadgen_plan, a_rate_is_exact_after_an_hour)
{
	for (int64_t rate = 1; rate <= 3000; rate += 7) {
		struct ab_plan p = ab_plan_by_rate(rate * 1000);
		ab_plan_end_after_time(&p, 3600 * S);
		uint64_t rows = rows_of(&p), want = (uint64_t)rate * 3600;
		cr_assert(rows >= want && rows < want + p.batch_rows, "%lld/s gives %llu rows", (long long)rate,
			(unsigned long long)rows);
		cr_assert_float_eq(ab_plan_rate(&p), (double)rate, 1e-6);
	}
}

Test(loadgen_plan, a_low_rate_sends_single_rows_and_a_high_one_many_at_once)
{
	cr_expect_eq(ab_plan_by_rate(500).batch_rows, 1);
	struct ab_plan slow = ab_plan_by_rate(500);
	cr_expect_eq(ab_plan_time_ns(&slow, 1), 2 * S);
	cr_expect_eq(ab_plan_by_rate(20000 * 1000).batch_rows, 400);
	cr_expect_eq(ab_plan_by_rate(AB_PLAN_RATE_MILLI_MAX).batch_rows, AB_PLAN_RATE_BATCH_ROWS_MAX);
}

Test(loadgen_plan, the_last_batch_is_what_is_left)
{
	struct ab_plan p = ab_plan_by_interval(S, 50);
	ab_plan_end_after_rows(&p, 120);
	cr_expect_eq(ab_plan_rows(&p, 1), 50);
	cr_expect_eq(ab_plan_rows(&p, 2), 20);
	cr_expect_eq(ab_plan_rows(&p, 3), 0);
}

Test(loadgen_plan, a_batch_meant_exactly_at_the_end_is_not_sent)
{
	struct ab_plan p = ab_plan_by_interval(S, 50);
	ab_plan_end_after_time(&p, 2 * S);
	cr_expect_eq(rows_of(&p), 100);
	p = ab_plan_by_interval(S, 50);
	ab_plan_end_after_time(&p, 2 * S + 1);
	cr_expect_eq(rows_of(&p), 150);
}

Test(loadgen_plan, of_two_ends_the_first_counts)
{
	struct ab_plan p = ab_plan_by_interval(S, 50);
	ab_plan_end_after_rows(&p, 70);
	ab_plan_end_after_time(&p, 10 * S);
	cr_expect_eq(rows_of(&p), 70);
	p = ab_plan_by_interval(S, 50);
	ab_plan_end_after_time(&p, S);
	ab_plan_end_after_rows(&p, 70);
	cr_expect_eq(rows_of(&p), 50);
}

Test(loadgen_plan, no_rows_and_no_time_are_plans_too)
{
	struct ab_plan p = ab_plan_by_rate(1000);
	ab_plan_end_after_rows(&p, 0);
	cr_expect_eq(ab_plan_rows(&p, 0), 0);
	p = ab_plan_by_rate(1000);
	ab_plan_end_after_time(&p, 0);
	cr_expect_eq(ab_plan_rows(&p, 0), 0);
}

Test(loadgen_plan, without_a_pace_everything_is_meant_now)
{
	struct ab_plan p = ab_plan_unpaced(1000);
	ab_plan_end_after_time(&p, S);
	cr_expect_eq(p.rows, AB_PLAN_ENDLESS);
	cr_expect_eq(ab_plan_time_ns(&p, 1000000), 0);
	cr_expect_eq(ab_plan_rate(&p), 0.0);
}

Test(loadgen_plan, the_slowest_and_the_fastest_rate_do_not_overflow)
{
	struct ab_plan slow = ab_plan_by_rate(1), fast = ab_plan_by_rate(AB_PLAN_RATE_MILLI_MAX);
	cr_expect_eq(ab_plan_time_ns(&slow, 1000), INT64_C(1000000) * S);
	cr_expect_eq(ab_plan_time_ns(&fast, UINT64_C(10000000000)), INT64_C(1000000) * S);
}
