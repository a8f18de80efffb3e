/* loadgen/arguments.c — see arguments.h. */
#include "loadgen/arguments.h"

#include <getopt.h>
#include <string.h>

#include "loadgen/content.h"

/* A month: longer is no longer a plan. */
#define DURATION_MAX_MS (INT64_C(31) * 86400000)

/* A year between two events. */
#define STEP_MAX_US (UINT64_C(366) * 86400000000)

/* A drain that takes longer than an hour is an outage. */
#define DRAIN_MAX_MS INT64_C(3600000)

enum option_value { OPT_RATE = 256, OPT_COUNT, OPT_SEED, OPT_SEED_CONTENTS, OPT_MIX, OPT_DURATION, OPT_CONNECTIONS,
	OPT_QUIET, OPT_FORMAT, OPT_EVENT_TS, OPT_TARGET, OPT_SHAPE, OPT_SKEW, OPT_POISON, OPT_PAYLOAD, OPT_FIRST_ID,
	OPT_TRANSACTION, OPT_STAGE, OPT_STAGES, OPT_THRESHOLD, OPT_MODE, OPT_MARKS, OPT_DRAIN, OPT_OUT, OPT_BASELINE,
	OPT_NO_VERIFY };

/* Which commands know an option. */
#define RUN (1u << AB_COMMAND_RUN)
#define CEILING (1u << AB_COMMAND_CEILING)
#define STRESS (1u << AB_COMMAND_STRESS)
#define ALL (RUN | CEILING | STRESS)

static const struct known_option {
	const char *name;
	int has_value;
	int value;
	unsigned commands;
} OPTIONS[] = {
	{"env-file", required_argument, 'e', ALL},
	{"set", required_argument, 's', ALL},
	{"target", required_argument, OPT_TARGET, ALL},
	{"rate", required_argument, OPT_RATE, RUN},
	{"count", required_argument, OPT_COUNT, RUN},
	{"duration", required_argument, OPT_DURATION, RUN | CEILING},
	{"seed", required_argument, OPT_SEED, ALL},
	{"seed-contents", required_argument, OPT_SEED_CONTENTS, ALL},
	{"mix", required_argument, OPT_MIX, ALL},
	{"skew", required_argument, OPT_SKEW, ALL},
	{"payload-bytes", required_argument, OPT_PAYLOAD, ALL},
	{"event-ts", required_argument, OPT_EVENT_TS, RUN},
	{"connections", required_argument, OPT_CONNECTIONS, ALL},
	{"shape", required_argument, OPT_SHAPE, ALL},
	{"poison", required_argument, OPT_POISON, ALL},
	{"first-id", required_argument, OPT_FIRST_ID, RUN | STRESS},
	{"transaction", required_argument, OPT_TRANSACTION, RUN},
	{"stage", required_argument, OPT_STAGE, STRESS},
	{"stages", required_argument, OPT_STAGES, STRESS},
	{"threshold", required_argument, OPT_THRESHOLD, STRESS},
	{"mode", required_argument, OPT_MODE, STRESS},
	{"marks", required_argument, OPT_MARKS, STRESS},
	{"drain-max", required_argument, OPT_DRAIN, STRESS},
	{"out", required_argument, OPT_OUT, STRESS},
	{"baseline", required_argument, OPT_BASELINE, STRESS},
	{"no-verify", no_argument, OPT_NO_VERIFY, STRESS},
	{"format", required_argument, OPT_FORMAT, RUN | CEILING},
	{"quiet", no_argument, OPT_QUIET, ALL},
	{"help", no_argument, 'h', ALL},
	{"version", no_argument, 'V', ALL},
};

static const struct command {
	const char *name;
	enum ab_command command;
} COMMANDS[] = {{"run", AB_COMMAND_RUN}, {"ceiling", AB_COMMAND_CEILING}, {"stress", AB_COMMAND_STRESS}};

static void read_rate(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	char number[32];
	size_t len = strlen(text);
	a->pace = AB_PACE_RATE;
	if (strcmp(text, "max") == 0) {
		a->pace = AB_PACE_UNPACED;
		return;
	}
	if (len > 2 && strcmp(text + len - 2, "/s") == 0)
		len -= 2;
	if (len < sizeof number) {
		memcpy(number, text, len);
		number[len] = '\0';
		if (ab_text_milli(number, 1, AB_PLAN_RATE_MILLI_MAX, &a->rate_milli) == AB_TEXT_OK)
			return;
	}
	ab_problem(problems, "--rate: want changes per second from 0.001/s to 10M/s, or max, got \"%s\"", text);
}

static void read_mix(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	unsigned c, u, d;
	int end = -1;
	/* No signs and no spaces: only digits and colons reach sscanf(). */
	if (strlen(text) <= 11 && strspn(text, "0123456789:") == strlen(text) &&
		sscanf(text, "%u:%u:%u%n", &c, &u, &d, &end) == 3 && text[end] == '\0' && c <= 100 && u <= 100 && d <= 100 &&
		c + u + d == 100) {
		a->percent[AB_MIX_CREATE] = (uint8_t)c;
		a->percent[AB_MIX_UPDATE] = (uint8_t)u;
		a->percent[AB_MIX_DELETE] = (uint8_t)d;
		return;
	}
	ab_problem(problems, "--mix: want C:U:D, three percentages that make 100, such as 90:8:2, got \"%s\"", text);
}

static void read_event_ts(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	char start[32];
	size_t len = strcspn(text, ",");
	uint64_t step = 0;
	if (len < sizeof start) {
		memcpy(start, text, len);
		start[len] = '\0';
		a->event_ts_until_now = strcmp(start, "now") == 0;
		if ((a->event_ts_until_now || ab_text_time(start, &a->event_ts_us) == AB_TEXT_OK) &&
			(text[len] == '\0' || ab_text_count(text + len + 1, 0, STEP_MAX_US, &step) == AB_TEXT_OK)) {
			a->event_ts_step_us = (int64_t)step;
			a->event_ts_fixed = 1;
			return;
		}
	}
	ab_problem(problems,
		"--event-ts: want a time in UTC or now, and microseconds per event, such as 2026-01-31T12:00:00Z,1000, got \"%s\"",
		text);
}

static void read_count(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value,
	struct ab_problems *problems)
{
	if (ab_text_count(text, min, max, value) != AB_TEXT_OK)
		ab_problem(problems, "--%s: want a number from %llu to %llu, got \"%s\"", option, (unsigned long long)min,
			(unsigned long long)max, text);
}

static void read_format(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	if (strcmp(text, "json") == 0)
		a->format = AB_FORMAT_JSON;
	else if (strcmp(text, "text") != 0)
		ab_problem(problems, "--format: want text or json, got \"%s\"", text);
}

static void read_pair(struct ab_arguments *a, const char *pair, struct ab_problems *problems)
{
	if (a->pairs_count == AB_ARGUMENT_PAIRS_MAX)
		ab_problem(problems, "-s %s: more than %d settings on the command line", pair, AB_ARGUMENT_PAIRS_MAX);
	else
		a->pairs[a->pairs_count++] = pair;
}

static void read_target(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	if (strcmp(text, "kafka") == 0)
		a->target = AB_TO_KAFKA;
	else if (strcmp(text, "postgres") != 0)
		ab_problem(problems, "--target: want postgres or kafka, got \"%s\"", text);
}

static void read_shape(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	a->kafka_only = 1;
	for (int i = 0; i < AB_SHAPES; i++) {
		if (strcmp(text, ab_shape_names[i]) == 0) {
			a->shape = (enum ab_shape)i;
			return;
		}
	}
	ab_problem(problems, "--shape: want unwrapped+schema, unwrapped, envelope+schema or envelope, got \"%s\"", text);
}

static void read_skew(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	if (strcmp(text, "none") == 0)
		a->skew_milli = 0;
	else if (strncmp(text, "zipf:", 5) != 0 ||
		 ab_text_milli(text + 5, 1, AB_ZIPF_MILLI_MAX, &a->skew_milli) != AB_TEXT_OK)
		ab_problem(problems, "--skew: want none or zipf:S with S from 0.001 to 4, such as zipf:1.1, got \"%s\"", text);
}

/* A share from 0 to 1 with at most six decimals. */
static void read_poison(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	char *end;
	double share = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
	a->kafka_only = 1;
	if (share < 0 || *end != '\0' || share > 1)
		ab_problem(problems, "--poison: want a share of the records from 0 to 1, such as 0.001, got \"%s\"", text);
	else
		a->poison_ppm = (uint32_t)(share * 1e6 + 0.5);
}

static void read_stage(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	ab_stages_add(&a->stages, "--stage", text, problems);
}

static void read_threshold(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	if (a->threshold_count == AB_THRESHOLDS_MAX)
		ab_problem(problems, "--threshold %s: more than %d", text, AB_THRESHOLDS_MAX);
	else
		ab_threshold_parse(&a->thresholds[a->threshold_count++], text, problems);
}

static void read_mode(struct ab_arguments *a, const char *text, struct ab_problems *problems)
{
	if (strcmp(text, "search") == 0)
		a->mode = AB_MODE_SEARCH;
	else if (strcmp(text, "stages") != 0)
		ab_problem(problems, "--mode: want stages or search, got \"%s\"", text);
}

static void unknown(const char *given, enum ab_command command, struct ab_problems *problems)
{
	char word[AB_TEXT_WORD_MAX + 1];
	const char *nearest = NULL;
	uint32_t distance = UINT32_MAX;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(given + strspn(given, "-"), "="), given + strspn(given, "-"));
	for (size_t i = 0; i < AB_COUNT(OPTIONS); i++) {
		uint32_t d = ab_text_distance(word, OPTIONS[i].name);
		if (d == 0) {
			ab_problem(problems, "--%s does not belong to %s; anabranch-loadgen --help says to what", word,
				COMMANDS[command].name);
			return;
		}
		if (d < distance && (OPTIONS[i].commands & 1u << command)) {
			distance = d;
			nearest = OPTIONS[i].name;
		}
	}
	if (distance <= 1 + strlen(word) / 3)
		ab_problem(problems, "there is no option %s; did you mean --%s?", given, nearest);
	else
		ab_problem(problems, "there is no option %s; anabranch-loadgen --help lists them", given);
}

static void read_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *value,
	struct ab_problems *problems)
{
	uint64_t number = *value;
	read_count(option, text, min, max, &number, problems);
	*value = (uint32_t)number;
}

static void read_stress_option(struct ab_arguments *a, int option, struct ab_problems *problems)
{
	switch (option) {
	case OPT_STAGE: read_stage(a, optarg, problems); break;
	case OPT_STAGES: ab_stages_file(&a->stages, optarg, problems); break;
	case OPT_THRESHOLD: read_threshold(a, optarg, problems); break;
	case OPT_MODE: read_mode(a, optarg, problems); break;
	case OPT_MARKS: read_u32("marks", optarg, 1, AB_MARKS_PER_SECOND_MAX, &a->marks_per_second, problems); break;
	case OPT_OUT: a->out = optarg; break;
	case OPT_BASELINE: a->baseline = optarg; break;
	case OPT_NO_VERIFY: a->no_verify = 1; break;
	case OPT_DRAIN:
		if (ab_stage_time_ms(optarg, 0, DRAIN_MAX_MS, &a->drain_max_ms) != AB_TEXT_OK)
			ab_problem(problems, "--drain-max: want a time of up to an hour, such as 120s, got \"%s\"", optarg);
		break;
	default: AB_ASSERT(!"every option of OPTIONS has a case");
	}
}

static void read_option(struct ab_arguments *a, int option, struct ab_problems *problems)
{
	switch (option) {
	case 'e': a->env_file = optarg; break;
	case 's': read_pair(a, optarg, problems); break;
	case OPT_TARGET: read_target(a, optarg, problems); break;
	case OPT_RATE: read_rate(a, optarg, problems); break;
	case OPT_MIX: read_mix(a, optarg, problems); break;
	case OPT_SKEW: read_skew(a, optarg, problems); break;
	case OPT_SHAPE: read_shape(a, optarg, problems); break;
	case OPT_POISON: read_poison(a, optarg, problems); break;
	case OPT_PAYLOAD:
		read_u32("payload-bytes", optarg, 1, AB_GEN_PAYLOAD_MAX_BYTES, &a->payload_bytes, problems);
		break;
	case OPT_FIRST_ID:
		a->kafka_only = 1;
		read_count("first-id", optarg, 1, AB_COUNT_MAX, &a->first_id, problems);
		break;
	case OPT_TRANSACTION:
		a->kafka_only = 1;
		read_count("transaction", optarg, 0, AB_COUNT_MAX, &a->transaction_records, problems);
		break;
	case OPT_EVENT_TS: read_event_ts(a, optarg, problems); break;
	case OPT_FORMAT: read_format(a, optarg, problems); break;
	case OPT_QUIET: a->quiet = 1; break;
	case OPT_COUNT: read_count("count", optarg, 0, AB_COUNT_MAX, &a->count, problems); break;
	case OPT_SEED: read_count("seed", optarg, 0, AB_COUNT_MAX, &a->seed, problems); break;
	case OPT_SEED_CONTENTS:
		read_count("seed-contents", optarg, 1, AB_GEN_CONTENTS_MAX, &a->seed_contents, problems);
		break;
	case OPT_CONNECTIONS: read_u32("connections", optarg, 1, AB_CONNECTIONS_MAX, &a->connections, problems); break;
	case OPT_DURATION:
		if (ab_text_milli(optarg, 0, DURATION_MAX_MS, &a->duration_ms) != AB_TEXT_OK)
			ab_problem(problems, "--duration: want seconds from 0 to %lld, got \"%s\"",
				(long long)(DURATION_MAX_MS / 1000), optarg);
		break;
	default: read_stress_option(a, option, problems);
	}
}

/* The word before the options. */
static enum ab_arguments_result read_command(struct ab_arguments *a, int argc, char **argv, struct ab_problems *problems)
{
	if (argc < 2) {
		ab_problem(problems, "want a command: anabranch-loadgen run, stress or ceiling");
		return AB_ARGUMENTS_WRONG;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return AB_ARGUMENTS_HELP;
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)
		return AB_ARGUMENTS_VERSION;
	for (size_t i = 0; i < AB_COUNT(COMMANDS); i++) {
		if (strcmp(argv[1], COMMANDS[i].name) == 0) {
			a->command = COMMANDS[i].command;
			return AB_ARGUMENTS_OK;
		}
	}
	ab_problem(problems, "there is no command %s; there are run, stress and ceiling", argv[1]);
	return AB_ARGUMENTS_WRONG;
}

/* What fits only together. */
static void check(struct ab_arguments *a, struct ab_problems *problems)
{
	if (a->kafka_only && a->target != AB_TO_KAFKA)
		ab_problem(problems, "--shape, --poison, --first-id and --transaction need --target kafka");
	if (a->event_ts_until_now && a->count == AB_PLAN_ENDLESS)
		ab_problem(problems, "--event-ts now needs --count: the last of so many events happens now");
	if (a->stages.count == 0)
		ab_stages_default(&a->stages);
	for (uint32_t i = 0; i < a->threshold_count; i++) {
		const char *name = a->thresholds[i].stage;
		uint32_t s = 0;
		while (s < a->stages.count && strcmp(a->stages.at[s].name, name) != 0)
			s++;
		if (*name != '\0' && s == a->stages.count)
			ab_problem(problems, "--threshold %s: there is no stage %s", a->thresholds[i].text, name);
		if (a->mode == AB_MODE_SEARCH && *name != '\0')
			ab_problem(problems, "--threshold %s: each rate is a test of one stage: leave @%s out", a->thresholds[i].text, name);
		if (a->mode == AB_MODE_SEARCH &&
			(a->thresholds[i].measure == AB_MEASURE_LOST || a->thresholds[i].measure == AB_MEASURE_DUPLICATED))
			ab_problem(problems, "--threshold %s: rates are searched for without the verifier", a->thresholds[i].text);
	}
	if (a->mode == AB_MODE_SEARCH && a->threshold_count == 0)
		ab_problem(problems, "--mode search needs a --threshold to find the highest rate for");
}

static void known_options(struct option *known, enum ab_command command)
{
	size_t count = 0;
	for (size_t i = 0; i < AB_COUNT(OPTIONS); i++)
		if (OPTIONS[i].commands & 1u << command)
			known[count++] = (struct option){OPTIONS[i].name, OPTIONS[i].has_value, NULL, OPTIONS[i].value};
}

enum ab_arguments_result ab_arguments_read(struct ab_arguments *arguments, int argc, char **argv,
	struct ab_problems *problems)
{
	struct option known[AB_COUNT(OPTIONS) + 1] = {{0}};
	*arguments = (struct ab_arguments){.count = AB_PLAN_ENDLESS, .duration_ms = -1, .seed = 1, .percent = {100, 0, 0},
		.connections = 4, .first_id = 1, .marks_per_second = 100, .drain_max_ms = 300000, .out = "stress-report"};
	enum ab_arguments_result command = read_command(arguments, argc, argv, problems);
	if (command != AB_ARGUMENTS_OK)
		return command;
	known_options(known, arguments->command);
	opterr = 0;
	optind = 0; /* glibc: begin anew, so that a test may call this twice */
	int option;
	/* The command takes the place of the program's name. */
	while ((option = getopt_long(argc - 1, argv + 1, "+:e:s:h", known, NULL)) != -1) {
		const char *given = argv[optind]; /* the word just read: argv + 1 counts from the command */
		if (option == 'h')
			return AB_ARGUMENTS_HELP;
		if (option == 'V')
			return AB_ARGUMENTS_VERSION;
		if (option == ':')
			ab_problem(problems, "%s: want a value behind it", given);
		else if (option == '?')
			unknown(given, arguments->command, problems);
		else
			read_option(arguments, option, problems);
	}
	if (optind < argc - 1)
		ab_problem(problems, "\"%s\" belongs to no option", argv[1 + optind]);
	if (problems->count == 0)
		check(arguments, problems);
	return problems->count == 0 ? AB_ARGUMENTS_OK : AB_ARGUMENTS_WRONG;
}
