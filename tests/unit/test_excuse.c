/* tests/unit/test_excuse.c — see core/excuse.h. */
#include "core/excuse.h"

#include <criterion/criterion.h>

Test(excuse, is_taken_a_few_times_from_a_reader_that_does_not_move_and_always_from_one_that_does)
{
	struct ab_excuse excuse = {0};

	for (int i = 0; i < AB_EXCUSES_MAX; i++)
		cr_expect_eq(ab_excuse(&excuse, 0), AB_EXCUSE_TAKEN, "%d", i);
	cr_expect_eq(ab_excuse(&excuse, 0), AB_EXCUSE_WORN_OUT);
	cr_expect_eq(ab_excuse(&excuse, 0), AB_EXCUSE_WORN_OUT);
	for (int64_t next = 1; next < 100; next++)
		cr_expect_eq(ab_excuse(&excuse, next), AB_EXCUSE_TAKEN);
	for (int i = 1; i < AB_EXCUSES_MAX; i++)
		cr_expect_eq(ab_excuse(&excuse, 99), AB_EXCUSE_TAKEN, "%d", i);
	cr_expect_eq(ab_excuse(&excuse, 99), AB_EXCUSE_WORN_OUT);
}
