/* core/lane.h — one ordered stream into a sink: what it has accepted, what is in flight, what is durable.
 *
 * A plain state machine: chunks, outcomes and the time come in as arguments; no threads, no clock, no I/O.
 *
 *            take(chunk)                    start                     settle: all acked, or dead letters acked
 *     chunk ────────────▶ filling batch ──────────▶ sending batch ─────────────────────────▶ positions move
 *                                                     │      ▲
 *                                     retry, outage, lost    again (due)
 *                                                     ▼      │
 *                                                     WAITING
 *
 *   IDLE ──start──▶ IN_FLIGHT ──settle──▶ IDLE | WAITING (some to be sent again) | DEAD_LETTERS (their acks missing)
 *
 * Invariants
 *   1. position[p] <= first offset of the sending batch <= first of the filling batch <= accepted[p].
 *   2. accepted[p] moves over exactly the offsets of the chunks taken: a chunk that begins above it is a bug (GAP).
 *   3. A record below accepted[p] is dropped: it was given before, and is applied or under way.
 *   4. position[p] moves only when every item below it is acked, or rejected and its dead letter acked.
 *
 * Threads: the sink's thread; position and acks are read or written by others as their comments say.
 * Memory:  two batches, taken at creation.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/acks.h"
#include "core/batch.h"

enum ab_lane_state {
	AB_LANE_IDLE,		/* nothing in flight */
	AB_LANE_IN_FLIGHT,	/* a request is under way */
	AB_LANE_WAITING,	/* to be sent again at due_ns, or when the connection is back */
	AB_LANE_DEAD_LETTERS,	/* every item settled; dead letters not yet acked by Kafka */
};

struct ab_lane_limits {
	uint32_t batch_size;		/* items that make a batch worth sending */
	uint32_t item_max;		/* items that fit one batch; more wait in the chunks */
	uint32_t bytes_max;
	int64_t linger_ns;		/* how long a batch waits to fill */
	int64_t cover_linger_ns;	/* how long offsets without records wait before they are worth a request */
	uint32_t jitter_seed;		/* another for each lane: they must not come back in step */
	bool stores_positions;		/* the sink keeps positions itself: offsets without records need a request too */
};

struct ab_lane {
	struct ab_lane_limits limits;
	enum ab_lane_state state;
	struct ab_batch batch[2];
	struct ab_batch *filling, *sending;
	int64_t accepted[AB_PARTITIONS_MAX];		/* next offset this lane takes; -1: not its partition */
	/* Next offset not known to be durable; written by the sink thread, read by control [N1]; -1: not its partition. */
	_Atomic int64_t position[AB_PARTITIONS_MAX];
	int64_t due_ns;
	uint32_t attempt;
	bool filling_full;				/* the next chunk did not fit */
	bool draining;					/* send what there is, linger or not */
	uint64_t repeated;				/* records dropped because they were given before, ever growing */
	uint64_t dead_sent;				/* dead letters handed over for the sending batch, ever growing */
	struct ab_acks acks;				/* of those */
};

void ab_lane_create(struct ab_lane *lane, const struct ab_lane_limits *limits);
void ab_lane_destroy(struct ab_lane *lane);
size_t ab_lane_bytes(const struct ab_lane_limits *limits);

/* Forgets batches and positions; the dead-letter counts stay, since acks may still come. */
void ab_lane_reset(struct ab_lane *lane);
/* Begins partition p at offset next. The lane must not hold it. */
void ab_lane_begin(struct ab_lane *lane, uint16_t p, int64_t next);

enum ab_lane_take {
	AB_LANE_TAKEN,		/* the chunk may be released */
	AB_LANE_FULL,		/* no room until the batch in flight is settled: leave the chunk where it is */
	AB_LANE_GAP,		/* the chunk begins above what was accepted: a bug; nothing was taken */
};
enum ab_lane_take ab_lane_take(struct ab_lane *lane, struct ab_chunk *chunk, int64_t now_ns);

/* What to do with the lane now. *due_ns: when to ask again at the latest (INT64_MAX: only when something happens). */
enum ab_lane_next {
	AB_LANE_WAIT,		/* nothing to do */
	AB_LANE_START,		/* ab_lane_start(), then send the batch */
	AB_LANE_SEND_AGAIN,	/* ab_lane_resume(), then send what is pending */
	AB_LANE_SETTLE,		/* the dead letters are acked: ab_lane_settle() */
};
enum ab_lane_next ab_lane_next(const struct ab_lane *lane, int64_t now_ns, int64_t *due_ns);

/* Swaps the batches. Returns false when the batch needs no request (offsets without records): positions have moved. */
bool ab_lane_start(struct ab_lane *lane);
void ab_lane_resume(struct ab_lane *lane);

/* After an answer that gave every item sent its outcome. Returns the new state. */
enum ab_lane_state ab_lane_settle(struct ab_lane *lane, int64_t now_ns);
/* The sink as a whole refused: the pending items are sent again after the backoff. */
void ab_lane_outage(struct ab_lane *lane, int64_t now_ns);
/* The connection was lost: send again as soon as it is back. */
void ab_lane_lost(struct ab_lane *lane, int64_t now_ns);

int64_t ab_lane_position(const struct ab_lane *lane, uint16_t p);

/* Events of this lane that are accepted and not durable. */
uint32_t ab_lane_held(const struct ab_lane *lane);

/* 100 ms doubling to 10 s, with jitter of a quarter so that lanes do not come back in step. Pure. */
int64_t ab_lane_backoff_ns(uint32_t attempt, uint32_t seed);
