/* loadgen/arguments.h — the command line.
 *
 * Threads: one, at start. Memory: the caller's struct; texts point into argv.
 */
#pragma once

#include "core/base.h"
#include "loadgen/mix.h"
#include "loadgen/text.h"

/* -s pairs; there are nine keys. */
#define AB_ARGUMENT_PAIRS_MAX 32

/* Connections: PostgreSQL's default is 100 in all, and two already keep two cores busy. */
#define AB_CONNECTIONS_MAX 64

enum ab_arguments_result {
	AB_ARGUMENTS_RUN,
	AB_ARGUMENTS_HELP,    /* print the help, exit 0 */
	AB_ARGUMENTS_VERSION, /* print the version, exit 0 */
	AB_ARGUMENTS_WRONG,   /* problems say what; exit 64 */
};

enum ab_pace { AB_PACE_SETTINGS, AB_PACE_RATE, AB_PACE_UNPACED };
enum ab_format { AB_FORMAT_TEXT, AB_FORMAT_JSON };

struct ab_arguments {
	const char *env_file; /* NULL: .env, if it is there */
	const char *pairs[AB_ARGUMENT_PAIRS_MAX];
	uint32_t pairs_count;
	enum ab_pace pace;
	int64_t rate_milli;
	uint64_t count;		 /* AB_PLAN_ENDLESS: no --count */
	int64_t duration_ms;	 /* -1: no --duration */
	uint64_t seed;
	uint64_t seed_contents;	 /* 0: none */
	uint8_t percent[AB_MIX_KINDS];
	uint32_t connections;
	int64_t event_ts_us;	 /* with event_ts_fixed */
	int64_t event_ts_step_us;
	uint8_t event_ts_fixed;	 /* 0: the database's now() */
	uint8_t quiet;
	enum ab_format format;
};

enum ab_arguments_result ab_arguments_read(struct ab_arguments *arguments, int argc, char **argv,
	struct ab_problems *problems);

void ab_arguments_help(FILE *to);
