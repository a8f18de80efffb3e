/* loadgen/settings.h — what the generator takes from .env, the process environment and -s.
 *
 * The file is the engine's too: of its keys only the ones below are read, the others are the engine's to judge. A key
 * that is almost one of ours is a typing error and said to be one. Order: default, file, process environment, -s.
 *
 * A line is KEY=VALUE, empty, or a comment that begins with #. A value may stand in one pair of quotes. What a shell,
 * Compose and systemd read differently ($, a backslash at the end, ` #`, spaces around =, export, CR LF) is refused.
 * When a key stands in the file twice, the last one counts, as in a shell.
 *
 * Threads: one, at start. Memory: the caller's struct.
 */
#pragma once

#include "core/base.h"
#include "loadgen/text.h"

#define AB_SETTING_VALUE_MAX_BYTES 1024

/* A file of settings is a page or two; more than this is another file. */
#define AB_SETTINGS_FILE_MAX_BYTES (1024 * 1024)

/* A secret is given by its key, or in a file named by KEY_FILE. */
struct ab_secret {
	char value[AB_SETTING_VALUE_MAX_BYTES];
	char file[AB_SETTING_VALUE_MAX_BYTES]; /* empty: not given */
	char origin[512];		       /* of the value; empty: not given, the default counts */
};

struct ab_settings {
	int64_t interval_ms;	/* EVENT_INTERVAL_SECONDS */
	uint32_t batch_rows;	/* BATCH_SIZE */
	uint64_t content_rows;	/* CONTENT_ROWS */
	char host[AB_SETTING_VALUE_MAX_BYTES]; /* POSTGRES_… */
	char port[AB_SETTING_VALUE_MAX_BYTES];
	char database[AB_SETTING_VALUE_MAX_BYTES];
	char user[AB_SETTING_VALUE_MAX_BYTES];
	struct ab_secret password;
	char brokers[AB_SETTING_VALUE_MAX_BYTES]; /* KAFKA_BOOTSTRAP_SERVERS */
	char topic[AB_SETTING_VALUE_MAX_BYTES];	  /* EVENTS_TOPIC */
	/* Where stress looks for what was written. */
	char redis_host[AB_SETTING_VALUE_MAX_BYTES];
	char redis_port[AB_SETTING_VALUE_MAX_BYTES];
	char redis_user[AB_SETTING_VALUE_MAX_BYTES]; /* empty: the default user */
	struct ab_secret redis_password;	     /* empty: none */
	char search_host[AB_SETTING_VALUE_MAX_BYTES]; /* ELASTICSEARCH_… */
	char search_port[AB_SETTING_VALUE_MAX_BYTES];
	char search_user[AB_SETTING_VALUE_MAX_BYTES]; /* empty: none */
	struct ab_secret search_password;
	struct ab_secret search_api_key; /* empty: none */
	char metrics_host[AB_SETTING_VALUE_MAX_BYTES]; /* where the engine answers /metrics */
	char metrics_port[AB_SETTING_VALUE_MAX_BYTES];
};

void ab_settings_default(struct ab_settings *settings);

/* The text of a file; name stands in the messages. */
void ab_settings_text(struct ab_settings *settings, const char *name, const char *text, size_t len,
	struct ab_problems *problems);
void ab_settings_file(struct ab_settings *settings, const char *path, struct ab_problems *problems);

/* environment: KEY=VALUE strings, NULL at the end. */
void ab_settings_environment(struct ab_settings *settings, char *const *environment, struct ab_problems *problems);

/* One -s KEY=VALUE; a key that is not ours is a problem here. */
void ab_settings_argument(struct ab_settings *settings, const char *pair, struct ab_problems *problems);

/* After all of them: reads the *_FILE of secrets. */
void ab_settings_complete(struct ab_settings *settings, struct ab_problems *problems);
