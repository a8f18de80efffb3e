/* tests/unit/test_token.c */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "core/token.h"

static struct ab_text token(const char *text)
{
	return (struct ab_text){text, (uint32_t)strlen(text)};
}

Test(token, takes_every_escape_of_json_and_no_other)
{
	const char *const good[] = {
	    "\"\"",
	    "\"plain\"",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	    "\"\\u0041\\u00e9\\uFFFF\"",
	    "\"\\ud83d\\ude00\"",
	    "\"\\u0000\"",
	    "\"\\\\u12\"",
	};
	const char *const bad[] = {
	    "\"\\x\"",
	    "\"\\'\"",
	    "\"\\0\"",
	    "\"\\u12\"",
	    "\"\\u123g\"",
	    "\"\\ud83d\"",
	    "\"\\ud83dx\"",
	    "\"\\ude00\"",
	    "\"\\ud83d\\u0041\"",
	    "\"\\ud83d\\n\"",
	    "\"\\ud83d\\ud83d\"",
	    "\"\\uD83D\\u12\"",
	    "\"ok then \\a\"",
	    "\"\\\"",
	};
	for (size_t i = 0; i < AB_COUNT(good); i++)
		cr_expect(ab_token_escapes_valid(token(good[i])), "%s", good[i]);
	for (size_t i = 0; i < AB_COUNT(bad); i++)
		cr_expect_not(ab_token_escapes_valid(token(bad[i])), "%s", bad[i]);
}

Test(token, takes_numbers_as_json_writes_them)
{
	const char *const good[] = {
	    "0", "-0", "12", "-12", "0.5", "1e5", "1E+5", "1.25e-7", "123456789012345678901234567890"};
	const char *const bad[] = {"",   "-",   "+1", "01",  "-01", "1.", ".5",
				   "1e", "1e+", "1x", "0x1", "NaN", "1 ", "1.5.5"};
	for (size_t i = 0; i < AB_COUNT(good); i++)
		cr_expect(ab_token_number_valid(token(good[i])), "%s", good[i]);
	for (size_t i = 0; i < AB_COUNT(bad); i++)
		cr_expect_not(ab_token_number_valid(token(bad[i])), "%s", bad[i]);
}

Test(token, reads_every_integer_of_64_bits)
{
	const struct {
		const char *text;
		int64_t value;
	} cases[] = {
	    {"0", 0},
	    {"-0", 0},
	    {"7", 7},
	    {"-7", -7},
	    {"9223372036854775807", INT64_MAX},
	    {"-9223372036854775808", INT64_MIN},
	};
	for (size_t i = 0; i < AB_COUNT(cases); i++) {
		int64_t value = 99;
		cr_expect_eq(ab_token_i64(token(cases[i].text), INT64_MIN, INT64_MAX, &value), AB_TOKEN_OK);
		cr_expect_eq(value, cases[i].value, "%s: %" PRId64, cases[i].text, value);
	}
}

Test(token, tells_a_large_integer_from_something_else)
{
	const char *const large[] = {"9223372036854775808", "-9223372036854775809", "99999999999999999999999", "11",
				     "-11"};
	const char *const other[] = {"1.0", "1e3", "01", "-", "\"5\"", "true", "null", "{", "", "5 "};
	int64_t value;
	for (size_t i = 0; i < AB_COUNT(large); i++)
		cr_expect_eq(ab_token_i64(token(large[i]), -10, 10, &value), AB_TOKEN_OUT_OF_RANGE, "%s", large[i]);
	for (size_t i = 0; i < AB_COUNT(other); i++)
		cr_expect_eq(ab_token_i64(token(other[i]), -10, 10, &value), AB_TOKEN_WRONG_TYPE, "%s", other[i]);
	cr_expect_eq(ab_token_i64(token("10"), -10, 10, &value), AB_TOKEN_OK);
}

Test(token, unescapes_to_utf8)
{
	const char text[] = "\"a\\\"\\\\\\n\\u0041\\u00e9\\u20ac\\ud83d\\ude00\xc3\xa9z\"";
	const char bytes[] = "a\"\\\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9z";
	char to[64];
	size_t len = 0;
	cr_assert_eq(ab_token_unescape(token(text), to, sizeof to, &len), AB_TOKEN_OK);
	cr_expect_eq(len, sizeof bytes - 1);
	cr_expect_arr_eq(to, bytes, sizeof bytes - 1);
}

Test(token, stops_unescaping_at_the_end_of_the_room)
{
	char to[8] = "-------";
	size_t len = 0;
	cr_expect_eq(ab_token_unescape(token("\"abcd\""), to, 4, &len), AB_TOKEN_OK);
	cr_expect_eq(len, 4);
	cr_expect_eq(ab_token_unescape(token("\"abcde\""), to, 4, &len), AB_TOKEN_OUT_OF_RANGE);
	cr_expect_eq(ab_token_unescape(token("\"abc\\u00e9\""), to, 4, &len), AB_TOKEN_OUT_OF_RANGE);
	cr_expect_eq(to[4], '-');
	cr_expect_eq(ab_token_unescape(token("12"), to, 4, &len), AB_TOKEN_WRONG_TYPE);
}
