/* core/config_env.h — reads the lines of an .env file, and refuses what others would read differently.
 *
 *     # a comment          REDIS_PORT=6379
 *                          POSTGRES_PASSWORD='p$ss'
 *
 * One file is read by Docker Compose, by systemd (EnvironmentFile=), by sh (set -a; . ./.env) and by us. They agree on
 * KEY=VALUE from the line's first column; on a plain value without blanks and characters of the shell's; on a value in
 * single quotes without ' and \; on one in double quotes without " \ $ and `; on lines that are empty or begin with #.
 * On all else they do not (export, a comment behind a value, ${…}, blanks around =, CRLF …): a mistake here.
 * Nothing is executed or replaced.
 *
 * Threads: any; pure. Memory: none: slices point into the text.
 * Sources: systemd.exec(5) EnvironmentFile=; POSIX 2.2 (quoting) and 2.6 (word expansions); Compose's .env syntax page.
 */
#pragma once

#include "core/base.h"

struct ab_env_reader {
	const char *at, *end;
	int line;
	int carriage_returns;		/* said once, not for each line */
};

struct ab_env_pair {
	int line;
	struct ab_text key;		/* at == NULL: the line has none that could be told */
	struct ab_text value;		/* without its quotes */
	const char *error;		/* what is wrong, and what to write instead */
};

enum ab_env_next {
	AB_ENV_PAIR,			/* key and value are set */
	AB_ENV_ERROR,			/* this line is refused; the next call goes on behind it */
	AB_ENV_END,
};

struct ab_env_reader ab_env_begin(const char *text, size_t len);
enum ab_env_next ab_env_next(struct ab_env_reader *reader, struct ab_env_pair *pair) AB_MUST_USE;

/* True when the text is UTF-8 without control characters: what a value, and a line for a terminal, must be. */
int ab_env_is_printable(const char *at, size_t len);
