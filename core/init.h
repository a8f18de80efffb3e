/* core/init.h — `anabranch init`: creates what the engine needs and will never create by itself, once.
 *
 *     dead-letter topic; per sink its template, table, view, positions; the group's first commit with all positions
 *
 * What is there stays as it is, so it may be run again: a sink added to SINKS gets its positions so.
 *
 * Threads: main; blocking.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"

/* A sink that keeps its positions itself, that the group's commit knows, and that has none any more was emptied: that is
 * refused, unless yes says to begin it anew at `from` (earliest counts everything the topic still holds again).
 *
 * from: "earliest", "latest", "group:NAME" or a time (ISO 8601, or milliseconds since 1970). Returns the exit code. */
int ab_init_run(const struct ab_config *config, const char *from, bool yes);
