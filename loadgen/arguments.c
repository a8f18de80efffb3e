/* loadgen/arguments.c — see arguments.h. */
#include "loadgen/arguments.h"

#include <getopt.h>
#include <string.h>

#include "loadgen/content.h"

/* A month: longer is no longer a plan. */
#define DURATION_MAX_MS (INT64_C(31) * 86400000)

/* A year between two events. */
#define STEP_MAX_US (UINT64_C(366) * 86400000000)

enum option_value { OPT_RATE = 256, OPT_COUNT, OPT_SEED, OPT_SEED_CONTENTS, OPT_MIX, OPT_DURATION, OPT_CONNECTIONS,
	OPT_QUIET, OPT_FORMAT, OPT_EVENT_TS };

static const struct option OPTIONS[] = {
	{"env-file", required_argument, NULL, 'e'},
	{"set", required_argument, NULL, 's'},
	{"rate", required_argument, NULL, OPT_RATE},
	{"count", required_argument, NULL, OPT_COUNT},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"seed", required_argument, NULL, OPT_SEED},
	{"seed-contents", required_argument, NULL, OPT_SEED_CONTENTS},
	{"mix", required_argument, NULL, OPT_MIX},
	{"event-ts", required_argument, NULL, OPT_EVENT_TS},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"quiet", no_argument, NULL, OPT_QUIET},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

void ab_arguments_help(FILE *to)
{
	fputs(
		"Examples\n"
		"  anabranch-loadgen run -e .env                             what .env says, until Ctrl-C\n"
		"  anabranch-loadgen run --seed-contents 5000 --count 0      insert 5,000 contents and nothing else\n"
		"  anabranch-loadgen run --rate 20k/s --duration 60          20,000 changes a second for a minute\n"
		"  anabranch-loadgen run --count 200k --rate max --mix 90:8:2\n"
		"                                                            200,000 changes as fast as they are taken\n"
		"\n"
		"Usage: anabranch-loadgen run [OPTION]...\n"
		"Writes contents and engagement events into PostgreSQL, at times fixed beforehand.\n"
		"\n"
		"How much, how fast\n"
		"  --rate N/s              changes per second (0.5, 20k, 1M), or max for no pace at all;\n"
		"                          without it BATCH_SIZE rows every EVENT_INTERVAL_SECONDS\n"
		"  --count N               end after N changes (200000, 200k); 0: write no event\n"
		"  --duration S            end after the last batch planned before S seconds\n"
		"  --mix C:U:D             percent of creates, updates, deletes; default 100:0:0\n"
		"What\n"
		"  --seed N                same seed, same data; default 1\n"
		"  --seed-contents N       first insert contents 0..N-1 of the seed where they are missing, and point events\n"
		"                          to them; without it events point to CONTENT_ROWS contents that must be there\n"
		"  --event-ts START[,US]   event_ts of event n is START + n * US microseconds (2026-01-31T12:00:00Z,1000);\n"
		"                          without it the database's now()\n"
		"Where and how\n"
		"  -e, --env-file FILE     settings; default .env, if it is there\n"
		"  -s, --set KEY=VALUE     one setting; may be repeated\n"
		"  --connections N         connections to PostgreSQL, 1 to 64; default 4\n"
		"  --format text|json      form of the summary on stdout; default text\n"
		"  --quiet                 no status line every second on stderr\n"
		"  --help, --version\n"
		"\n"
		"Settings: default, then file, then process environment, then -s\n"
		"  EVENT_INTERVAL_SECONDS=1 BATCH_SIZE=50 CONTENT_ROWS=5000 POSTGRES_HOST=127.0.0.1 POSTGRES_PORT=5432\n"
		"  POSTGRES_DB=streaming_db POSTGRES_USER=streaming_user POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE\n"
		"\n"
		"Exit codes: 0 done; 1 PostgreSQL refused something; 64 wrong command line; 69 PostgreSQL not reachable;\n"
		"  78 wrong setting; 105 stopped by a signal before --count, --duration or --seed-contents was reached\n",
		to);
}

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
		if (ab_text_time(start, &a->event_ts_us) == AB_TEXT_OK &&
			(text[len] == '\0' || ab_text_count(text + len + 1, 0, STEP_MAX_US, &step) == AB_TEXT_OK)) {
			a->event_ts_step_us = (int64_t)step;
			a->event_ts_fixed = 1;
			return;
		}
	}
	ab_problem(problems,
		"--event-ts: want a time in UTC and microseconds per event, such as 2026-01-31T12:00:00Z,1000, got \"%s\"",
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

static void unknown(const char *given, struct ab_problems *problems)
{
	char word[AB_TEXT_WORD_MAX + 1];
	const char *nearest = NULL;
	uint32_t distance = UINT32_MAX;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(given + strspn(given, "-"), "="), given + strspn(given, "-"));
	for (const struct option *o = OPTIONS; o->name != NULL; o++) {
		uint32_t d = ab_text_distance(word, o->name);
		if (d < distance) {
			distance = d;
			nearest = o->name;
		}
	}
	if (distance <= 1 + strlen(word) / 3)
		ab_problem(problems, "there is no option %s; did you mean --%s?", given, nearest);
	else
		ab_problem(problems, "there is no option %s; anabranch-loadgen --help lists them", given);
}

static void read_option(struct ab_arguments *a, int option, struct ab_problems *problems)
{
	uint64_t number;
	switch (option) {
	case 'e': a->env_file = optarg; break;
	case 's': read_pair(a, optarg, problems); break;
	case OPT_RATE: read_rate(a, optarg, problems); break;
	case OPT_MIX: read_mix(a, optarg, problems); break;
	case OPT_EVENT_TS: read_event_ts(a, optarg, problems); break;
	case OPT_FORMAT: read_format(a, optarg, problems); break;
	case OPT_QUIET: a->quiet = 1; break;
	case OPT_COUNT: read_count("count", optarg, 0, AB_COUNT_MAX, &a->count, problems); break;
	case OPT_SEED: read_count("seed", optarg, 0, AB_COUNT_MAX, &a->seed, problems); break;
	case OPT_SEED_CONTENTS:
		read_count("seed-contents", optarg, 1, AB_GEN_CONTENTS_MAX, &a->seed_contents, problems);
		break;
	case OPT_CONNECTIONS:
		number = a->connections;
		read_count("connections", optarg, 1, AB_CONNECTIONS_MAX, &number, problems);
		a->connections = (uint32_t)number;
		break;
	case OPT_DURATION:
		if (ab_text_milli(optarg, 0, DURATION_MAX_MS, &a->duration_ms) != AB_TEXT_OK)
			ab_problem(problems, "--duration: want seconds from 0 to %lld, got \"%s\"",
				(long long)(DURATION_MAX_MS / 1000), optarg);
		break;
	default: AB_ASSERT(!"every option of OPTIONS has a case");
	}
}

/* The word before the options. */
static enum ab_arguments_result read_command(int argc, char **argv, struct ab_problems *problems)
{
	if (argc < 2) {
		ab_problem(problems, "want a command: anabranch-loadgen run");
		return AB_ARGUMENTS_WRONG;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return AB_ARGUMENTS_HELP;
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)
		return AB_ARGUMENTS_VERSION;
	if (strcmp(argv[1], "run") == 0)
		return AB_ARGUMENTS_RUN;
	ab_problem(problems, "there is no command %s; did you mean run?", argv[1]);
	return AB_ARGUMENTS_WRONG;
}

enum ab_arguments_result ab_arguments_read(struct ab_arguments *arguments, int argc, char **argv,
	struct ab_problems *problems)
{
	*arguments = (struct ab_arguments){
		.count = AB_PLAN_ENDLESS, .duration_ms = -1, .seed = 1, .percent = {100, 0, 0}, .connections = 4};
	enum ab_arguments_result command = read_command(argc, argv, problems);
	if (command != AB_ARGUMENTS_RUN)
		return command;
	opterr = 0;
	optind = 0; /* glibc: begin anew, so that a test may call this twice */
	int option;
	/* The command takes the place of the program's name. */
	while ((option = getopt_long(argc - 1, argv + 1, "+:e:s:h", OPTIONS, NULL)) != -1) {
		const char *given = argv[optind]; /* the word just read: argv + 1 counts from the command */
		if (option == 'h')
			return AB_ARGUMENTS_HELP;
		if (option == 'V')
			return AB_ARGUMENTS_VERSION;
		if (option == ':')
			ab_problem(problems, "%s: want a value behind it", given);
		else if (option == '?')
			unknown(given, problems);
		else
			read_option(arguments, option, problems);
	}
	if (optind < argc - 1)
		ab_problem(problems, "\"%s\" belongs to no option", argv[1 + optind]);
	return problems->count == 0 ? AB_ARGUMENTS_RUN : AB_ARGUMENTS_WRONG;
}
