/* tests/unit/test_loadgen_report.c — the summary adds up. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/report.h"

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
