/* loadgen/main.c — anabranch-loadgen: command line and settings in, exit code out. The rest is in run.c, ceiling.c, stress.c. */
#include <stdio.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "loadgen/arguments.h"
#include "loadgen/ceiling.h"
#include "loadgen/exit.h"
#include "loadgen/run.h"
#include "loadgen/search.h"
#include "loadgen/settings.h"
#include "loadgen/stress.h"

#define DEFAULT_ENV_FILE ".env"

extern char **environ;

static void show(const struct ab_problems *problems)
{
	fputs(problems->text, stderr);
	if (problems->unsaid > 0)
		fprintf(stderr, "and %u more\n", problems->unsaid);
	fprintf(stderr, "%u error%s\n", problems->count, problems->count == 1 ? "" : "s");
}

static void show_version(void)
{
	int pq = PQlibVersion();
	printf("anabranch-loadgen %s\nlibpq %d.%d\ncompiler %s\n", AB_VERSION, pq / 10000, pq % 10000, __VERSION__);
}

static enum ab_exit read_settings(const struct ab_arguments *arguments, struct ab_settings *settings)
{
	struct ab_problems problems = {0}, pairs = {0};
	ab_settings_default(settings);
	if (arguments->env_file != NULL)
		ab_settings_file(settings, arguments->env_file, &problems);
	else if (access(DEFAULT_ENV_FILE, F_OK) == 0)
		ab_settings_file(settings, DEFAULT_ENV_FILE, &problems);
	ab_settings_environment(settings, environ, &problems);
	for (uint32_t i = 0; i < arguments->pairs_count; i++)
		ab_settings_argument(settings, arguments->pairs[i], &pairs);
	ab_settings_complete(settings, &problems);
	if (pairs.count > 0)
		show(&pairs);
	if (problems.count > 0)
		show(&problems);
	return pairs.count > 0 ? AB_EXIT_USAGE : problems.count > 0 ? AB_EXIT_SETTINGS : AB_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct ab_arguments arguments;
	struct ab_problems problems = {0};
	struct ab_settings settings;
	switch (ab_arguments_read(&arguments, argc, argv, &problems)) {
	case AB_ARGUMENTS_HELP: ab_arguments_help(stdout); return AB_EXIT_OK;
	case AB_ARGUMENTS_VERSION: show_version(); return AB_EXIT_OK;
	case AB_ARGUMENTS_WRONG: show(&problems); return AB_EXIT_USAGE;
	case AB_ARGUMENTS_OK: break;
	}
	enum ab_exit code = read_settings(&arguments, &settings);
	if (code != AB_EXIT_OK)
		return code;
	switch (arguments.command) {
	case AB_COMMAND_RUN: return ab_run(&arguments, &settings);
	case AB_COMMAND_CEILING: return ab_ceiling(&arguments, &settings);
	case AB_COMMAND_STRESS:
		return arguments.mode == AB_MODE_SEARCH ? ab_search(&arguments, &settings) : ab_stress(&arguments, &settings);
	}
	return AB_EXIT_USAGE;
}
