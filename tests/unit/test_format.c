/* tests/unit/test_format.c */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/format.h"

static const char *ended(char *buffer, size_t len)
{
	cr_assert_leq(len, AB_FORMAT_MAX_BYTES);
	buffer[len] = '\0';
	return buffer;
}

#define TEXT(call) ended(to, call)

Test(format, writes_every_integer_from_the_smallest_to_the_largest)
{
	char to[64], expected[64];
	const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, -100, 123456789, INT64_MAX, INT64_MIN, INT64_MIN + 1};
	for (size_t i = 0; i < AB_COUNT(values); i++) {
		snprintf(expected, sizeof expected, "%" PRId64, values[i]);
		cr_expect_str_eq(TEXT(ab_format_i64(to, values[i])), expected);
	}
}

Test(format, writes_hundredths_with_exactly_two_decimals)
{
	char to[64];
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, 1234)), "12.34");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, 0)), "0.00");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, 5)), "0.05");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, -5)), "-0.05");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, -100)), "-1.00");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, INT64_MAX)), "92233720368547758.07");
	cr_expect_str_eq(TEXT(ab_format_hundredths(to, INT64_MIN)), "-92233720368547758.08");
}

Test(format, writes_times_in_all_three_forms)
{
	char to[64];
	const int64_t us = INT64_C(1795475952353824); /* 2026-11-23T23:19:12.353824Z */
	cr_expect_str_eq(TEXT(ab_format_minute(to, us / 60000000)), "202611232319");
	cr_expect_str_eq(TEXT(ab_format_datetime(to, us)), "2026-11-23 23:19:12");
	cr_expect_str_eq(TEXT(ab_format_iso(to, us)), "2026-11-23T23:19:12.353824Z");
}

Test(format, puts_a_time_before_1970_into_its_own_second_minute_and_day)
{
	char to[64];
	cr_expect_str_eq(TEXT(ab_format_iso(to, -1)), "1969-12-31T23:59:59.999999Z");
	cr_expect_str_eq(TEXT(ab_format_minute(to, -1)), "196912312359");
}

Test(format, writes_the_first_and_the_last_time_there_is)
{
	char to[64];
	cr_expect_str_eq(TEXT(ab_format_iso(to, AB_TIME_MIN_US)), "0001-01-01T00:00:00.000000Z");
	cr_expect_str_eq(TEXT(ab_format_iso(to, AB_TIME_MAX_US)), "9999-12-31T23:59:59.999999Z");
	cr_expect_str_eq(TEXT(ab_format_minute(to, -62135596800 / 60)), "000101010000");
	cr_expect_str_eq(TEXT(ab_format_minute(to, AB_TIME_MAX_US / 60000000)), "999912312359");
}

Test(format, agrees_with_the_c_library_on_every_day_of_ten_thousand_years)
{
	char to[64], expected[64];
	for (int64_t us = AB_TIME_MIN_US; us <= AB_TIME_MAX_US; us += INT64_C(86400000000)) {
		time_t seconds = us / 1000000;
		struct tm tm;
		gmtime_r(&seconds, &tm);
		snprintf(expected, sizeof expected, "%04d-%02d-%02d 00:00:00", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		to[ab_format_datetime(to, us)] = '\0';
		cr_assert(strcmp(to, expected) == 0, "%" PRId64 ": %s is not %s", us, to, expected);
	}
}

Test(format, reads_back_what_it_wrote)
{
	char to[64];
	uint64_t random = 42;
	for (int i = 0; i < 200000; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		int64_t us = AB_TIME_MIN_US + (int64_t)((random >> 1) % (uint64_t)(AB_TIME_MAX_US - AB_TIME_MIN_US)),
			back;
		size_t len = ab_format_iso(to, us);
		cr_assert_eq(ab_time_parse(to, len, &back), AB_TIME_OK);
		cr_assert_eq(back, us);
	}
}

static enum ab_time_result parse(const char *text, int64_t *us)
{
	return ab_time_parse(text, strlen(text), us);
}

Test(time, takes_any_fraction_and_any_offset)
{
	const struct {
		const char *text;
		int64_t us;
	} cases[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01T00:00:00", 0},
	    {"1970-01-01 00:00:00+00", 0},
	    {"1970-01-01T00:00:00.1Z", 100000},
	    {"1970-01-01T00:00:00.12Z", 120000},
	    {"1970-01-01T00:00:00.123Z", 123000},
	    {"1970-01-01T00:00:00.1234Z", 123400},
	    {"1970-01-01T00:00:00.12345Z", 123450},
	    {"1970-01-01T00:00:00.012345Z", 12345},
	    {"1970-01-01T00:00:00.123456Z", 123456},
	    {"1970-01-01T00:00:00.1234567Z", 123456},
	    {"1970-01-01T00:00:00.12", 120000},
	    {"1970-01-01T00:00:00.123456789Z", 123456},
	    {"1970-01-01T02:00:00+02:00", 0},
	    {"1969-12-31T18:30:00-05:30", 0},
	    {"1970-01-01T00:00:00+00:00:01", -1000000},
	    {"2024-02-29T12:00:00Z", INT64_C(1709208000000000)},
	    {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
	    {"0001-01-01T00:00:00Z", AB_TIME_MIN_US},
	    {"9999-12-31T23:59:59.999999Z", AB_TIME_MAX_US},
	};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		int64_t us = -7;
		cr_expect_eq(parse(cases[i].text, &us), AB_TIME_OK, "%s", cases[i].text);
		cr_expect_eq(us, cases[i].us, "%s: %" PRId64, cases[i].text, us);
	}
}

Test(time, refuses_what_is_no_time)
{
	const char *const texts[] = {
	    "",
	    "now",
	    "1970-01-01",
	    "1970-01-01T00:00Z",
	    "1970-01-01T00:00:00.Z",
	    "1970-01-01T00:00:00.1234567890Z",
	    "1970-01-01T00:00:00.xZ",
	    "1970-01-01T00:00:00.1xZ",
	    "1970-01-01T00:00:00.12345/Z",
	    "1970-01-01T00:00:00x123Z",
	    "1970-01-01T00:00:00.12z",
	    "1970-01-01T00:00:001Z",
	    "1970-13-01T00:00:00Z",
	    "1970-00-01T00:00:00Z",
	    "1970-01-00T00:00:00Z",
	    "1970-01-32T00:00:00Z",
	    "2023-02-29T00:00:00Z",
	    "1900-02-29T00:00:00Z",
	    "1970-01-01T24:00:00Z",
	    "1970-01-01T00:60:00Z",
	    "1970-01-01T00:00:60Z",
	    "1970-01-01T00:00:00z",
	    "1970-01-01T00:00:00Zx",
	    "1970-01-01T00:00:00+2",
	    "1970-01-01T00:00:00+19:00",
	    "1970-01-01T00:00:00+01:60",
	    " 1970-01-01T00:00:00Z",
	    "1970-1-1T00:00:00Z",
	};
	int64_t us;
	for (size_t i = 0; i < AB_COUNT(texts); i++)
		cr_expect_eq(parse(texts[i], &us), AB_TIME_INVALID, "%s", texts[i]);
}

Test(time, tells_a_time_that_has_no_four_digit_year_from_nonsense)
{
	const char *const texts[] = {
	    "+294247-01-10T04:00:54.775807Z", "-0044-03-15T00:00:00Z",     "0000-12-31T00:00:00Z",
	    "0001-01-01T00:00:00+01:00",      "9999-12-31T23:59:59-01:00",
	};
	int64_t us;
	for (size_t i = 0; i < AB_COUNT(texts); i++)
		cr_expect_eq(parse(texts[i], &us), AB_TIME_OUT_OF_RANGE, "%s", texts[i]);
}
