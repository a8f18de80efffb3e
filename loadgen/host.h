/* loadgen/host.h — the machine and the verifier, as seen from outside. Threads: one. */
#pragma once

#include "loadgen/result.h"

void ab_host_describe(struct ab_host *host);

/* Runs `anabranch verify --format json`, the program beside this one, with the same -e and -s, and reads its answer. It
 * compares what came to Kafka from a minute before the test on: Redis is compared by whole minutes, so all of the test's
 * are. What keeps it from running is said in result->why. */
void ab_host_verify(struct ab_verify_result *result, const struct ab_arguments *arguments,
	int64_t started_ms);
