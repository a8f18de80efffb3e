/* tests/unit/test_starve.c — see core/starve.h for the promises. */
#include "core/starve.h"

#include <criterion/criterion.h>

#define MS    INT64_C(1000000)
#define AFTER (100 * MS)
#define BEGIN (1000 * MS)

/* Holds the others up for busy_ms of every period_ms; returns after how many ms it leaves, -1: not within most_ms. */
static int64_t leaves_after(int64_t busy_ms, int64_t period_ms, int64_t most_ms)
{
	struct ab_starve starve;

	ab_starve_reset(&starve, BEGIN);
	for (int64_t at = 0; at < most_ms; at++) {
		if (ab_starve_observe(&starve, at % period_ms < busy_ms, BEGIN + at * MS, AFTER) == AB_STARVE_LEAVE)
			return at;
	}
	return -1;
}

Test(starve, a_sink_that_takes_nothing_leaves_when_the_time_is_over)
{
	cr_expect_eq(leaves_after(1, 1, 10000), 100);
}

Test(starve, a_sink_ten_times_slower_leaves_though_it_never_stops)
{
	int64_t after = leaves_after(9, 10, 10000);
	cr_expect(after > 100 && after < 120, "%lld", (long long)after);
}

Test(starve, a_sink_that_costs_the_others_a_fifth_leaves_within_a_second)
{
	int64_t after = leaves_after(2, 10, 10000);
	cr_expect(after > 100 && after < 1000, "%lld", (long long)after);
}

Test(starve, a_sink_that_costs_the_others_a_twentieth_stays)
{
	cr_expect_eq(leaves_after(1, 20, 100000), -1);
}

Test(starve, a_single_pause_is_forgiven)
{
	struct ab_starve starve;

	ab_starve_reset(&starve, BEGIN);
	for (int i = 0; i < 100; i++) {
		int64_t at = BEGIN + i * 2000 * MS;
		cr_assert_eq(ab_starve_observe(&starve, true, at, AFTER), AB_STARVE_STAY);
		cr_assert_eq(ab_starve_observe(&starve, false, at + 90 * MS, AFTER), AB_STARVE_STAY);
	}
}

/* Holds the others up until it should leave. */
static void should_leave(struct ab_starve *starve)
{
	ab_starve_reset(starve, BEGIN);
	ab_starve_observe(starve, true, BEGIN, AFTER);
	cr_assert_eq(ab_starve_observe(starve, false, BEGIN + 5 * AFTER, AFTER), AB_STARVE_LEAVE);
}

Test(starve, a_decision_stands_until_it_is_acted_on)
{
	struct ab_starve starve;

	should_leave(&starve);
	cr_assert_eq(ab_starve_observe(&starve, false, BEGIN + 13 * AFTER, AFTER), AB_STARVE_LEAVE);
	ab_starve_reset(&starve, BEGIN + 13 * AFTER);
	cr_assert_eq(ab_starve_observe(&starve, false, BEGIN + 14 * AFTER, AFTER), AB_STARVE_STAY);
}

Test(starve, a_decision_that_nobody_could_act_on_is_taken_back_when_all_is_forgiven)
{
	struct ab_starve starve;

	should_leave(&starve);
	cr_expect_eq(ab_starve_observe(&starve, false, BEGIN + 14 * AFTER, AFTER), AB_STARVE_STAY);
	/* And from then on it is as if nothing had been. */
	ab_starve_observe(&starve, true, BEGIN + 14 * AFTER, AFTER);
	cr_expect_eq(ab_starve_observe(&starve, false, BEGIN + 14 * AFTER + 90 * MS, AFTER), AB_STARVE_STAY);
}

Test(rejoin, waits_longer_each_time_it_leaves_soon_and_a_minute_at_most)
{
	struct ab_rejoin rejoin = {0};
	int64_t now = BEGIN, last = 0;

	cr_expect(ab_rejoin_may(&rejoin, now), "a sink that never left may join at once");
	for (int i = 0; i < 10; i++) {
		ab_rejoin_left(&rejoin, now);
		cr_expect(!ab_rejoin_may(&rejoin, now));
		int64_t wait = rejoin.due_ns - now;
		cr_expect(wait >= last && wait <= 60000 * MS);
		cr_expect(last == 0 || wait == 60000 * MS || wait == 2 * last);
		last = wait;
		now = rejoin.due_ns;
		cr_expect(ab_rejoin_may(&rejoin, now));
		ab_rejoin_joined(&rejoin, now);
	}
	now += 61000 * MS;
	ab_rejoin_left(&rejoin, now);
	cr_expect_eq(rejoin.due_ns - now, 2000 * MS, "it stayed for a minute: forgiven");
}
