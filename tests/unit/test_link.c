/* tests/unit/test_link.c — chunks between a worker and a lane, in one thread; two of them are in tests/stress. */
#include <criterion/criterion.h>

#include "core/link.h"

static struct ab_link tested;

static void setup(void)
{
	ab_link_create(&tested);
	tested.covered[0] = 0;
}

static void teardown(void)
{
	ab_link_destroy(&tested);
}

TestSuite(link, .init = setup, .fini = teardown);

static void seal_one(int64_t next)
{
	static const uint16_t zero = 0;

	cr_assert(ab_link_open(&tested));
	ab_link_seal(&tested, &zero, 1, &next, 0);
}

static void give_back(bool wanted)
{
	cr_assert_not_null(ab_link_peek(&tested));
	cr_expect_eq(ab_link_release(&tested), wanted);
}

Test(link, a_worker_is_woken_only_for_the_chunk_that_it_wanted)
{
	int64_t next = 0;

	seal_one(++next);
	give_back(false);
	for (int i = 0; i < AB_LINK_CHUNKS; i++)
		seal_one(++next);
	cr_expect_not(ab_link_open(&tested), "back-pressure");
	cr_expect_not(ab_link_open(&tested), "asked twice");
	give_back(true);
	give_back(false);
	cr_expect(ab_link_open(&tested));
}

Test(link, what_was_wanted_before_a_reset_is_not_wanted_after_it)
{
	int64_t next = 0;

	for (int i = 0; i < AB_LINK_CHUNKS; i++)
		seal_one(++next);
	cr_expect_not(ab_link_open(&tested));
	ab_link_reset(&tested);
	tested.covered[0] = 0;
	seal_one(1);
	give_back(false);
}
