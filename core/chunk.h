/* core/chunk.h — the block of encoded records that travels from a worker to a lane.
 *
 *     | range p0 [first,next) | range p1 | … |      which offsets this chunk speaks for
 *     | record | record | record | …        |      those of them that are this lane's
 *
 * A lane's position moves over every offset of its partitions, also over records that are other lanes', are skipped or
 * went to the dead-letter topic. So a chunk names, per partition, the range of offsets it covers; records inside it
 * are in the order of their partition's offsets.
 *
 * Threads: filled by one worker, read by one sink thread, handed over by core/link.
 * Limits:  AB_CHUNK_BYTES of records; one range for each partition the worker owns.
 */
#pragma once

#include "core/base.h"
#include "core/limits.h"

/* Records are copied in steps of so many bytes. */
#define AB_COPY_STEP_BYTES 128

struct ab_record {
	int64_t offset;
	int64_t commit_ts_ms;	/* the row's commit in PostgreSQL, for freshness; 0 when unknown */
	uint32_t len;		/* bytes that follow, without the padding to eight */
	uint16_t partition;
	uint16_t reserved;
};

struct ab_range {
	uint16_t partition;
	int64_t first;		/* the previous chunk's next */
	int64_t next;		/* the first offset this chunk does not speak for */
};

struct ab_chunk {
	uint32_t used_bytes;
	uint32_t record_count;
	uint32_t range_count;
	int64_t sealed_ns;		/* when the worker handed it over */
	/* It may be taken once so many of the worker's letters are acknowledged: those of records below its ranges' ends. */
	uint64_t letters;
	struct ab_range range[AB_PARTITIONS_MAX];
	_Alignas(8) uint8_t bytes[AB_CHUNK_BYTES];
	uint8_t spare[AB_COPY_STEP_BYTES];	/* read with the last record, never used */
};

static inline size_t ab_record_size(uint32_t len)
{
	return sizeof(struct ab_record) + ((len + 7u) & ~7u);
}

static inline uint8_t *ab_record_bytes(struct ab_record *record)
{
	return (uint8_t *)(record + 1);
}

/* The record after this one; the caller counts. */
static inline struct ab_record *ab_record_next(struct ab_record *record)
{
	return (struct ab_record *)((uint8_t *)record + ab_record_size(record->len));
}
