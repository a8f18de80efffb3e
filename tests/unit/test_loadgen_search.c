/* tests/unit/test_loadgen_search.c — which rate is tried next, and when the search ends. Batches of 50 rows are 1,000 rows/s. */
#include "loadgen/search.h"

#include <criterion/criterion.h>

static struct ab_search_trial trial[AB_SEARCH_TRIALS_MAX];
static uint32_t count;

static struct ab_search_state after(uint32_t batch_rows, enum ab_search_verdict verdict)
{
	trial[count++] = (struct ab_search_trial){.batch_rows = batch_rows, .verdict = verdict};
	return ab_search_state(trial, count);
}

/* The search against a pipeline that takes so many rows a batch. */
static struct ab_search_state search(uint32_t takes)
{
	struct ab_search_state state = ab_search_state(trial, count = 0);

	while (state.next != 0)
		state = after(state.next, state.next <= takes ? AB_SEARCH_HOLDS : AB_SEARCH_CROSSED);
	return state;
}

Test(loadgen_search, doubles_then_halves_four_times)
{
	struct ab_search_state state = search(170);

	cr_expect(state.good == 168 && state.bad == 175, "%u %u", state.good, state.bad);
	cr_expect_eq(count, 7); /* 50 100 200 150 175 162 168 */
}

Test(loadgen_search, goes_below_the_first_rate_and_ends)
{
	struct ab_search_state state = search(10);

	cr_expect(state.good == 9 && state.bad == 12, "%u %u", state.good, state.bad);
	cr_expect_eq(search(0).good, 0);
}

Test(loadgen_search, ends_where_a_batch_cannot_grow)
{
	struct ab_search_state state = search(UINT32_MAX);

	cr_expect(state.bad == 0 && state.good == 6400, "%u %u", state.good, state.bad);
}

Test(loadgen_search, a_load_that_was_not_as_planned_is_tried_once_more)
{
	count = 0;
	cr_expect_eq(after(50, AB_SEARCH_HOLDS).next, 100);
	struct ab_search_state state = after(100, AB_SEARCH_NOT_AS_PLANNED);
	cr_expect(state.next == 100 && state.bad == 0, "one hiccup says nothing");
	state = after(100, AB_SEARCH_HOLDS);
	cr_expect(state.next == 200 && state.good == 100);
	cr_expect_eq(after(200, AB_SEARCH_NOT_AS_PLANNED).next, 200);
	state = after(200, AB_SEARCH_NOT_AS_PLANNED);
	cr_expect(state.next == 150 && state.bad == 200, "%u", state.next);
}

Test(loadgen_search, ends_after_so_many_trials_whatever_they_say)
{
	count = 0;
	for (uint32_t i = 0; i < AB_SEARCH_TRIALS_MAX - 1; i++)
		cr_assert_neq(after(1000 + i, AB_SEARCH_NOT_AS_PLANNED).next, 0);
	cr_expect_eq(after(5000, AB_SEARCH_NOT_AS_PLANNED).next, 0);
}

Test(loadgen_search, a_load_not_as_planned_is_no_verdict_on_the_thresholds)
{
	cr_expect_eq(ab_search_verdict(0, 0), AB_SEARCH_NOT_AS_PLANNED);
	cr_expect_eq(ab_search_verdict(0, 1), AB_SEARCH_NOT_AS_PLANNED);
	cr_expect_eq(ab_search_verdict(1, 0), AB_SEARCH_CROSSED);
	cr_expect_eq(ab_search_verdict(1, 1), AB_SEARCH_HOLDS);
}
