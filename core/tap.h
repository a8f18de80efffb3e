/* core/tap.h — a share of the events as they went through a worker, kept for whoever looks.
 *
 *     worker:  wants(id)? ── begin ── to_sink … ── end ──▶ slot n % SLOTS ──copy──▶ any thread, as often as it likes
 *
 * Whether an event is chosen is a hash of its row's id alone: every engine, every start and every reading of the log
 * chooses the same rows, with all their changes; a smaller share's rows are among a larger one's.
 *
 * The newest samples overwrite the oldest, whether anybody has read them or not: nothing ever waits for a reader. A slot
 * bears the number of its sample, so a reader that was overtaken knows it.
 *
 * Threads: one writer, the worker; ab_tap_read() and ab_tap_count() from any.
 * Memory:  AB_TAP_SLOTS slots, taken at creation; none with a share of 0.
 * Source:  a sequence lock for each slot (H.-J. Boehm, "Can seqlocks get along with programming language memory
 *          models?", 2012), the data in relaxed atomics.
 */
#pragma once

#include "core/event.h"
#include "core/limits.h"
#include "core/stats.h"

/* What was read a moment ago, even when every event is chosen: a reader that comes ten times a second misses nothing below
 * 2,560 samples a second and worker. */
#define AB_TAP_SLOTS 256

/* One sample, with its record and what was written for each sink. The connector's records have 1.5 to 2 KB, documents
 * and rows 0.6; what does not fit is left out, and the sample says so. */
#define AB_TAP_SAMPLE_BYTES 4096

/* What became of an event at a sink, in the worker. */
enum ab_tap_outcome {
	AB_TAP_NOT_READ,	/* another reader's sink */
	AB_TAP_GIVEN,		/* handed over to its lane */
	AB_TAP_REPEATED,	/* the lane was given it before */
	AB_TAP_SKIPPED,		/* its operation means nothing to the sink */
	AB_TAP_REJECTED,	/* to the dead letters: reason */
};

struct ab_tap_sink {
	uint16_t outcome;
	uint16_t lane;
	uint32_t at, len;	/* what was written for it, in bytes[]; at == UINT32_MAX: there was no room */
	const char *reason;	/* static text */
};

#define AB_TAP_HEAD_BYTES (88 + AB_SINKS_MAX * 24)

struct ab_tap_sample {
	int64_t offset, kafka_ts_ms, commit_ts_ms, id, length_seconds, pct_hundredths;
	const struct ab_content_type *content_type;	/* lives as long as the content cache */
	const char *reader;		/* static text */
	uint16_t partition, has;	/* has: of the event */
	uint32_t op;			/* enum ab_op */
	uint32_t record_len;		/* of the whole record; it stands at bytes[0] */
	uint32_t record_kept;		/* record_len, or 0: there was no room */
	uint32_t used;			/* of bytes */
	uint32_t reserved;
	struct ab_tap_sink sink[AB_SINKS_MAX];
	uint8_t bytes[AB_TAP_SAMPLE_BYTES - AB_TAP_HEAD_BYTES];
};
_Static_assert(sizeof(struct ab_tap_sample) == AB_TAP_SAMPLE_BYTES, "a sample fills its slot");

struct ab_tap_slot {
	_Atomic uint64_t turn;		/* 2n + 1 while sample n is written, 2n + 2 then [T1] */
	_Atomic uint64_t word[AB_TAP_SAMPLE_BYTES / 8];
};

struct ab_tap {
	uint64_t below;			/* an event is chosen when the upper half of its hash is below; 0: none is */
	struct ab_tap_slot *slot;	/* AB_TAP_SLOTS; NULL: none is chosen */
	struct ab_tap_sample *open;	/* the worker's own, being filled */
	ab_count count;			/* samples ever taken */
};

/* percent: 0 to 100. */
void ab_tap_create(struct ab_tap *tap, int percent);
void ab_tap_destroy(struct ab_tap *tap);
size_t ab_tap_bytes(int percent);

/* The finalizer of splitmix64: neighbouring ids are unlike, and unlike what lanes are chosen by (core/route.h). */
static inline uint64_t ab_tap_hash(int64_t id)
{
	uint64_t x = (uint64_t)id + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Worker. */
static inline bool ab_tap_wants(const struct ab_tap *tap, int64_t id)
{
	return tap->below != 0 && ab_tap_hash(id) >> 32 < tap->below;
}

/* Worker. Begins a sample; value and len are the event's record. Every sink of the reader follows, then the end. */
void ab_tap_begin(struct ab_tap *tap, const struct ab_event *event, const char *reader, const void *value, size_t len);
/* bytes: what was written for the sink, with GIVEN; reason: with REJECTED. */
void ab_tap_to_sink(struct ab_tap *tap, int s, enum ab_tap_outcome outcome, uint32_t lane, const void *bytes, size_t len,
		    const char *reason);
void ab_tap_end(struct ab_tap *tap);

enum ab_tap_read {
	AB_TAP_READ,		/* *to is sample n, whole */
	AB_TAP_GONE,		/* overwritten by a newer one, or being so */
	AB_TAP_NOT_YET,		/* there is no sample n so far */
};
enum ab_tap_read ab_tap_read(const struct ab_tap *tap, uint64_t n, struct ab_tap_sample *to);

/* Samples ever taken: the next one's number. */
uint64_t ab_tap_count(const struct ab_tap *tap);
