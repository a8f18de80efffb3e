/* tests/unit/test_scrape.c — /metrics as numbers: what is there, what is not, and what a histogram says. */
#include "monitor/scrape.h"

#include <criterion/criterion.h>
#include <math.h>

static struct ab_scrape parse(const char *text)
{
	struct ab_scrape scrape;

	cr_assert_eq(ab_scrape_parse(&scrape, text, strlen(text)), AB_SCRAPE_OK);
	return scrape;
}

Test(scrape, adds_up_what_carries_the_labels)
{
	struct ab_scrape scrape = parse("# HELP events Events.\n# TYPE events counter\n"
					"events{sink=\"redis\",outcome=\"acked\"} 7\n"
					"events{sink=\"redis\",outcome=\"dead\"} 2\n"
					"events{sink=\"redis_old\",outcome=\"acked\"} 100\n"
					"up 1\n");

	cr_expect_eq(ab_scrape_sum(&scrape, "events", "sink=\"redis\"", NULL), 9);
	cr_expect_eq(ab_scrape_sum(&scrape, "events", "sink=\"redis\"", "outcome=\"acked\""), 7);
	cr_expect_eq(ab_scrape_sum(&scrape, "up", NULL, NULL), 1);
	ab_scrape_free(&scrape);
}

Test(scrape, tells_nothing_from_zero)
{
	struct ab_scrape scrape = parse("a 0\n");

	cr_expect_eq(ab_scrape_sum(&scrape, "a", NULL, NULL), 0);
	cr_expect(isnan(ab_scrape_sum(&scrape, "b", NULL, NULL)));
	cr_expect(isnan(ab_scrape_sum(&scrape, "a", "sink=\"redis\"", NULL)));
	ab_scrape_free(&scrape);
}

Test(scrape, refuses_what_holds_no_sample)
{
	struct ab_scrape scrape;
	const char page[] = "<html><body>404 not found</body></html>\n";

	cr_expect_eq(ab_scrape_parse(&scrape, page, strlen(page)), AB_SCRAPE_MALFORMED);
	cr_expect_eq(ab_scrape_parse(&scrape, "", 0), AB_SCRAPE_MALFORMED);
}

Test(scrape, reads_a_label_by_its_whole_name)
{
	struct ab_scrape scrape = parse("m{subthread=\"9\",thread=\"1\"} 5\n");
	char word[8], small[1];

	cr_expect(ab_sample_label(&scrape.sample[0], "thread", word, sizeof word));
	cr_expect_str_eq(word, "1");
	cr_expect_not(ab_sample_label(&scrape.sample[0], "hread", word, sizeof word));
	cr_expect_not(ab_sample_label(&scrape.sample[0], "thread", small, sizeof small));
	ab_scrape_free(&scrape);
}

#define BUCKETS(a, b, c, inf)                                                                                          \
	"f_bucket{sink=\"redis\",le=\"0.001\"} " #a "\nf_bucket{sink=\"redis\",le=\"0.002\"} " #b                      \
	"\nf_bucket{sink=\"redis\",le=\"0.004\"} " #c "\nf_bucket{sink=\"redis\",le=\"+Inf\"} " #inf "\n"

Test(scrape, a_quantile_is_the_bound_of_its_bucket)
{
	struct ab_scrape now = parse(BUCKETS(50, 98, 100, 100));

	cr_expect_float_eq(ab_scrape_quantile(&now, NULL, "f", "sink=\"redis\"", 0.5), 0.001, 1e-12);
	cr_expect_float_eq(ab_scrape_quantile(&now, NULL, "f", "sink=\"redis\"", 0.99), 0.004, 1e-12);
	cr_expect(isnan(ab_scrape_quantile(&now, NULL, "f", "sink=\"bigquery\"", 0.5)));
	ab_scrape_free(&now);
}

Test(scrape, a_quantile_of_the_window_forgets_what_was_before)
{
	struct ab_scrape then = parse(BUCKETS(1000, 1000, 1000, 1000)), now = parse(BUCKETS(1000, 1000, 1010, 1010));

	cr_expect_float_eq(ab_scrape_quantile(&now, &then, "f", "sink=\"redis\"", 0.5), 0.004, 1e-12);
	cr_expect(isnan(ab_scrape_quantile(&then, &then, "f", "sink=\"redis\"", 0.5)));
	ab_scrape_free(&now);
	ab_scrape_free(&then);
}

Test(scrape, a_quantile_beyond_the_last_bound_is_infinite)
{
	struct ab_scrape now = parse(BUCKETS(0, 0, 1, 100));

	cr_expect(isinf(ab_scrape_quantile(&now, NULL, "f", "sink=\"redis\"", 0.99)));
	ab_scrape_free(&now);
}
