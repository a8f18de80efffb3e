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

struct ab_settings {
	int64_t interval_ms;	/* EVENT_INTERVAL_SECONDS */
	uint32_t batch_rows;	/* BATCH_SIZE */
	uint64_t content_rows;	/* CONTENT_ROWS */
	char host[AB_SETTING_VALUE_MAX_BYTES];
	char port[AB_SETTING_VALUE_MAX_BYTES];
	char database[AB_SETTING_VALUE_MAX_BYTES];
	char user[AB_SETTING_VALUE_MAX_BYTES];
	char password[AB_SETTING_VALUE_MAX_BYTES];
	char password_file[AB_SETTING_VALUE_MAX_BYTES]; /* empty: not given */
	char password_origin[512];			/* empty: not given, the default counts */
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

/* After all of them: reads POSTGRES_PASSWORD_FILE. */
void ab_settings_complete(struct ab_settings *settings, struct ab_problems *problems);
