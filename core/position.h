/* core/position.h — the text that travels with a committed offset: every sink's lane positions, exactly.
 *
 * The offset committed for a partition is the minimum over all sinks and lanes: a floor. The exact positions are in
 * the commit's metadata, relative to it:
 *
 *     ab1 <cluster> <offset>:<timestamp>:<crc> redis/6/content_id=0,0,3,0,0,1 elasticsearch/4/id=0,0,0,128
 *     ▲   ▲         ▲ fingerprint of a record below the offset: is this still the same log?   ▲ lane positions
 *     │   Kafka's cluster id: is this still the same Kafka?                                   minus the offset
 *     version
 *
 * Threads: any; pure.
 * Limits:  Kafka's default bound for metadata is 4,096 bytes (offset.metadata.max.bytes).
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"
#include "core/limits.h"

#define AB_POSITION_TEXT_MAX_BYTES 4096
#define AB_POSITION_NAME_MAX_BYTES 32

struct ab_fingerprint {
	int64_t offset;		/* -1: none yet */
	int64_t timestamp_ms;
	uint32_t crc;		/* CRC-32C of the record's value */
};

struct ab_sink_position {
	char sink[AB_POSITION_NAME_MAX_BYTES];
	char key[AB_POSITION_NAME_MAX_BYTES];	/* layout: which field decides the lane */
	int lanes;				/* layout: how many */
	int64_t next[AB_LANES_MAX];		/* absolute */
};

struct ab_positions {
	char cluster[AB_CLUSTER_ID_MAX_BYTES];
	struct ab_fingerprint fingerprint;
	int sink_count;
	struct ab_sink_position sink[AB_SINKS_MAX];
};

/* The smallest position in it: what may be committed. sink_count > 0. */
int64_t ab_positions_min(const struct ab_positions *positions);

/* Writes the text for a commit at offset (<= every position); returns its length, 0 when it does not fit. */
size_t ab_positions_write(const struct ab_positions *positions, int64_t offset, char *to, size_t room);

enum ab_positions_result {
	AB_POSITIONS_OK,
	AB_POSITIONS_NONE,	/* no metadata: committed by somebody else's tool, or never */
	AB_POSITIONS_FOREIGN,	/* metadata that is not ours or cannot be understood */
};
enum ab_positions_result ab_positions_read(struct ab_positions *positions, int64_t offset, const char *text);

const struct ab_sink_position *ab_positions_find(const struct ab_positions *positions, const char *sink);

/* Fits a stored sink's positions to the layout in the configuration. A drained sink (all lanes equal) may change it. */
enum ab_layout_result {
	AB_LAYOUT_SAME,
	AB_LAYOUT_CHANGED,	/* next[] is filled for the new layout */
	AB_LAYOUT_REFUSED,	/* lanes are not equal: the old layout is needed once to drain */
};
enum ab_layout_result ab_layout_fit(struct ab_sink_position *stored, int lanes, const char *key);
