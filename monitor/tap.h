/* monitor/tap.h — `anabranch tap`: asks a running engine for its samples (core/engine_tap.c) and prints them as they come.
 *
 * Ten times a second, or at once while there are more. It begins with the samples the engine still has.
 *
 * Threads: main, until it has shown enough or is killed. Memory: one answer.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"

struct ab_tap_options {
	const char *sink;	/* NULL: all */
	int64_t limit;		/* samples; 0: no end */
	bool raw, json;
};

/* Returns an exit code; what is wrong is on standard error. */
int ab_tap_follow(const struct ab_config *config, const struct ab_tap_options *options);
