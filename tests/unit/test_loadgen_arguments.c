/* tests/unit/test_loadgen_arguments.c — the command line: what is taken, and what is refused in words. */
#include <criterion/criterion.h>
#include <string.h>

#include "loadgen/arguments.h"

static struct ab_arguments a;
static struct ab_problems p;

/* words: separated by single spaces. */
static enum ab_arguments_result read_line(const char *words)
{
	static char text[512];
	char *argv[128] = {"anabranch-loadgen"};
	int argc = 1;
	snprintf(text, sizeof text, "%s", words);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	p = (struct ab_problems){0};
	return ab_arguments_read(&a, argc, argv, &p);
}

Test(loadgen_arguments, without_options_the_settings_decide_the_pace)
{
	cr_expect_eq(read_line("run"), AB_ARGUMENTS_OK);
	cr_expect_eq(a.pace, AB_PACE_SETTINGS);
	cr_expect_eq(a.count, AB_PLAN_ENDLESS);
	cr_expect_eq(a.duration_ms, -1);
	cr_expect_eq(a.seed, 1);
	cr_expect_eq(a.percent[AB_MIX_CREATE], 100);
	cr_expect_null(a.env_file);
}

Test(loadgen_arguments, every_option_is_taken)
{
	cr_assert_eq(read_line("run -e my.env -s A=1 --set B=2 --rate 20k/s --count 200k --duration 1.5 --seed 7 "
			       "--seed-contents 10 --mix 90:8:2 --event-ts 2026-01-31T12:00:00Z,1000 --connections 8 "
			       "--format json --quiet"),
		AB_ARGUMENTS_OK, "%s", p.text);
	cr_expect_str_eq(a.env_file, "my.env");
	cr_expect_eq(a.pairs_count, 2);
	cr_expect_str_eq(a.pairs[1], "B=2");
	cr_expect_eq(a.pace, AB_PACE_RATE);
	cr_expect_eq(a.rate_milli, 20000000);
	cr_expect_eq(a.count, 200000);
	cr_expect_eq(a.duration_ms, 1500);
	cr_expect_eq(a.seed, 7);
	cr_expect_eq(a.seed_contents, 10);
	cr_expect(a.percent[0] == 90 && a.percent[1] == 8 && a.percent[2] == 2);
	cr_expect(a.event_ts_fixed && a.event_ts_us == INT64_C(1769860800000000) && a.event_ts_step_us == 1000);
	cr_expect_eq(a.connections, 8);
	cr_expect_eq(a.format, AB_FORMAT_JSON);
	cr_expect(a.quiet);
}

Test(loadgen_arguments, max_is_a_rate_without_pace)
{
	cr_expect_eq(read_line("run --rate max"), AB_ARGUMENTS_OK);
	cr_expect_eq(a.pace, AB_PACE_UNPACED);
}

Test(loadgen_arguments, an_unknown_option_names_the_nearest)
{
	cr_expect_eq(read_line("run --sede 4"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "there is no option --sede; did you mean --seed?"), "%s", p.text);
	cr_expect_eq(read_line("run --connection=4x --durations=4"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "--durations=4; did you mean --duration?"), "%s", p.text);
	cr_expect_eq(read_line("run --zzzzzz"), AB_ARGUMENTS_WRONG);
	cr_expect_null(strstr(p.text, "did you mean"), "%s", p.text);
	cr_expect_eq(read_line("run -x"), AB_ARGUMENTS_WRONG);
}

Test(loadgen_arguments, all_that_is_wrong_is_said_at_once)
{
	cr_expect_eq(read_line("run --rate fast --mix 1:2:3 --count x --format xml --event-ts noon --connections 65"),
		AB_ARGUMENTS_WRONG);
	cr_expect_eq(p.count, 6, "%s", p.text);
}

Test(loadgen_arguments, what_is_no_number_of_its_kind_is_refused)
{
	static const char *const wrong[] = {"--rate 0", "--rate 11M", "--rate 5/m", "--rate -1", "--mix 100:0",
		"--mix 50:50:0:", "--mix 100:0:0x", "--mix -1:1:100",
		"--mix 101:0:0", "--duration -1", "--duration 1h", "--connections 0",
		"--seed-contents 0", "--seed-contents 100000001", "--count -1", "--event-ts 2026-01-31T12:00:00Z,",
		"--event-ts 2026-01-31", "--rate", "--count", "extra"};
	for (size_t i = 0; i < AB_COUNT(wrong); i++) {
		char line[128];
		snprintf(line, sizeof line, "run %s", wrong[i]);
		cr_expect_eq(read_line(line), AB_ARGUMENTS_WRONG, "%s was taken", wrong[i]);
		cr_expect_eq(p.count, 1, "%s: %s", wrong[i], p.text);
	}
}

Test(loadgen_arguments, the_command_is_run_and_help_needs_none)
{
	cr_expect_eq(read_line(""), AB_ARGUMENTS_WRONG);
	cr_expect_eq(read_line("rum --count 1"), AB_ARGUMENTS_WRONG);
	cr_expect_eq(read_line("--help"), AB_ARGUMENTS_HELP);
	cr_expect_eq(read_line("run --help"), AB_ARGUMENTS_HELP);
	cr_expect_eq(read_line("--version"), AB_ARGUMENTS_VERSION);
	cr_expect_eq(read_line("run --count 1 --version"), AB_ARGUMENTS_VERSION);
}

Test(loadgen_arguments, more_settings_than_there_are_keys_are_refused_not_dropped)
{
	char line[512] = "run";
	for (int i = 0; i < AB_ARGUMENT_PAIRS_MAX; i++)
		strcat(line, " -s A=1");
	cr_expect_eq(read_line(line), AB_ARGUMENTS_OK);
	strcat(line, " -s A=1");
	cr_expect_eq(read_line(line), AB_ARGUMENTS_WRONG);
}

Test(loadgen_arguments, kafka_has_options_of_its_own)
{
	cr_assert_eq(read_line("run --target kafka --shape envelope --poison 0.001 --first-id 7 --transaction 500 "
			       "--skew zipf:1.1 --payload-bytes 600 --count 10 --event-ts now,1000"),
		AB_ARGUMENTS_OK, "%s", p.text);
	cr_expect_eq(a.target, AB_TO_KAFKA);
	cr_expect_eq(a.shape, AB_SHAPE_ENVELOPE);
	cr_expect_eq(a.poison_ppm, 1000);
	cr_expect_eq(a.first_id, 7);
	cr_expect_eq(a.transaction_records, 500);
	cr_expect_eq(a.skew_milli, 1100);
	cr_expect_eq(a.payload_bytes, 600);
	cr_expect(a.event_ts_fixed && a.event_ts_until_now);
	cr_expect_eq(read_line("run --poison 0.1"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "need --target kafka"), "%s", p.text);
	cr_expect_eq(read_line("run --event-ts now"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "needs --count"), "%s", p.text);
}

Test(loadgen_arguments, a_stress_test_has_the_stages_of_old_or_those_it_is_given)
{
	cr_assert_eq(read_line("stress"), AB_ARGUMENTS_OK, "%s", p.text);
	cr_expect_eq(a.command, AB_COMMAND_STRESS);
	cr_expect_eq(a.stages.count, 5);
	cr_assert_eq(read_line("stress --stage A:1s:1:1s --stage B:1s:2:1s --threshold freshness.p99<5s@B --marks 20 "
			       "--drain-max 2m --out x --baseline y --no-verify"),
		AB_ARGUMENTS_OK, "%s", p.text);
	cr_expect_eq(a.stages.count, 2);
	cr_expect_eq(a.threshold_count, 1);
	cr_expect_eq(a.marks_per_second, 20);
	cr_expect_eq(a.drain_max_ms, 120000);
	cr_expect_eq(read_line("stress --threshold freshness.p99<5s@B"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "there is no stage B"), "%s", p.text);
	cr_expect_eq(read_line("stress --mode search"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "needs a --threshold"), "%s", p.text);
}

Test(loadgen_arguments, a_search_takes_only_thresholds_that_can_hold_in_it)
{
	cr_expect_eq(read_line("stress --mode search --threshold freshness.p99<5s --threshold drain<60s"), AB_ARGUMENTS_OK, "%s",
		p.text);
	cr_expect_eq(read_line("stress --mode search --threshold freshness.p99<5s@Low"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "leave @Low out"), "%s", p.text);
	cr_expect_eq(read_line("stress --mode search --threshold lost==0"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "without the verifier"), "%s", p.text);
}

Test(loadgen_arguments, an_option_of_another_command_is_said_to_be_one)
{
	cr_expect_eq(read_line("run --stage A:1s:1:1s"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "--stage does not belong to run"), "%s", p.text);
	cr_expect_eq(read_line("ceiling --rate 5"), AB_ARGUMENTS_WRONG);
	cr_expect_not_null(strstr(p.text, "--rate does not belong to ceiling"), "%s", p.text);
}
