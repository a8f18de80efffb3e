/* io/records.h — a walk through the record batches of one partition, as they lie in the answer to a Fetch.
 *
 *     batch = header (61 bytes: offsets, checksum, who produced it, compression), records
 *     walk:   checksum ─▶ aborted? control? wholly below what is wanted? ─▶ unpack ─▶ record by record
 *
 * Only what readers of committed records may see is given out. A batch that the answer cut off is not there. One that
 * cannot be read is never stepped over: the walk says which offset, and why.
 *
 * Threads: any; one walk belongs to one thread.
 * Memory:  keys and values are the answer's bytes, or the unpacker's: valid until either is used again.
 * Source:  https://kafka.apache.org/documentation/#recordbatch (format 2, since Kafka 0.11); KIP-98 for what is aborted.
 */
#pragma once

#include "io/unpack.h"
#include "io/wire.h"

#define AB_RECORDS_REASON_BYTES 160

struct ab_records_one {
	int64_t offset, timestamp_ms;
	const uint8_t *key, *value;	/* NULL: none */
	size_t key_len, value_len;
};

struct ab_records {
	struct ab_wire batches;		/* not begun yet */
	struct ab_wire batch;		/* what is left of the one begun */
	int32_t left;			/* records of it */
	bool packed;			/* it lies in the unpacker */
	bool log_append_time;
	int64_t base_offset, base_ms, append_ms;
	int64_t wanted;			/* the first offset that is */
	uint8_t *aborted;		/* {producer, first offset, tags} …; its first offset is overwritten when it is over */
	size_t aborted_bytes;
	int64_t aborted_count;
	struct ab_unpack *unpack;
	bool borrowed;			/* records were given out that lie in the unpacker: its owner sets it back */
	int64_t bad_offset;
	char bad[AB_RECORDS_REASON_BYTES];
};

enum ab_records_step {
	AB_RECORDS_ONE,
	AB_RECORDS_END,
	AB_RECORDS_BUSY,		/* the next batch needs the unpacker, and records in it are still out */
	AB_RECORDS_BAD,			/* bad says why, bad_offset where; the walk is over */
};

void ab_records_begin(struct ab_records *walk, const uint8_t *at, size_t len, int64_t wanted, struct ab_unpack *unpack);
/* What the answer says was aborted; without it nothing was. The bytes are written to. */
void ab_records_aborted(struct ab_records *walk, uint8_t *at, size_t len, int64_t count);
enum ab_records_step ab_records_next(struct ab_records *walk, struct ab_records_one *one);

/* Where reading goes on behind all whole batches, and the epoch of the last one's leader; `from` and -1 without any. */
struct ab_records_end {
	int64_t offset;
	int32_t epoch;
};
struct ab_records_end ab_records_end(const uint8_t *at, size_t len, int64_t from);
