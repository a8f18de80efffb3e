/* verify/verify.h — `anabranch verify`: is what the sinks hold what the log says?
 *
 *     positions, snapshots of the sinks ─▶ end of the log ─▶ dead letters, contents, events ─▶ sinks, one by one
 *
 * In this order nothing that a sink holds is unknown, and nothing below a sink's position is missing for a good reason,
 * while the engine runs. Read: PostgreSQL by libpq, Kafka by librdkafka, Redis by hiredis, the other two by libcurl and
 * jansson. No decoder, encoder or sink of the engine takes part: what they do wrong must not be done again here.
 *
 * Threads: main, blocking. Memory: verify/ledger.h says how much, before it is taken.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"

#define AB_VERIFY_EXAMPLES_DEFAULT 5

struct ab_verify_options {
	const char *sinks;	/* "redis,postgres"; NULL: PostgreSQL and all of SINKS */
	const char *since;	/* a time; NULL: all that the log holds */
	int examples;		/* of each kind of difference */
	bool json;
};

/* Returns the exit code: 0 all agree, 1 something differs, 69 something could not be reached. */
int ab_verify_run(const struct ab_config *config, const struct ab_verify_options *options);
