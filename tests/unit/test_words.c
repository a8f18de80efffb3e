/* tests/unit/test_words.c — numbers as short words: unknown is not zero, and nothing is rounded up into a wrong unit. */
#include "monitor/words.h"

#include <criterion/criterion.h>
#include <math.h>

static char word[AB_WORD_BYTES];

Test(words, zero_is_zero_and_unknown_is_a_question)
{
	cr_expect_str_eq(ab_word_count(0, word), "0");
	cr_expect_str_eq(ab_word_count(NAN, word), "?");
	cr_expect_str_eq(ab_word_bytes(NAN, word), "?");
	cr_expect_str_eq(ab_word_percent(NAN, word), "?");
}

Test(words, counts_change_their_unit_where_four_digits_end)
{
	cr_expect_str_eq(ab_word_count(0.4, word), "0.4");
	cr_expect_str_eq(ab_word_count(999, word), "999");
	cr_expect_str_eq(ab_word_count(1000, word), "1.0k");
	cr_expect_str_eq(ab_word_count(999999, word), "1.0M");
	cr_expect_str_eq(ab_word_count(12345, word), "12.3k");
}

Test(words, durations_carry_their_unit)
{
	cr_expect_str_eq(ab_word_seconds(0.0184, word), "18 ms");
	cr_expect_str_eq(ab_word_seconds(1.25, word), "1.2 s");
	cr_expect_str_eq(ab_word_seconds(61, word), "61 s");
	cr_expect_str_eq(ab_word_seconds(7200, word), "2 h");
}

Test(words, a_bucket_is_an_upper_bound)
{
	cr_expect_str_eq(ab_word_bound(0.512, 1, word), "<=512 ms");
	cr_expect_str_eq(ab_word_bound(INFINITY, 1, word), "> 1 min");
	cr_expect_str_eq(ab_word_bound(NAN, 1, word), "-");
}
