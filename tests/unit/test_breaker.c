/* tests/unit/test_breaker.c — when a share of rejected records stops a sink. See core/breaker.h. */
#include "core/breaker.h"

#include <criterion/criterion.h>

#include "core/clock.h"

static struct ab_breaker breaker;
static struct ab_breaker_counts counts;
static int64_t now_ns;

static void begin(int64_t share_percent)
{
	ab_breaker_create(&breaker, share_percent);
	counts = (struct ab_breaker_counts){0};
	now_ns = 1000 * AB_NS_PER_S;
	cr_assert_eq(ab_breaker_look(&breaker, &counts, now_ns), AB_BREAKER_CLOSED);
}

/* So many are given and answered at once; then some time passes, and somebody looks. */
static enum ab_breaker_result pass(uint64_t acked, uint64_t rejected, uint64_t unfit, int64_t ms)
{
	counts.given += acked + rejected;
	counts.acked += acked;
	counts.rejected += rejected;
	counts.unfit += unfit;
	now_ns += ms * AB_NS_PER_MS;
	return ab_breaker_look(&breaker, &counts, now_ns);
}

Test(breaker, opens_once_when_everything_is_rejected_and_stays_open)
{
	begin(5);
	cr_expect_eq(pass(0, 99, 0, 50), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(0, 1, 0, 50), AB_BREAKER_OPENS);
	cr_expect_eq(pass(1000000, 0, 0, 50), AB_BREAKER_OPEN);
	cr_expect_eq(pass(1000000, 0, 0, 600000), AB_BREAKER_OPEN, "it must not close by itself");
}

Test(breaker, lets_one_in_a_thousand_flow_for_hours)
{
	begin(5);
	for (int i = 0; i < 2 * 3600 * 10; i++)
		cr_assert_eq(pass(9990, 10, 0, 100), AB_BREAKER_CLOSED, "after %d looks", i);
}

Test(breaker, opens_above_the_share_and_not_at_it)
{
	begin(5);
	cr_expect_eq(pass(1900, 100, 0, 50), AB_BREAKER_CLOSED, "5 %% of 2,000 is the limit itself");
	cr_expect_eq(pass(0, 1, 0, 50), AB_BREAKER_OPENS);
}

Test(breaker, counts_records_that_nobody_could_read)
{
	begin(5);
	cr_expect_eq(pass(100, 0, 99, 50), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(0, 0, 1, 50), AB_BREAKER_OPENS);
}

Test(breaker, adds_what_was_rejected_before_the_sink_and_by_it)
{
	begin(10);
	cr_expect_eq(pass(1800, 100, 100, 50), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(0, 10, 10, 50), AB_BREAKER_OPENS);
}

Test(breaker, forgets_what_is_older_than_a_minute)
{
	begin(5);
	cr_expect_eq(pass(0, 90, 0, 50), AB_BREAKER_CLOSED);
	for (int i = 0; i < 61; i++)
		cr_expect_eq(pass(0, 0, 0, 1000), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(0, 90, 0, 50), AB_BREAKER_CLOSED, "180 rejected, but no more than 90 in any minute");
	cr_expect_eq(breaker.window_rejected, 90);
}

Test(breaker, sees_a_share_that_builds_up_within_the_minute)
{
	begin(5);
	for (int i = 0; i < 49; i++)
		cr_assert_eq(pass(10, 2, 0, 1000), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(10, 2, 0, 1000), AB_BREAKER_OPENS);
}

Test(breaker, is_not_fooled_by_answers_that_are_still_under_way)
{
	begin(5);
	counts.given = 10000; /* the first answers to come are the rejections */
	cr_expect_eq(pass(0, 100, 0, 50), AB_BREAKER_CLOSED);
}

Test(breaker, is_not_fooled_by_a_backlog_settled_long_after_it_was_given)
{
	begin(5);
	counts.given = 40000;
	for (int i = 0; i < 120; i++) /* the sink is away */
		cr_assert_eq(ab_breaker_look(&breaker, &counts, now_ns += AB_NS_PER_S), AB_BREAKER_CLOSED);
	counts.acked += 39800;
	counts.rejected += 200;
	cr_expect_eq(ab_breaker_look(&breaker, &counts, now_ns += AB_NS_PER_S), AB_BREAKER_CLOSED,
		     "0.5 %% of what was settled, and nothing was given meanwhile");
}

Test(breaker, never_opens_at_100_percent)
{
	begin(100);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(pass(0, 1000, 1000, 100), AB_BREAKER_CLOSED);
}

Test(breaker, keeps_its_window_when_nobody_looked_for_a_while)
{
	begin(5);
	cr_expect_eq(pass(100000, 0, 0, 50), AB_BREAKER_CLOSED);
	cr_expect_eq(pass(0, 4000, 0, 13000), AB_BREAKER_CLOSED, "4,000 of 104,000 within the minute");
	cr_expect_eq(pass(0, 150, 0, 200000), AB_BREAKER_OPENS, "the good ones are long ago");
}
