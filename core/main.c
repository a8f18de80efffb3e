/* core/main.c — the program: reads the command line, loads the configuration, does what was asked.
 *
 * Threads: main, which becomes the engine's control thread.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cli.h"
#include "core/config_print.h"
#include "core/engine.h"
#include "core/init.h"
#include "core/host.h"
#include "core/memory_bound.h"
#include "core/replay.h"
#include "core/version.h"
#include "verify/dlq.h"
#include "monitor/tap.h"
#include "verify/verify.h"

static struct ab_config config;
static struct ab_config_problems problems;

/* The first signal asks for the orderly stop, the second one stops at once: positions are exact either way. */
static void on_signal(int number)
{
	if (ab_engine_signals++ > 0)
		_exit(128 + number);
	alarm(AB_STOP_MAX_S);
}

/* What is waited for now is some farewell: a consumer without a broker closes in five seconds, before a frozen one in a
 * minute. That is none of the failures: the code is that of a stop, or of the failure by which it began. */
static void on_late(int number)
{
	static const char line[] = "the stop takes too long: what it still waits for is left; positions are exact\n";
	ssize_t n = write(STDERR_FILENO, line, sizeof line - 1);

	(void)n;
	(void)number;
	_exit(ab_engine_end_code);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}, late = {.sa_handler = on_late};

	sigaction(SIGALRM, &late, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of write, not the end */
}

static enum ab_config_result load(const struct ab_cli *cli)
{
	const struct ab_config_sources sources = {
	    .file = cli->env_file, .environment = environ, .set = cli->set, .set_count = cli->set_count};

	return ab_config_load(&config, &sources, &problems);
}

/* Whether something is red. */
static bool check_host(size_t bound_bytes)
{
	struct ab_host host = ab_host_read();

	host.memory_needed_bytes = (int64_t)bound_bytes;
	host.receive_wanted_bytes = config.kafka_receive_buffer_bytes;
	/* Connections of lanes and of what asks the sinks, librdkafka's to some brokers, eventfds, the metrics page. */
	host.files_needed = 128 + config.redis_sink_parallelism + config.bigquery_sink_parallelism +
			    config.elasticsearch_sink_parallelism;
	return ab_host_print(&host, stdout);
}

static int check(enum ab_config_result result, const struct ab_cli *cli)
{
	char *bound = NULL;
	size_t bound_len = 0, bytes = 0;
	FILE *memory = open_memstream(&bound, &bound_len);

	AB_ASSERT(memory != NULL);
	if (result == AB_CONFIG_OK)
		bytes = ab_memory_bound_print(&config, memory);
	fclose(memory);
	bool red = false;
	if (cli->format == AB_CLI_JSON) {
		ab_config_print_check_json(&problems, bytes, result == AB_CONFIG_OK ? bound : NULL, stdout);
	} else {
		ab_config_print_problems(&problems, AB_CONFIG_NOTE, stdout);
		fputs(bound, stdout);
		if (cli->host && result == AB_CONFIG_OK)
			red = check_host(bytes);
		ab_config_print_sum(&problems, stdout);
	}
	free(bound);
	if (result != AB_CONFIG_OK)
		return AB_EXIT_CONFIG;
	return red ? AB_EXIT_PROBLEMS : AB_EXIT_OK;
}

/* librdkafka takes megabytes for each answer of a broker, and another thread frees them: glibc would unmap each, and the
 * kernel clear every page of the next. One heap that keeps what it has costs no more memory (PERFORMANCE.md row A-2). */
static void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024); /* glibc's largest */
	mallopt(M_TRIM_THRESHOLD, 128 * 1024 * 1024);
#endif
}

static int show(const struct ab_cli *cli)
{
	if (cli->format == AB_CLI_JSON)
		ab_config_print_json(&config, cli->show_origin, stdout);
	else
		ab_config_print_env(&config, cli->show_origin, stdout);
	return AB_EXIT_OK;
}

static int verify(const struct ab_cli *cli)
{
	const struct ab_verify_options options = {
	    .sinks = cli->sink,
	    .since = cli->since,
	    .examples = cli->examples >= 0 ? cli->examples : AB_VERIFY_EXAMPLES_DEFAULT,
	    .json = cli->format == AB_CLI_JSON,
	};

	signal(SIGPIPE, SIG_IGN);
	return ab_verify_run(&config, &options);
}

static int dead_letters(const struct ab_cli *cli)
{
	const struct ab_dlq_options options = {
	    .sink = cli->sink,
	    .group = cli->group,
	    .partition = cli->partition,
	    .offset = cli->offset,
	    .raw = cli->raw,
	    .json = cli->format == AB_CLI_JSON,
	};

	switch (cli->verb) {
	case AB_CLI_DLQ_LIST:
		return ab_dlq_list(&config, &options);
	case AB_CLI_DLQ_SHOW:
		return ab_dlq_show(&config, &options);
	case AB_CLI_DLQ_REPLAY:
		break;
	}
	return ab_replay_letters(&config, cli->sink);
}

static int tap(const struct ab_cli *cli)
{
	const struct ab_tap_options options = {
	    .sink = cli->sink, .limit = cli->limit, .raw = cli->raw, .json = cli->format == AB_CLI_JSON};

	return ab_tap_follow(&config, &options);
}

static int replay(const struct ab_cli *cli)
{
	const struct ab_replay_options options = {.sink = cli->sink, .from = cli->from, .to = cli->to};

	return ab_replay_range(&config, &options);
}

/* The commands that look at a configuration; all but check and --doc need a valid one. */
static int configured(const struct ab_cli *cli)
{
	if (cli->doc != AB_CLI_NO_DOC) {
		(cli->doc == AB_CLI_DOC_MARKDOWN ? ab_config_doc_markdown : ab_config_doc_env)(stdout);
		return AB_EXIT_OK;
	}
	enum ab_config_result result = load(cli);

	if (cli->command == AB_CLI_CHECK)
		return check(result, cli);
	ab_config_print_problems(&problems, AB_CONFIG_WARNING, stderr);
	if (result != AB_CONFIG_OK) {
		ab_config_print_sum(&problems, stderr);
		return AB_EXIT_CONFIG;
	}
	if (cli->command == AB_CLI_CONFIG)
		return show(cli);
	if (cli->command == AB_CLI_INIT)
		return ab_init_run(&config, cli->from ? cli->from : "earliest", cli->yes);
	if (cli->command == AB_CLI_VERIFY)
		return verify(cli);
	signal(SIGPIPE, SIG_IGN);
	if (cli->command == AB_CLI_TAP)
		return tap(cli);
	if (cli->command == AB_CLI_DLQ)
		return dead_letters(cli);
	if (cli->command == AB_CLI_REPLAY)
		return replay(cli);
	catch_signals();
	keep_memory();
	return ab_engine_run(&config);
}

static int help(const struct ab_cli *cli)
{
	if (ab_cli_help(cli->topic, stdout))
		return AB_EXIT_OK;
	fprintf(stderr, "anabranch: no help about '%s'; see anabranch help\n", cli->topic);
	return AB_EXIT_USAGE;
}

/* `anabranch top` is the program beside this one: the engine is not linked with a terminal's library. */
static int top(char **argv)
{
	char path[AB_PATH_MAX_BYTES];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "-monitor");

	if (len < 0)
		return AB_EXIT_UNAVAILABLE;
	memcpy(path + len, "-monitor", sizeof "-monitor");
	execv(path, argv);
	fprintf(stderr, "anabranch: %s: %s. What to do: ./run.sh build\n", path, strerror(errno));
	return AB_EXIT_UNAVAILABLE;
}

int main(int argc, char **argv)
{
	struct ab_cli cli;

	if (argc > 1 && strcmp(argv[1], "top") == 0)
		return top(argv + 1);
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (ab_cli_parse(&cli, argc, argv) != AB_CLI_OK) {
		fprintf(stderr, "anabranch: %s\n", cli.error);
		return AB_EXIT_USAGE;
	}
	switch (cli.command) {
	case AB_CLI_NONE:
		ab_cli_help(NULL, stderr);
		return AB_EXIT_USAGE;
	case AB_CLI_HELP:
		return help(&cli);
	case AB_CLI_VERSION:
		(cli.format == AB_CLI_JSON ? ab_version_print_json : ab_version_print)(stdout);
		return AB_EXIT_OK;
	default:
		return configured(&cli);
	}
}
