/* tests/unit/test_acks.c — acknowledgements in any order. See core/acks.h. */
#include "core/acks.h"

#include <criterion/criterion.h>

static struct ab_acks acks;

Test(acks, move_over_a_letter_only_when_all_before_it_are_there)
{
	cr_expect_eq(ab_acks_upto(&acks), 0);
	ab_acks_note(&acks, 1);
	ab_acks_note(&acks, 2);
	cr_expect_eq(ab_acks_upto(&acks), 0, "the first is missing");
	ab_acks_note(&acks, 0);
	cr_expect_eq(ab_acks_upto(&acks), 3);
	ab_acks_note(&acks, 4);
	cr_expect_eq(ab_acks_upto(&acks), 3);
	ab_acks_note(&acks, 3);
	cr_expect_eq(ab_acks_upto(&acks), 5);
}

Test(acks, go_round_with_as_many_under_way_as_there_may_be)
{
	uint64_t first = 0;

	for (int round = 0; round < 5; round++, first += AB_ACKS_MAX - 1) {
		for (uint64_t n = AB_ACKS_MAX - 2; n > 0; n--)
			ab_acks_note(&acks, first + n);
		cr_assert_eq(ab_acks_upto(&acks), first);
		ab_acks_note(&acks, first);
		cr_assert_eq(ab_acks_upto(&acks), first + AB_ACKS_MAX - 1);
	}
}
