/* loadgen/arguments.h — the command line.
 *
 * Threads: one, at start. Memory: the caller's struct; texts point into argv.
 */
#pragma once

#include "core/base.h"
#include "loadgen/debezium.h"
#include "loadgen/mix.h"
#include "loadgen/stage.h"
#include "loadgen/text.h"
#include "loadgen/threshold.h"

/* -s pairs; there are two dozen keys. */
#define AB_ARGUMENT_PAIRS_MAX 32

/* Connections: PostgreSQL's default is 100 in all, and two already keep two cores busy. */
#define AB_CONNECTIONS_MAX 64

/* Marked rows per second: beyond it, looking for them is a load of its own. */
#define AB_MARKS_PER_SECOND_MAX 1000

enum ab_arguments_result {
	AB_ARGUMENTS_OK,
	AB_ARGUMENTS_HELP,    /* print the help, exit 0 */
	AB_ARGUMENTS_VERSION, /* print the version, exit 0 */
	AB_ARGUMENTS_WRONG,   /* problems say what; exit 64 */
};

enum ab_command { AB_COMMAND_RUN, AB_COMMAND_CEILING, AB_COMMAND_STRESS };
enum ab_to { AB_TO_POSTGRES, AB_TO_KAFKA };
enum ab_pace { AB_PACE_SETTINGS, AB_PACE_RATE, AB_PACE_UNPACED };
enum ab_format { AB_FORMAT_TEXT, AB_FORMAT_JSON };
enum ab_mode { AB_MODE_STAGES, AB_MODE_SEARCH };

struct ab_arguments {
	enum ab_command command;
	const char *env_file; /* NULL: .env, if it is there */
	const char *pairs[AB_ARGUMENT_PAIRS_MAX];
	uint32_t pairs_count;
	enum ab_to target;
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
	uint8_t event_ts_until_now; /* event_ts_us follows from count */
	int64_t skew_milli;	 /* 0: each content as likely */
	uint32_t payload_bytes;	 /* 0: as it comes */
	/* Kafka */
	enum ab_shape shape;
	uint32_t poison_ppm;
	uint64_t first_id;
	uint64_t transaction_records;
	uint8_t kafka_only; /* one of the four was given */
	/* output */
	uint8_t quiet;
	enum ab_format format;
	/* stress */
	enum ab_mode mode;
	struct ab_stages stages;
	struct ab_threshold thresholds[AB_THRESHOLDS_MAX];
	uint32_t threshold_count;
	uint32_t marks_per_second;
	int64_t drain_max_ms;
	const char *out; /* directory of the report */
	const char *baseline; /* NULL: none */
	uint8_t no_verify;
};

enum ab_arguments_result ab_arguments_read(struct ab_arguments *arguments, int argc, char **argv,
	struct ab_problems *problems);

void ab_arguments_help(FILE *to);
