/* tests/unit/test_config_env.c — which lines of an .env file are read, and which are refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/config_env.h"

static struct ab_env_pair only(const char *text, enum ab_env_next expected)
{
	struct ab_env_reader reader = ab_env_begin(text, strlen(text));
	struct ab_env_pair pair = {0};

	cr_assert_eq(ab_env_next(&reader, &pair), expected, "%s", text);
	return pair;
}

static void reads(const char *line, const char *value)
{
	struct ab_env_pair pair = only(line, AB_ENV_PAIR);

	cr_expect_eq(pair.key.len, 1u, "%s", line);
	cr_expect_eq(pair.value.len, strlen(value), "%s", line);
	cr_expect_eq(memcmp(pair.value.at, value, strlen(value)), 0, "%s", line);
}

static void refuses(const char *line, const char *words)
{
	struct ab_env_pair pair = only(line, AB_ENV_ERROR);

	cr_expect_not_null(strstr(pair.error, words), "%s: %s", line, pair.error);
}

Test(config_env, reads_what_all_readers_read_alike)
{
	reads("K=v", "v");
	reads("K=", "");
	reads("K=''", "");
	reads("K=\"\"", "");
	reads("K=a=b", "a=b");
	reads("K=v  \t", "v");
	reads("K=a#b", "a#b");
	reads("K=host:9092,other:9092", "host:9092,other:9092");
	reads("K='two words'", "two words");
	reads("K=\"two words\"", "two words");
	reads("K='$a`b\"#'", "$a`b\"#");
	reads("K=\"it's\"", "it's");
	reads("K=gr\xc3\xbc\xc3\x9f""e", "gr\xc3\xbc\xc3\x9f""e");
}

Test(config_env, refuses_what_they_read_differently)
{
	refuses("export K=v", "export");
	refuses("K=v # why", "comment");
	refuses("K=v w", "blanks");
	refuses("K =v", "before =");
	refuses("K= v", "behind =");
	refuses(" K=v", "first column");
	refuses("K=${HOME}", "$");
	refuses("K=\"$HOME\"", "$");
	refuses("K=`id`", "single quotes");
	refuses("K=a;b", "single quotes");
	refuses("K=#v", "single quotes");
	refuses("K=~/x", "single quotes");
	refuses("K=a:~/x", "single quotes");
	refuses("K=v\\", "backslash");
	refuses("K='a\\b'", "backslash");
	refuses("K='v", "closing quote");
	refuses("K='v' # why", "behind the closing quote");
	refuses("K='a'b'", "behind the closing quote");
	refuses("; comment", "#");
	refuses("K", "no =");
	refuses("=v", "no key");
	refuses("1K=v", "no key");
	refuses("K-B=v", "no key");
	refuses("\xef\xbb\xbfK=v", "byte order mark");
}

Test(config_env, refuses_bytes_that_are_no_text)
{
	refuses("K=a\x01", "control");
	refuses("K='a\x1b[31m'", "control");
	refuses("K=\xff", "UTF-8");
	refuses("K=\xc0\xaf", "UTF-8");		/* overlong */
	refuses("K=\xed\xa0\x80", "UTF-8");	/* half a surrogate pair */
	refuses("K=\xc2\x85", "control");
	refuses("K=\xe2\x82", "UTF-8");		/* cut */
}

Test(config_env, counts_lines_and_passes_over_comments)
{
	const char text[] = "# one\n\n  # three\nA=1\nB\nC=3";
	struct ab_env_reader reader = ab_env_begin(text, strlen(text));
	struct ab_env_pair pair;

	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_PAIR);
	cr_expect_eq(pair.line, 4);
	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_ERROR);
	cr_expect_eq(pair.line, 5);
	cr_expect_eq(pair.key.len, 1u, "the key is named though its line is refused");
	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_PAIR);
	cr_expect_eq(pair.line, 6);
	cr_expect_eq(pair.value.len, 1u);
	cr_expect_eq(ab_env_next(&reader, &pair), AB_ENV_END);
}

Test(config_env, says_once_that_a_file_has_carriage_returns)
{
	const char text[] = "A=1\r\nB=2\r\n\r\nC=3\r\n";
	struct ab_env_reader reader = ab_env_begin(text, strlen(text));
	struct ab_env_pair pair;

	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_ERROR);
	cr_expect_not_null(strstr(pair.error, "carriage return"));
	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_PAIR);
	cr_expect_eq(pair.value.len, 1u);
	cr_assert_eq(ab_env_next(&reader, &pair), AB_ENV_PAIR);
	cr_expect_eq(ab_env_next(&reader, &pair), AB_ENV_END);
}
