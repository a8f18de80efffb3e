/* core/link.h — the way from one worker to one lane: full chunks there, empty chunks back.
 *
 *     worker ── full ──▶ lane
 *       ▲                 │
 *       └───── empty ─────┘
 *
 * The chunks of a link never leave it. When none is empty, the lane is behind: that is back-pressure, and the worker
 * tries the event again after a wake.
 *
 * A worker sleeps mostly because Kafka has nothing, so a release wakes it only when it asked for it:
 *
 *     worker: none empty ── wanted := 1 [N1] ── still none? ── yes ─▶ back-pressure
 *     lane:   gives one back ── wanted was 1 [N1]? ── yes ─▶ wakes the worker
 *
 * Both exchange, so one comes first: the lane sees what the worker wants, or the worker sees the chunk.
 *
 * Threads: open and seal by the worker, peek and release by the sink thread; reset while both are parked.
 * Memory:  AB_LINK_CHUNKS chunks, taken at creation.
 */
#pragma once

#include <stdbool.h>

#include "core/chunk.h"
#include "core/ring.h"
#include "core/stats.h"

struct ab_link {
	struct ab_ring full, empty;
	struct ab_chunk *chunk;				/* AB_LINK_CHUNKS of them */
	/* the worker's */
	struct ab_chunk *open;				/* being filled, or NULL */
	int64_t covered[AB_PARTITIONS_MAX];		/* the next offset of each partition not yet sealed; -1: not ours */
	int64_t sealed_ns;				/* when a chunk was last sealed */
	_Atomic int wanted;				/* [N1]; cleared by the sink thread */
	ab_count repeated;				/* records not handed over: the lane was given them before */
};

void ab_link_create(struct ab_link *link);
void ab_link_destroy(struct ab_link *link);
size_t ab_link_bytes(void);

/* Both sides parked: forgets everything under way; nothing is covered until the caller says so. */
void ab_link_reset(struct ab_link *link);

/* Worker. Opens a chunk when none is; false: back-pressure. */
bool ab_link_open(struct ab_link *link);

/* Worker. The chunk being filled, with at least room_bytes left, opening one if need be; a chunk without room or with
 * record_max records must be sealed first (NULL with link->open set). NULL with link->open == NULL: back-pressure. */
static inline struct ab_chunk *ab_link_room(struct ab_link *link, size_t room_bytes, uint32_t record_max)
{
	AB_ASSERT(room_bytes <= AB_CHUNK_BYTES);
	if (AB_UNLIKELY(link->open == NULL) && !ab_link_open(link))
		return NULL;
	struct ab_chunk *chunk = link->open;
	return AB_CHUNK_BYTES - chunk->used_bytes < room_bytes || chunk->record_count >= record_max ? NULL : chunk;
}

/* Worker. Where the next record of the open chunk goes. */
static inline struct ab_record *ab_link_record(struct ab_chunk *chunk)
{
	return (struct ab_record *)(chunk->bytes + chunk->used_bytes);
}

/* Worker. Takes up the record written there. The next one will be about as long; its lines are asked for now, because the
 * sink thread read them last and has them (PERFORMANCE.md row P-7). */
static inline void ab_link_append(struct ab_chunk *chunk, struct ab_record *record)
{
	size_t size = ab_record_size(record->len);

	AB_ASSERT((uint8_t *)record == chunk->bytes + chunk->used_bytes);
	chunk->used_bytes += (uint32_t)size;
	chunk->record_count++;
	AB_ASSERT(chunk->used_bytes <= AB_CHUNK_BYTES);
	for (size_t at = chunk->used_bytes; at < ab_min_u64(chunk->used_bytes + size, AB_CHUNK_BYTES); at += AB_CACHE_LINE_BYTES)
		__builtin_prefetch(chunk->bytes + at, 1);
}

/* Worker. Hands the open chunk over; it speaks for all offsets below next[p] of the partitions listed. */
void ab_link_seal(struct ab_link *link, const uint16_t *partition, int count, const int64_t *next, int64_t now_ns);

/* Worker. Drops the open chunk's records: their offsets are not covered and will be read again. */
void ab_link_discard(struct ab_link *link);

/* Sink thread. release: whether the worker found none empty since the last one, and must be woken for this one. */
struct ab_chunk *ab_link_peek(struct ab_link *link);
bool ab_link_release(struct ab_link *link);
