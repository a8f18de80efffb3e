/* tests/unit/test_loadgen_report.c — percentiles are never too small, and the summary adds up. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/report.h"

static struct ab_latency l;

Test(loadgen_report, percentiles_are_at_most_an_eighth_above_and_never_below)
{
	l = (struct ab_latency){0};
	for (int64_t ns = 1; ns <= 1000; ns++)
		ab_latency_add(&l, ns * 1000000, 1);
	for (uint32_t permille = 1; permille <= 1000; permille++) {
		int64_t want = permille * INT64_C(1000000), got = ab_latency_ns(&l, permille);
		cr_assert(got >= want && got <= want + want / 8, "%u: %lld", permille, (long long)got);
	}
	cr_expect_eq(ab_latency_ns(&l, 1000), l.max_ns);
}

Test(loadgen_report, extremes_have_a_bucket)
{
	l = (struct ab_latency){0};
	ab_latency_add(&l, -5, 1);
	cr_expect_eq(ab_latency_ns(&l, 1000), 0);
	ab_latency_add(&l, INT64_MAX, 3);
	cr_expect_eq(ab_latency_ns(&l, 500), INT64_MAX);
	cr_expect_eq(ab_latency_ns(&l, 250), 0);
}

Test(loadgen_report, without_a_sample_there_is_no_latency)
{
	l = (struct ab_latency){0};
	cr_expect_eq(ab_latency_ns(&l, 990), 0);
}

static char text[8192];

static const char *printed(void (*print)(FILE *, const struct ab_report *), const struct ab_report *r)
{
	FILE *to = fmemopen(text, sizeof text, "w");
	print(to, r);
	fclose(to);
	return text;
}

Test(loadgen_report, what_was_sent_without_an_answer_is_said)
{
	static struct ab_report r = {.rows_sent = 1250000, .acked = {1234567, 0, 0}, .row_gone = 33, .ended = "failed",
		.rows_planned = 2000000, .elapsed_ns = 1000000000, .rate_planned = 5, .connections = 1};
	printed(ab_report_text, &r);
	cr_expect_not_null(strstr(text, "1,234,567\n"), "%s", text);
	cr_expect_not_null(strstr(text, "sent, outcome unknown         15,400\n"), "%s", text);
	cr_expect_not_null(strstr(text, "planned, not sent            750,000\n"), "%s", text);
	cr_expect_not_null(strstr(text, "row was gone                      33\n"), "%s", text);
}

Test(loadgen_report, json_says_null_where_there_was_no_plan)
{
	static struct ab_report r = {.rows_sent = 3, .acked = {1, 1, 1}, .ended = "complete",
		.rows_planned = AB_PLAN_ENDLESS, .elapsed_ns = 1500000000};
	printed(ab_report_json, &r);
	cr_expect_not_null(strstr(text, "\"planned\": null"), "%s", text);
	cr_expect_not_null(strstr(text, "\"late_ms\": null"), "%s", text);
	cr_expect_not_null(strstr(text, "\"acked\": 3, "), "%s", text);
	cr_expect_not_null(strstr(text, "\"rate\": 2.000}\n"), "%s", text);
}

Test(loadgen_report, the_share_of_late_rows_is_of_rows_sent)
{
	static struct ab_report r = {.rows_sent = 400, .rows_late = 100, .acked = {400, 0, 0}, .ended = "complete",
		.rate_planned = 100, .rows_planned = 400, .elapsed_ns = 1};
	printed(ab_report_json, &r);
	cr_expect_not_null(strstr(text, "\"late_share\": 0.250000"), "%s", text);
}
