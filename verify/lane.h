/* verify/lane.h — how far a sink has got, and whether it must have a record: positions and lanes read anew.
 *
 * A record is a lane's by a hash of one of its fields, the layout is in the group's commit (docs/DELIVERY.md), and
 * the lane's position says whether the record must be there.
 *
 * Threads: any; pure.
 */
#pragma once

#include "core/limits.h"
#include "verify/record.h"

#define AB_VERIFY_KEY_BYTES 32

struct ab_verify_positions {
	bool known;
	int lanes;
	char key[AB_VERIFY_KEY_BYTES];
	/* -1: none */
	int64_t next[AB_PARTITIONS_MAX][AB_LANES_MAX];
};

/* The part of a commit's metadata that is this sink's. false: it has none, or it cannot be read. */
bool ab_verify_positions_read(struct ab_verify_positions *positions, int partition, int64_t offset, const char *metadata,
			      const char *sink);

int64_t ab_verify_positions_least(const struct ab_verify_positions *positions, int partition);
int64_t ab_verify_positions_most(const struct ab_verify_positions *positions, int partition);

enum ab_verify_due {
	AB_DUE,		/* applied: it must be there */
	AB_NOT_DUE,	/* not applied for sure, as far as the positions know */
	AB_DUE_UNSURE,	/* its lane cannot be told: the field was escaped in the record, perhaps */
};
enum ab_verify_due ab_verify_due(const struct ab_verify_positions *positions, const struct ab_verify_event *event);

/* -1: cannot be told. */
int ab_verify_lane(const struct ab_verify_event *event, const char *key, int lanes);
