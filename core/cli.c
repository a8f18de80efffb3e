/* core/cli.c — reads the command line. See cli.h.
 *
 * getopt_long does the reading; its own messages are silenced, because ours name the nearest word.
 */
#include "core/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "core/format.h"
#include "core/nearest.h"

enum { OPT_FORMAT = 256, OPT_SHOW_ORIGIN, OPT_HOST, OPT_DOC, OPT_FROM, OPT_SINK, OPT_SINCE, OPT_EXAMPLES, OPT_TO,
       OPT_PARTITION, OPT_OFFSET, OPT_RAW, OPT_LIMIT };

#define BIT(command) (1u << (command))
#define LOADS (BIT(AB_CLI_RUN) | BIT(AB_CLI_CHECK) | BIT(AB_CLI_CONFIG) | BIT(AB_CLI_INIT) | BIT(AB_CLI_VERIFY) | \
	       BIT(AB_CLI_TAP) | BIT(AB_CLI_DLQ) | BIT(AB_CLI_REPLAY))

#define FORMATS (BIT(AB_CLI_CHECK) | BIT(AB_CLI_CONFIG) | BIT(AB_CLI_VERSION) | BIT(AB_CLI_VERIFY) | \
		 BIT(AB_CLI_TAP) | BIT(AB_CLI_DLQ))

static const struct {
	const char *name;
	enum ab_cli_command command;
} commands[] = {
	{"run", AB_CLI_RUN},	   {"check", AB_CLI_CHECK}, {"config", AB_CLI_CONFIG},
	{"init", AB_CLI_INIT},	   {"verify", AB_CLI_VERIFY}, {"tap", AB_CLI_TAP},
	{"dlq", AB_CLI_DLQ},	   {"replay", AB_CLI_REPLAY}, {"version", AB_CLI_VERSION},
	{"help", AB_CLI_HELP},
};

/* Every option, and the commands it belongs to. */
static const struct {
	const char *name;
	int value, argument;
	unsigned commands;
} options[] = {
	{"env-file", 'e', required_argument, LOADS},
	{"set", 's', required_argument, LOADS},
	{"format", OPT_FORMAT, required_argument, FORMATS},
	{"show-origin", OPT_SHOW_ORIGIN, no_argument, BIT(AB_CLI_CONFIG)},
	{"host", OPT_HOST, no_argument, BIT(AB_CLI_CHECK)},
	{"doc", OPT_DOC, required_argument, BIT(AB_CLI_CONFIG)},
	{"from", OPT_FROM, required_argument, BIT(AB_CLI_INIT) | BIT(AB_CLI_REPLAY)},
	{"to", OPT_TO, required_argument, BIT(AB_CLI_REPLAY)},
	{"partition", OPT_PARTITION, required_argument, BIT(AB_CLI_DLQ)},
	{"offset", OPT_OFFSET, required_argument, BIT(AB_CLI_DLQ)},
	{"raw", OPT_RAW, no_argument, BIT(AB_CLI_DLQ) | BIT(AB_CLI_TAP)},
	{"limit", OPT_LIMIT, required_argument, BIT(AB_CLI_TAP)},
	{"sink", OPT_SINK, required_argument, BIT(AB_CLI_VERIFY) | BIT(AB_CLI_DLQ) | BIT(AB_CLI_REPLAY)},
	{"since", OPT_SINCE, required_argument, BIT(AB_CLI_VERIFY)},
	{"examples", OPT_EXAMPLES, required_argument, BIT(AB_CLI_VERIFY)},
	{"yes", 'y', no_argument, BIT(AB_CLI_INIT)},
	{"help", 'h', no_argument, ~0u},
	{"version", 'V', no_argument, ~0u},
};

static enum ab_cli_result usage(struct ab_cli *cli, const char *format, ...) AB_PRINTF(2, 3);

static enum ab_cli_result usage(struct ab_cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(cli->error, sizeof cli->error, format, args);
	va_end(args);
	return AB_CLI_USAGE;
}

/* "no command restrat: did you mean restart?" */
static enum ab_cli_result unknown(struct ab_cli *cli, const char *what, const char *word, const char *const *words,
				  size_t count, const char *instead)
{
	const char *near = ab_nearest(word, words, count);

	if (near != NULL)
		return usage(cli, "there is no %s %.60s: did you mean %s?", what, word, near);
	return usage(cli, "there is no %s %.60s: %s", what, word, instead);
}

static enum ab_cli_result unknown_command(struct ab_cli *cli, const char *word)
{
	const char *names[AB_COUNT(commands)];

	for (size_t i = 0; i < AB_COUNT(commands); i++)
		names[i] = commands[i].name;
	return unknown(cli, "command", word, names, AB_COUNT(commands),
		       "there are run, check, config, init, verify, tap, dlq, replay, version");
}

static enum ab_cli_result misplaced(struct ab_cli *cli, const char *option)
{
	if (cli->command == AB_CLI_NONE)
		return usage(cli, "a command comes first: run, check, config, init, verify, tap, dlq, replay, version or help");
	return usage(cli, "%.60s does not belong to this command: anabranch help lists what does", option);
}

/* Where getopt_long stopped: the word as it was typed, without =value. */
static enum ab_cli_result unknown_option(struct ab_cli *cli, const char *typed)
{
	const char *names[AB_COUNT(options)];
	char word[64], shown[80];
	size_t count = 0;

	for (size_t i = 0; i < AB_COUNT(options); i++) {
		if (options[i].commands & BIT(cli->command))
			names[count++] = options[i].name;
	}
	if (optopt != 0 && strncmp(typed, "--", 2) == 0)
		return usage(cli, "%.60s: this option takes no value", typed);
	if (optopt != 0)
		return usage(cli, "there is no option -%c: anabranch help lists them", optopt);
	snprintf(word, sizeof word, "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
	for (size_t i = 0; i < AB_COUNT(options); i++) {
		if (strcmp(options[i].name, word) == 0)
			return misplaced(cli, typed);
	}
	const char *near = ab_nearest(word, names, count);
	if (near == NULL)
		return usage(cli, "there is no option --%s: anabranch help lists them", word);
	snprintf(shown, sizeof shown, "--%s", near);
	return usage(cli, "there is no option --%s: did you mean %s?", word, shown);
}

static enum ab_cli_result take_format(struct ab_cli *cli, const char *word)
{
	static const char *const words[] = {"text", "env", "json"};
	bool config = cli->command == AB_CLI_CONFIG;

	for (size_t i = 0; i < AB_COUNT(words); i++) {
		/* config writes an .env file or JSON, the others text or JSON. */
		if (strcmp(words[i], word) == 0 && i != (config ? AB_CLI_TEXT : AB_CLI_ENV)) {
			cli->format = (enum ab_cli_format)i;
			return AB_CLI_OK;
		}
	}
	return usage(cli, "--format %.60s: want %s or json", word, config ? "env" : "text");
}

static enum ab_cli_result take_doc(struct ab_cli *cli, const char *word)
{
	cli->doc = strcmp(word, "markdown") == 0 ? AB_CLI_DOC_MARKDOWN :
		   strcmp(word, "env") == 0 ? AB_CLI_DOC_ENV : AB_CLI_NO_DOC;
	if (cli->doc == AB_CLI_NO_DOC)
		return usage(cli, "--doc %.60s: want markdown or env", word);
	return AB_CLI_OK;
}

static enum ab_cli_result take_from(struct ab_cli *cli, const char *word)
{
	static const char *const words[] = {"earliest", "latest"};
	int64_t epoch_us;
	size_t len = strlen(word);
	bool is_group = strncmp(word, "group:", 6) == 0;

	cli->from = word;
	if (is_group && len > 6)
		return AB_CLI_OK;
	if (strcmp(word, words[0]) == 0 || strcmp(word, words[1]) == 0)
		return AB_CLI_OK;
	/* Milliseconds since 1970, or ISO 8601. */
	if (len > 0 && len <= 15 && strspn(word, "0123456789") == len && strspn(word, "0") < len)
		return AB_CLI_OK;
	if (!is_group && ab_time_parse(word, len, &epoch_us) == AB_TIME_OK)
		return AB_CLI_OK;
	const char *near = is_group ? NULL : ab_nearest(word, words, AB_COUNT(words));
	return usage(cli, "--from %.60s: %s%s%swant earliest, latest, group:NAME, or a time such as 2026-01-31T12:00:00Z",
		     word, near ? "did you mean " : "", near ? near : "", near ? "? I " : "");
}

static enum ab_cli_result take_examples(struct ab_cli *cli, const char *word)
{
	size_t len = strlen(word);

	if (len == 0 || len > 3 || strspn(word, "0123456789") != len)
		return usage(cli, "--examples %.60s: want a number from 0 to 100", word);
	cli->examples = (int)strtol(word, NULL, 10);
	return cli->examples <= 100 ? AB_CLI_OK : usage(cli, "--examples %s: at most 100", word);
}

static enum ab_cli_result take_limit(struct ab_cli *cli, const char *word)
{
	size_t len = strlen(word);

	if (len == 0 || len > 9 || strspn(word, "0123456789") != len || (cli->limit = strtoll(word, NULL, 10)) < 1)
		return usage(cli, "--limit %.60s: want a number from 1 on", word);
	return AB_CLI_OK;
}

static enum ab_cli_result take_place(struct ab_cli *cli, int option, const char *word)
{
	size_t len = strlen(word), max = option == OPT_PARTITION ? 4 : 18;

	if (len == 0 || len > max || strspn(word, "0123456789") != len)
		return usage(cli, "%s %.60s: want a number", option == OPT_PARTITION ? "--partition" : "--offset", word);
	if (option == OPT_PARTITION)
		cli->partition = (int)strtol(word, NULL, 10);
	else
		cli->offset = strtoll(word, NULL, 10);
	return AB_CLI_OK;
}

/* dlq list, dlq show, dlq replay: the word behind dlq. */
static enum ab_cli_result take_verb(struct ab_cli *cli, const char *word)
{
	static const char *const verbs[] = {"list", "show", "replay"};

	for (size_t i = 0; word != NULL && i < AB_COUNT(verbs); i++) {
		if (strcmp(verbs[i], word) == 0) {
			cli->verb = (enum ab_cli_dlq)i;
			return AB_CLI_OK;
		}
	}
	if (word == NULL)
		return usage(cli, "dlq needs a word: list, show or replay");
	return unknown(cli, "dlq", word, verbs, AB_COUNT(verbs), "there are list, show, replay");
}

/* dlq show N. */
static enum ab_cli_result take_group(struct ab_cli *cli, const char *word)
{
	size_t len = strlen(word);

	if (len > 4 || strspn(word, "0123456789") != len || (cli->group = (int)strtol(word, NULL, 10)) < 1)
		return usage(cli, "dlq show %.60s: want a number of dlq list", word);
	return AB_CLI_OK;
}

/* tap SINK: whether the engine has it, the engine knows. */
static enum ab_cli_result take_tapped(struct ab_cli *cli, const char *word)
{
	if (strspn(word, "abcdefghijklmnopqrstuvwxyz") != strlen(word))
		return usage(cli, "tap %.60s: want redis, bigquery or elasticsearch", word);
	cli->sink = word;
	return AB_CLI_OK;
}

static bool shows(const struct ab_cli *cli)
{
	return cli->command == AB_CLI_DLQ && cli->verb == AB_CLI_DLQ_SHOW;
}

static enum ab_cli_result check_dlq(struct ab_cli *cli)
{
	if (shows(cli) && cli->group == 0 && (cli->partition < 0 || cli->offset < 0))
		return usage(cli, "dlq show needs a number of dlq list, or --partition and --offset of the record");
	if (!shows(cli) && (cli->partition >= 0 || cli->offset >= 0 || cli->raw))
		return usage(cli, "--partition, --offset and --raw belong to dlq show");
	if (cli->verb != AB_CLI_DLQ_LIST && cli->format == AB_CLI_JSON)
		return usage(cli, "--format json belongs to dlq list");
	return AB_CLI_OK;
}

static enum ab_cli_result take(struct ab_cli *cli, int option, char *argument)
{
	switch (option) {
	case 'e':
		if (cli->env_file != NULL)
			return usage(cli, "-e is given twice: one file holds the settings, -s KEY=VALUE changes one");
		cli->env_file = argument;
		return AB_CLI_OK;
	case 's':
		if (strchr(argument, '=') == NULL || argument[0] == '=')
			return usage(cli, "-s %.60s: want KEY=VALUE", argument);
		if (cli->set_count == AB_CLI_SET_MAX)
			return usage(cli, "at most %d times -s: use a file and -e", AB_CLI_SET_MAX);
		cli->set[cli->set_count++] = argument;
		return AB_CLI_OK;
	case OPT_FORMAT:
		return take_format(cli, argument);
	case OPT_SHOW_ORIGIN:
		cli->show_origin = true;
		return AB_CLI_OK;
	case OPT_HOST:
		cli->host = true;
		return AB_CLI_OK;
	case OPT_DOC:
		return take_doc(cli, argument);
	case OPT_FROM:
		cli->from = argument; /* of replay: which forms there are depends on the topic's partitions */
		return cli->command == AB_CLI_REPLAY ? AB_CLI_OK : take_from(cli, argument);
	case OPT_TO:
		cli->to = argument;
		return AB_CLI_OK;
	case OPT_PARTITION:
	case OPT_OFFSET:
		return take_place(cli, option, argument);
	case OPT_RAW:
		cli->raw = true;
		return AB_CLI_OK;
	case OPT_LIMIT:
		return take_limit(cli, argument);
	case OPT_SINK:
		cli->sink = argument;
		return AB_CLI_OK;
	case OPT_SINCE:
		cli->since = argument;
		return AB_CLI_OK;
	case OPT_EXAMPLES:
		return take_examples(cli, argument);
	default:
		AB_ASSERT(option == 'y');
		cli->yes = true;
		return AB_CLI_OK;
	}
}

/* The options of this command, for getopt_long. Short ones are known everywhere, and refused by belongs(). */
static void options_of(const struct ab_cli *cli, struct option *to)
{
	for (size_t i = 0; i < AB_COUNT(options); i++) {
		if (options[i].commands & BIT(cli->command))
			*to++ = (struct option){options[i].name, options[i].argument, NULL, options[i].value};
	}
	*to = (struct option){0};
}

static bool belongs(const struct ab_cli *cli, int value)
{
	for (size_t i = 0; i < AB_COUNT(options); i++) {
		if (options[i].value == value)
			return options[i].commands & BIT(cli->command);
	}
	return false;
}

static enum ab_cli_result take_options(struct ab_cli *cli, int argc, char **argv)
{
	struct option known[AB_COUNT(options) + 1];
	int option;

	options_of(cli, known);
	opterr = 0;
	optind = 0;	/* glibc: from the beginning, also in a test's second call */
	/* ':' first: a missing argument is told from an unknown option. */
	while ((option = getopt_long(argc, argv, ":e:s:yhV", known, NULL)) != -1) {
		const char *typed = argv[optind - 1];
		if (option == ':')
			return usage(cli, "%.60s needs a value: anabranch help shows examples", typed);
		if (option == '?')
			return unknown_option(cli, typed);
		if (!belongs(cli, option))
			return misplaced(cli, typed);
		if (option == 'h' || option == 'V') {
			/* Whatever else was typed. `anabranch init --help` is help about init. */
			cli->topic = option == 'h' && cli->command != AB_CLI_NONE && cli->command != AB_CLI_HELP ? argv[0] : NULL;
			cli->command = option == 'h' ? AB_CLI_HELP : AB_CLI_VERSION;
			return AB_CLI_OK;
		}
		enum ab_cli_result result = take(cli, option, optarg);
		if (result != AB_CLI_OK)
			return result;
	}
	if (cli->command == AB_CLI_HELP && argc - optind == 1) {
		cli->topic = argv[optind];
		return AB_CLI_OK;
	}
	if (shows(cli) && argc - optind == 1 && cli->group == 0)
		return take_group(cli, argv[optind]);
	if (cli->command == AB_CLI_TAP && argc - optind == 1)
		return take_tapped(cli, argv[optind]);
	if (argc > optind)
		return usage(cli, "%.60s is one word too many: options begin with -", argv[optind]);
	return AB_CLI_OK;
}

enum ab_cli_result ab_cli_parse(struct ab_cli *cli, int argc, char **argv)
{
	enum ab_cli_result result;

	*cli = (struct ab_cli){.examples = -1, .partition = -1, .offset = -1};
	if (argc < 2)
		return AB_CLI_OK;
	for (size_t i = 0; i < AB_COUNT(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			cli->command = commands[i].command;
	}
	if (cli->command == AB_CLI_NONE && argv[1][0] != '-')
		return unknown_command(cli, argv[1]);
	if (cli->command == AB_CLI_NONE) {
		result = take_options(cli, argc, argv);
		if (result == AB_CLI_OK && cli->command == AB_CLI_NONE)
			return usage(cli, "a command comes first: run, check, config, init, verify, tap, dlq, replay, version or help");
		return result;
	}
	if (cli->command == AB_CLI_CONFIG)
		cli->format = AB_CLI_ENV;
	if (cli->command == AB_CLI_DLQ && !(argc > 2 && argv[2][0] == '-')) {
		result = take_verb(cli, argc > 2 ? argv[2] : NULL);
		if (result != AB_CLI_OK)
			return result;
		argv[2] = argv[1]; /* messages and --help know the command by its name */
		argc--;
		argv++;
	} else if (cli->command == AB_CLI_DLQ) {
		cli->verb = AB_CLI_DLQ_LIST;
	}
	result = take_options(cli, argc - 1, argv + 1);
	if (result == AB_CLI_OK && cli->command == AB_CLI_DLQ)
		result = check_dlq(cli);
	if (result == AB_CLI_OK && cli->command == AB_CLI_HELP && cli->topic != NULL) {
		for (size_t i = 0; i < ab_cli_topic_count; i++) {
			if (strcmp(ab_cli_topics[i], cli->topic) == 0)
				return AB_CLI_OK;
		}
		return unknown(cli, "help about", cli->topic, ab_cli_topics, ab_cli_topic_count, "anabranch help lists all");
	}
	return result;
}
