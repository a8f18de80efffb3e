/* tests/unit/test_nearest.c */
#include <criterion/criterion.h>
#include <string.h>

#include "core/nearest.h"

Test(nearest, counts_edits)
{
	cr_expect_eq(ab_distance("run", "run"), 0u);
	cr_expect_eq(ab_distance("run", "RUN"), 0u);
	cr_expect_eq(ab_distance("run", "rn"), 1u);
	cr_expect_eq(ab_distance("run", "runs"), 1u);
	cr_expect_eq(ab_distance("run", "rum"), 1u);
	cr_expect_eq(ab_distance("run", "rnu"), 1u, "a swap of neighbours is one edit");
	cr_expect_eq(ab_distance("", "run"), 3u);
	cr_expect_eq(ab_distance("kitten", "sitting"), 3u);
}

Test(nearest, takes_the_nearest_and_nothing_far)
{
	const char *words[] = {"REDIS_PORT", "REDIS_HOST", "WEB_PORT", "run"};

	cr_expect_str_eq(ab_nearest("REDIS_PROT", words, 4), "REDIS_PORT");
	cr_expect_str_eq(ab_nearest("redis_hots", words, 4), "REDIS_HOST");
	cr_expect_null(ab_nearest("COMPLETELY_ELSE", words, 4));
	cr_expect_null(ab_nearest("xyz", words, 4), "three letters replaced are no likeness");
	cr_expect_null(ab_nearest("", words, 4));
}

Test(nearest, bears_words_that_are_too_long)
{
	char word[200];
	const char *words[] = {"run"};

	memset(word, 'r', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	cr_expect_eq(ab_distance(word, "run"), AB_NEAREST_MAX_BYTES + 1u);
	cr_expect_null(ab_nearest(word, words, 1));
}
