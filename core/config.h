/* core/config.h — the engine's settings: one table (core/config.def), one struct, one loader that finds all mistakes.
 *
 *     built-in default  <  .env file  <  process environment  <  -s KEY=VALUE
 *
 * Each later source wins. A key that is unknown in the file or behind -s is a mistake; the process environment may hold
 * anything. KEY_FILE names a file that holds a secret. KAFKA_CONF_SOCKET_TIMEOUT_MS=… becomes librdkafka's
 * socket.timeout.ms, for any of its properties.
 *
 * Threads: loading belongs to the main thread at start; afterwards the struct is constant and any thread reads it.
 * Memory:  fixed: a value that does not fit is a mistake, never cut.
 * Source:  the .env form is what Docker Compose, systemd's EnvironmentFile and sh read alike (core/config_env.h).
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"
#include "core/limits.h"

/* Processors that AB_CPUS can name, and one more than the highest number: Linux' default CPU_SETSIZE. */
#define AB_CPUS_MAX 1024

/* KAFKA_CONF_* properties. librdkafka has about 150; nobody sets more than a few. */
#define AB_KAFKA_CONF_MAX 64
#define AB_KAFKA_CONF_NAME_MAX_BYTES 63
/* Long enough for a JAAS-like SASL configuration. Certificates belong in files that a property names. */
#define AB_KAFKA_CONF_VALUE_MAX_BYTES 1023

/* A path of the system's, with its terminator. */
#define AB_PATH_MAX_BYTES 4096

/* Mistakes that are kept with their words; more are only counted. Nobody reads more than a screenful. */
#define AB_CONFIG_PROBLEMS_MAX 128

enum ab_config_io { AB_CONFIG_IO_AUTO, AB_CONFIG_IO_URING, AB_CONFIG_IO_EPOLL };	/* as enum ab_io_backend */
enum ab_config_fetcher { AB_CONFIG_FETCHER_AUTO, AB_CONFIG_FETCHER_WORKERS, AB_CONFIG_FETCHER_LIBRDKAFKA };
enum ab_config_on_miss { AB_ENRICH_WAIT, AB_ENRICH_UNKNOWN };
enum ab_config_on_lost { AB_LOST_STOP, AB_LOST_CONTINUE };
enum ab_config_version_kind { AB_VERSION_KIND_LSN, AB_VERSION_KIND_OFFSET };
enum ab_config_emulator { AB_EMULATOR_BQEMULATOR, AB_EMULATOR_GOCCY };

/* In the order they were given. */
struct ab_config_sinks {
	int count;
	char name[AB_SINKS_MAX][16];
};

/* Ascending, each once. count == 0: not given. */
struct ab_config_cpus {
	int count;
	uint16_t cpu[AB_CPUS_MAX];
};

/* What a TYPE of config.def is in the struct. HOST, BROKERS, TOPIC, NAME (letters, digits, . _ -), FIELD (of a
 * record) and SECRET are text with more asked of it. */
#define AB_CONFIG_TYPES(T) \
	T(INT) T(DECIMAL) T(TEXT) T(SECRET) T(HOST) T(BROKERS) T(TOPIC) T(NAME) T(FIELD) \
	T(SINKS) T(CPUS) T(IO_BACKEND) T(FETCHER) T(ON_MISS) T(ON_LOST) T(VERSION_KIND) T(EMULATOR)

#define AB_CONFIG_GROUPS(G)                                        \
	G(POSTGRES, "Source database")                             \
	G(KAFKA, "Kafka")                                          \
	G(REDIS, "Redis")                                          \
	G(BIGQUERY, "BigQuery")                                    \
	G(ELASTICSEARCH, "Elasticsearch")                          \
	G(ENGINE, "Engine")                                        \
	G(GENERATOR, "Generator (read by anabranch-loadgen)")      \
	G(STACK, "Stack (read by run.sh; the engine ignores it)")

#define AB_CONFIG_C_INT(field, max) int64_t field;
#define AB_CONFIG_C_DECIMAL(field, max) double field;
#define AB_CONFIG_C_TEXT(field, max) char field[(max) + 1];
#define AB_CONFIG_C_SECRET(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_HOST(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_BROKERS(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_TOPIC(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_NAME(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_FIELD(field, max) AB_CONFIG_C_TEXT(field, max)
#define AB_CONFIG_C_SINKS(field, max) struct ab_config_sinks field;
#define AB_CONFIG_C_CPUS(field, max) struct ab_config_cpus field;
#define AB_CONFIG_C_IO_BACKEND(field, max) enum ab_config_io field;
#define AB_CONFIG_C_FETCHER(field, max) enum ab_config_fetcher field;
#define AB_CONFIG_C_ON_MISS(field, max) enum ab_config_on_miss field;
#define AB_CONFIG_C_ON_LOST(field, max) enum ab_config_on_lost field;
#define AB_CONFIG_C_VERSION_KIND(field, max) enum ab_config_version_kind field;
#define AB_CONFIG_C_EMULATOR(field, max) enum ab_config_emulator field;

enum ab_config_key {
#define X(field, KEY, TYPE, DEFAULT, MIN, MAX, UNIT, GROUP, FLAGS, HELP) AB_KEY_##KEY,
#include "core/config.def"
#undef X
	AB_CONFIG_KEYS,
};

enum ab_config_source { AB_FROM_DEFAULT, AB_FROM_FILE, AB_FROM_ENVIRONMENT, AB_FROM_COMMAND_LINE };

struct ab_config_origin {
	enum ab_config_source source;
	int line;		/* of the file; else 0 */
};

struct ab_kafka_property {
	char name[AB_KAFKA_CONF_NAME_MAX_BYTES + 1];		/* socket.timeout.ms */
	char value[AB_KAFKA_CONF_VALUE_MAX_BYTES + 1];
	struct ab_config_origin origin;
};

struct ab_config {
#define X(field, KEY, TYPE, DEFAULT, MIN, MAX, UNIT, GROUP, FLAGS, HELP) AB_CONFIG_C_##TYPE(field, MAX)
#include "core/config.def"
#undef X
	int kafka_conf_count;
	struct ab_kafka_property kafka_conf[AB_KAFKA_CONF_MAX];

	struct ab_config_origin origin[AB_CONFIG_KEYS];
	char file[AB_PATH_MAX_BYTES];		/* the .env file that was read; "" when there is none */
};

/* Where settings come from. All zero: the .env of the working directory, when there is one, and nothing else. */
struct ab_config_sources {
	const char *file;		/* -e: must exist. NULL: .env, when it exists */
	const char *text;		/* not NULL: the file's content, read already; file is only its name */
	size_t text_len;
	char *const *environment;	/* as environ; NULL: none */
	const char *const *set;		/* -s, each KEY=VALUE */
	int set_count;
};

enum ab_config_severity {
	AB_CONFIG_NOTE,			/* worth knowing: a key without effect, a value with a price */
	AB_CONFIG_WARNING,		/* works, but is most likely not what was meant */
	AB_CONFIG_ERROR,		/* the engine does not start */
};

struct ab_config_problem {
	enum ab_config_severity severity;
	struct ab_config_origin origin;
	char key[72];			/* "" when the line has none */
	char value[72];			/* printable, shortened with …, masked when it is or may be a secret */
	char reason[320];		/* what is wrong and what to do */
	char nearest[72];		/* the known key (or word) that was most likely meant; "" when none is near */
};

struct ab_config_problems {
	char file[AB_PATH_MAX_BYTES];	/* what a line's number is of */
	int errors, warnings, notes;	/* all of them */
	int count;			/* those kept; errors + warnings + notes - count are not */
	struct ab_config_problem problem[AB_CONFIG_PROBLEMS_MAX];
};

enum ab_config_result {
	AB_CONFIG_OK,			/* go on; there may be warnings and notes */
	AB_CONFIG_INVALID,		/* there are errors: print the problems, exit 78 */
};

/* Fills all of *config and *problems. */
enum ab_config_result ab_config_load(struct ab_config *config, const struct ab_config_sources *sources,
				     struct ab_config_problems *problems) AB_MUST_USE;

/* The defaults alone. */
void ab_config_defaults(struct ab_config *config);

bool ab_config_has_sink(const struct ab_config *config, const char *name);

/* ".env:14", "environment", "-s", "default". */
const char *ab_config_origin_text(const char *file, struct ab_config_origin origin, char *to, size_t room);
