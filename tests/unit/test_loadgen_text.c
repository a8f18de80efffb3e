/* tests/unit/test_loadgen_text.c — numbers are read strictly, and nothing wrong stays unsaid. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/text.h"

static uint64_t count(const char *text)
{
	uint64_t value = 999;
	return ab_text_count(text, 0, 1000000000, &value) == AB_TEXT_OK ? value : UINT64_MAX;
}

static int64_t milli(const char *text)
{
	int64_t value = 999;
	return ab_text_milli(text, 1, INT64_C(10000000000), &value) == AB_TEXT_OK ? value : -1;
}

Test(loadgen_text, counts_are_digits_with_k_or_M)
{
	cr_expect_eq(count("0"), 0);
	cr_expect_eq(count("200k"), 200000);
	cr_expect_eq(count("3M"), 3000000);
	const char *const wrong[] = {"", " 1", "1 ", "+1", "-1", "1.5", "1kk", "1e3", "k", "0x10", "1000000001",
		"18446744073709551617", "99999999999999999999999999M"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++)
		cr_expect_eq(count(wrong[i]), UINT64_MAX, "\"%s\" was taken", wrong[i]);
}

Test(loadgen_text, a_refused_number_leaves_the_value_alone)
{
	uint64_t value = 7;
	cr_expect_eq(ab_text_count("12", 1, 11, &value), AB_TEXT_INVALID);
	cr_expect_eq(value, 7);
}

Test(loadgen_text, decimals_are_exact_to_thousandths)
{
	cr_expect_eq(milli("1"), 1000);
	cr_expect_eq(milli("0.05"), 50);
	cr_expect_eq(milli("0.001"), 1);
	cr_expect_eq(milli("1.5k"), 1500000);
	cr_expect_eq(milli("10M"), INT64_C(10000000000));
	const char *const wrong[] = {"", "0", "0.0001", "1.", ".5", "1.0000", "1,5", "-1", "10.001M", "nan", "1 /s",
		"99999999999999999999"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++)
		cr_expect_eq(milli(wrong[i]), -1, "\"%s\" was taken", wrong[i]);
}

Test(loadgen_text, times_are_utc_and_exist)
{
	int64_t us = 0;
	cr_expect_eq(ab_text_time("2026-01-31T12:00:00Z", &us), AB_TEXT_OK);
	cr_expect_eq(us, INT64_C(1769860800000000));
	const char *const wrong[] = {"", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z",
		"2026-02-30T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00+01", " 026-01-31T12:00:00Z"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++)
		cr_expect_eq(ab_text_time(wrong[i], &us), AB_TEXT_INVALID, "\"%s\" was taken", wrong[i]);
}

Test(loadgen_text, a_swap_a_slip_and_an_omission_are_one_apart)
{
	cr_expect_eq(ab_text_distance("count", "count"), 0);
	cr_expect_eq(ab_text_distance("cuont", "count"), 1);
	cr_expect_eq(ab_text_distance("coumt", "count"), 1);
	cr_expect_eq(ab_text_distance("cont", "count"), 1);
	cr_expect_eq(ab_text_distance("", "count"), 5);
	cr_expect_eq(ab_text_distance("seed", "mix"), 4);
}

Test(loadgen_text, a_problem_without_room_is_still_counted)
{
	static struct ab_problems p;
	char word[200];
	memset(word, 'x', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	for (int i = 0; i < 100; i++)
		ab_problem(&p, "%s", word);
	cr_expect_eq(p.count, 100);
	cr_expect_eq(p.len, strlen(p.text));
	cr_expect_eq(p.len, (p.count - p.unsaid) * sizeof word);
	cr_expect_eq(p.unsaid, 100 - sizeof p.text / sizeof word);
}
