/* core/readers.h — which sinks read together.
 *
 * A reader is one sequential reading of the assigned partitions for a set of sinks. Sinks that stand close to each
 * other share one; a sink far behind the foremost gets a reader of its own, from its own position, so that nobody
 * waits for it; a sink that cannot be reached has none. When it has come close again it joins the shared one.
 *
 *     ABSENT ──answers──▶ PRIVATE ──stands where the shared one stands──▶ SHARED
 *        ▲                   ▲  │                                         │  │
 *        │                   └──┼── holds the others up (starve.h) ◀──────┘  │
 *        └──────────────────────┴── stopped, or its positions went back ◀────┘
 *
 * This file makes the plan for the moment when partitions come, or nobody is left at the shared reader; in between,
 * single sinks leave and join without the others' noticing (worker_readers.h). A plain function of positions and
 * states; no threads, no clock, no I/O.
 */
#pragma once

#include <stdbool.h>

#include "core/limits.h"
#include "core/base.h"

/* How far behind the foremost sink, in records of one partition, a sink may be and still share its reader. Below it a
 * common reading re-reads at most this much for the sinks ahead (they drop it, about 0.2 us a record); above it, a
 * second reading is cheaper than making everybody wait. A crash leaves sinks less than one buffer apart (10,000). */
#define AB_READER_JOIN_RECORDS 100000

struct ab_reader_sink {
	bool ready;				/* reachable, with known positions */
	bool apart;				/* reads by itself, however close it stands, while others read together */
	int64_t next[AB_PARTITIONS_MAX];	/* least offset any of its lanes needs; -1: partition not assigned */
};

/* reader[s]: the reader of sink s: 0 is the shared one, 1 + s its own, -1 none. */
struct ab_reader_plan {
	int reader[AB_SINKS_MAX];
	int64_t start[AB_READERS_MAX][AB_PARTITIONS_MAX];	/* where each reader begins; -1: does not read it */
};

void ab_readers_plan(const struct ab_reader_sink *sink, int sink_count, struct ab_reader_plan *plan);
