/* bench/broker/positions.h — what groups have committed, as long as the process lives.
 *
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "bench/broker/log.h"

#define GROUPS_MAX 512
#define METADATA_MAX_BYTES 4096

struct position {
	char group[256];
	char topic[256];
	struct {
		int64_t offset;
		char metadata[METADATA_MAX_BYTES];
	} of[PARTITIONS_MAX];
};

/* Those of a group in a topic, empty (-1) when they are asked for first. */
struct position *position_of(const char *group, const char *name);
