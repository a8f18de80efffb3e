/* tests/unit/test_cli.c — what was typed, and what is said about what cannot be. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/cli.h"

#define ARGUMENTS(...) ((char *[]){"anabranch", __VA_ARGS__, NULL})
#define PARSE(cli, ...) ab_cli_parse(cli, (int)AB_COUNT(ARGUMENTS(__VA_ARGS__)) - 1, ARGUMENTS(__VA_ARGS__))

#define REFUSED(words, ...)                                                                      \
	do {                                                                                     \
		struct ab_cli refused;                                                           \
		cr_expect_eq(PARSE(&refused, __VA_ARGS__), AB_CLI_USAGE, "%s", #__VA_ARGS__);    \
		cr_expect_not_null(strstr(refused.error, words), "%s", refused.error);           \
	} while (0)

Test(cli, nothing_typed_is_no_command)
{
	struct ab_cli cli;
	char *arguments[] = {"anabranch", NULL};

	cr_expect_eq(ab_cli_parse(&cli, 1, arguments), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_NONE);
}

Test(cli, takes_file_and_settings_in_order)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "run", "-e", "my.env", "-s", "A=1", "--set=B=2"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_RUN);
	cr_expect_str_eq(cli.env_file, "my.env");
	cr_assert_eq(cli.set_count, 2);
	cr_expect_str_eq(cli.set[0], "A=1");
	cr_expect_str_eq(cli.set[1], "B=2");
}

Test(cli, the_second_call_begins_anew)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "run", "-e", "one"), AB_CLI_OK);
	REFUSED("no option -x", "run", "-xyz");
	cr_assert_eq(PARSE(&cli, "check", "--format", "json"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_CHECK);
	cr_expect_null(cli.env_file);
	cr_expect_eq(cli.format, AB_CLI_JSON);
}

Test(cli, config_prints_or_documents)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "config", "--show-origin"), AB_CLI_OK);
	cr_expect_eq(cli.format, AB_CLI_ENV);
	cr_expect(cli.show_origin);
	cr_assert_eq(PARSE(&cli, "config", "--doc", "markdown"), AB_CLI_OK);
	cr_expect_eq(cli.doc, AB_CLI_DOC_MARKDOWN);
	REFUSED("markdown or env", "config", "--doc", "html");
	REFUSED("env or json", "config", "--format", "text");
	REFUSED("text or json", "check", "--format", "env");
}

Test(cli, init_begins_where_it_is_told)
{
	struct ab_cli cli;
	static const char *const good[] = {"earliest", "latest", "group:flink-datastream-processor", "2026-01-31T12:00:00Z",
					   "1767225600000"};

	for (size_t i = 0; i < AB_COUNT(good); i++) {
		cr_assert_eq(PARSE(&cli, "init", "-y", "--from", (char *)good[i]), AB_CLI_OK, "%s: %s", good[i], cli.error);
		cr_expect_str_eq(cli.from, good[i]);
		cr_expect(cli.yes);
	}
	REFUSED("did you mean earliest", "init", "--from", "earliset");
	REFUSED("group:NAME", "init", "--from", "group:");
	REFUSED("want earliest", "init", "--from", "yesterday");
	REFUSED("want earliest", "init", "--from", "2026-13-01T00:00:00Z");
	REFUSED("want earliest", "init", "--from", "0");
	REFUSED("want earliest", "init", "--from", "");
}

Test(cli, names_the_nearest_word)
{
	REFUSED("did you mean check", "chekc");
	REFUSED("there are run", "deliver");
	REFUSED("did you mean --show-origin", "config", "--show-orign");
	REFUSED("did you mean --env-file", "run", "--envfile", "x");
	REFUSED("did you mean exit-codes", "help", "exit-code");
}

Test(cli, refuses_what_does_not_belong)
{
	REFUSED("a command comes first", "-e", "my.env");
	REFUSED("a command comes first", "--env-file", "my.env");
	REFUSED("does not belong", "run", "--from", "earliest");
	REFUSED("does not belong", "run", "-y");
	REFUSED("one word too many", "run", "now");
	REFUSED("one word too many", "help", "run", "check");
	REFUSED("no option -x", "run", "-x");
	REFUSED("needs a value", "run", "-e");
	REFUSED("needs a value", "run", "--env-file");
	REFUSED("takes no value", "init", "--yes=1");
	REFUSED("given twice", "run", "-e", "a", "-e", "b");
	REFUSED("KEY=VALUE", "run", "-s", "REDIS_PORT");
	REFUSED("KEY=VALUE", "run", "-s", "=1");
}

Test(cli, refuses_more_settings_than_it_holds)
{
	char *arguments[2 + 2 * (AB_CLI_SET_MAX + 1) + 1] = {"anabranch", "run"};
	struct ab_cli cli;
	int count = 2;

	for (int i = 0; i <= AB_CLI_SET_MAX; i++) {
		arguments[count++] = "-s";
		arguments[count++] = "A=1";
	}
	cr_expect_eq(ab_cli_parse(&cli, count, arguments), AB_CLI_USAGE);
	cr_expect_eq(ab_cli_parse(&cli, count - 2, arguments), AB_CLI_OK);
	cr_expect_eq(cli.set_count, AB_CLI_SET_MAX);
}

Test(cli, help_and_version_win_over_the_rest)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "init", "--help"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_HELP);
	cr_expect_str_eq(cli.topic, "init");
	cr_assert_eq(PARSE(&cli, "-h"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_HELP);
	cr_expect_null(cli.topic);
	cr_assert_eq(PARSE(&cli, "--version"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_VERSION);
	cr_assert_eq(PARSE(&cli, "help", "exit-codes"), AB_CLI_OK);
	cr_expect_str_eq(cli.topic, "exit-codes");
}

Test(cli, every_topic_has_a_page)
{
	for (size_t i = 0; i < ab_cli_topic_count; i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *to = open_memstream(&text, &len);
		cr_expect(ab_cli_help(ab_cli_topics[i], to), "%s", ab_cli_topics[i]);
		fclose(to);
		cr_expect_gt(len, 100u, "%s", ab_cli_topics[i]);
		free(text);
	}
	cr_expect_not(ab_cli_help("nothing", stderr));
}

Test(cli, verify_takes_sinks_a_time_and_a_number)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "verify", "--sink", "redis,postgres", "--since", "1767225600000", "--examples", "9", "--format",
			   "json"),
		     AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_VERIFY);
	cr_expect_str_eq(cli.sink, "redis,postgres");
	cr_expect_eq(cli.examples, 9);
	cr_expect_eq(cli.format, AB_CLI_JSON);
	cr_assert_eq(PARSE(&cli, "verify"), AB_CLI_OK);
	cr_expect_eq(cli.examples, -1);
	REFUSED("from 0 to 100", "verify", "--examples", "many");
	REFUSED("does not belong", "run", "--since", "1");
}

Test(cli, dlq_needs_a_word)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "dlq", "list", "--sink", "bigquery", "--format", "json"), AB_CLI_OK);
	cr_expect_eq(cli.verb, AB_CLI_DLQ_LIST);
	cr_assert_eq(PARSE(&cli, "dlq", "show", "3", "--raw"), AB_CLI_OK);
	cr_expect(cli.verb == AB_CLI_DLQ_SHOW && cli.group == 3 && cli.raw);
	cr_assert_eq(PARSE(&cli, "dlq", "show", "--partition", "1", "--offset", "77"), AB_CLI_OK);
	cr_expect(cli.partition == 1 && cli.offset == 77);
	cr_assert_eq(PARSE(&cli, "dlq", "replay", "--sink", "elasticsearch"), AB_CLI_OK);
	cr_expect_eq(cli.verb, AB_CLI_DLQ_REPLAY);
	cr_assert_eq(PARSE(&cli, "dlq", "--help"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_HELP);
	cr_expect_str_eq(cli.topic, "dlq");
	cr_assert_eq(PARSE(&cli, "dlq", "list", "--help"), AB_CLI_OK);
	cr_expect_str_eq(cli.topic, "dlq");
	REFUSED("list, show or replay", "dlq");
	REFUSED("did you mean replay", "dlq", "relpay");
	REFUSED("a number of dlq list", "dlq", "show");
	REFUSED("a number of dlq list", "dlq", "show", "all");
	REFUSED("one word too many", "dlq", "list", "3");
	REFUSED("belong to dlq show", "dlq", "list", "--raw");
	REFUSED("belongs to dlq list", "dlq", "show", "1", "--format", "json");
}

Test(cli, replay_takes_a_range)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "replay", "--sink", "bigquery", "--from", "0:5,1:7", "--to", "2026-01-31T12:00:00Z"), AB_CLI_OK);
	cr_expect_eq(cli.command, AB_CLI_REPLAY);
	cr_expect_str_eq(cli.from, "0:5,1:7");
	cr_expect_str_eq(cli.to, "2026-01-31T12:00:00Z");
	REFUSED("does not belong", "init", "--to", "x");
}

Test(cli, tap_takes_a_sink_and_a_limit)
{
	struct ab_cli cli;

	cr_assert_eq(PARSE(&cli, "tap"), AB_CLI_OK);
	cr_expect(cli.command == AB_CLI_TAP && cli.sink == NULL && cli.limit == 0 && !cli.raw && cli.format == AB_CLI_TEXT);
	cr_assert_eq(PARSE(&cli, "tap", "elasticsearch", "--limit", "12", "--raw", "--format", "json"), AB_CLI_OK);
	cr_expect_str_eq(cli.sink, "elasticsearch");
	cr_expect(cli.limit == 12 && cli.raw && cli.format == AB_CLI_JSON);
	REFUSED("from 1 on", "tap", "--limit", "0");
	REFUSED("from 1 on", "tap", "--limit", "many");
	REFUSED("want redis", "tap", "a b");
	REFUSED("one word too many", "tap", "redis", "bigquery");
	REFUSED("does not belong", "run", "--limit", "1");
}
