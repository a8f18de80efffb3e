/* tests/unit/test_loadgen_curve.c — counts over time, read both ways. */
#include <criterion/criterion.h>

#include "loadgen/curve.h"

static struct ab_curve made(void)
{
	struct ab_curve c = {0};
	ab_curve_add(&c, 1000, 0);
	ab_curve_add(&c, 2000, 100);
	ab_curve_add(&c, 3000, 100);
	ab_curve_add(&c, 3000, 150);
	ab_curve_add(&c, 4000, 120); /* a count never falls */
	return c;
}

Test(loadgen_curve, between_two_points_it_is_a_straight_line)
{
	struct ab_curve c = made();
	cr_expect_float_eq(ab_curve_at(&c, 0), 0, 1e-9);
	cr_expect_float_eq(ab_curve_at(&c, 1250), 25, 1e-9);
	cr_expect_float_eq(ab_curve_at(&c, 2500), 100, 1e-9);
	cr_expect_float_eq(ab_curve_at(&c, 9999), 150, 1e-9);
	ab_curve_free(&c);
}

Test(loadgen_curve, a_number_is_reached_when_the_count_first_has_it)
{
	struct ab_curve c = made();
	cr_expect_eq(ab_curve_when(&c, 0), 1000);
	cr_expect_eq(ab_curve_when(&c, 25), 1250);
	cr_expect_eq(ab_curve_when(&c, 100), 2000);
	cr_expect_eq(ab_curve_when(&c, 101), 3000);
	cr_expect_eq(ab_curve_when(&c, 150), 3000);
	cr_expect_eq(ab_curve_when(&c, 151), INT64_MAX);
	ab_curve_free(&c);
}

Test(loadgen_curve, an_empty_one_reaches_nothing)
{
	struct ab_curve c = {0};
	cr_expect_float_eq(ab_curve_at(&c, 5), 0, 1e-9);
	cr_expect_eq(ab_curve_when(&c, 0), INT64_MAX);
	cr_expect_eq(ab_curve_last(&c), 0);
}

Test(loadgen_curve, thousands_of_points_are_found_again)
{
	struct ab_curve c = {0};
	for (int64_t i = 0; i < 5000; i++)
		ab_curve_add(&c, i * 10, (uint64_t)i);
	for (int64_t i = 0; i < 5000; i += 7)
		cr_assert_eq(ab_curve_when(&c, (double)i), i * 10);
	ab_curve_free(&c);
}
