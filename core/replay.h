/* core/replay.h — records through one sink again: a range of the log, or dead letters once their cause is gone.
 *
 *     [from, to) of the log, or the places of letters ─▶ decode ─▶ enrich ─▶ encode ─▶ one lane of that sink
 *
 * Positions are not touched, and other sinks not either; an engine may run. Only what the sink has passed is sent again:
 * what lies above its committed position is the engine's. A letter's record is read from its topic, where it still is;
 * else the letter's own value is taken.
 *
 * Elasticsearch: an external version makes a repeat change nothing. BigQuery: rows that are there are looked up and
 * not inserted again. Redis: refused, since a counter does not tell whether an event is in it.
 *
 * Threads: main, blocking; the content cache is loaded once. Memory: that of one lane, the cache, 16 bytes a letter.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"

struct ab_replay_options {
	const char *sink;
	/* A time (ISO 8601, or milliseconds since 1970), or places P:O with commas between: then only these partitions.
	 * to NULL: as far as the sink has got. */
	const char *from, *to;
};

/* Each returns the exit code: 0 all delivered, 1 something was rejected again or is gone, 64 refused, 69 away. */
int ab_replay_range(const struct ab_config *config, const struct ab_replay_options *options);
int ab_replay_letters(const struct ab_config *config, const char *sink);
