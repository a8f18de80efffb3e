/* sinks/redis_sum.h — what a batch adds up to: events and engagement per minute and type, and per minute and content.
 *
 * Redis' cost then grows with the number of different things counted, not with the number of events: 500 events of two
 * minutes and 16 types are 32 numbers.
 *
 *     window (minute) ──▶ type  ──▶ type  ──▶ …        cells of one table, found by hash, chained per window
 *                     └─▶ content ──▶ content ──▶ …
 *
 * Threads: one sum per lane, the sink's thread alone.
 * Memory:  taken at creation for item_max records: each makes at most one cell of each kind.
 * Limits:  the sums of one batch: item_max * AB_REDIS_PCT_MAX_HUNDREDTHS fits an int64_t by far.
 */
#pragma once

#include <stdbool.h>

#include "core/event.h"

/* One event's engagement, in hundredths of a percent: a 32-bit duration over one second makes 2.1e10. The script keeps
 * sums below 2^53, where Lua's numbers are exact: 90,000 events of this size in one minute. */
#define AB_REDIS_PCT_MAX_HUNDREDTHS INT64_C(100000000000)

/* What the worker writes for one event and the lane adds up. */
struct ab_redis_record {
	int64_t minute;			/* of the event's time, since 1970 */
	int64_t pct_hundredths;
	struct ab_uuid content_id;
	bool has_pct, has_content;
	bool future;			/* too far ahead of its Kafka record to move the newest minute */
	uint8_t type_len;
	const char *type;		/* in the record's bytes; none means unknown */
};

#define AB_REDIS_RECORD_HEAD_BYTES 34

size_t ab_redis_record_write(uint8_t *to, const struct ab_redis_record *record);
struct ab_redis_record ab_redis_record_read(const uint8_t *bytes, size_t len);

#define AB_REDIS_NONE UINT32_MAX

enum ab_redis_cell_kind { AB_REDIS_WINDOW, AB_REDIS_TYPE, AB_REDIS_CONTENT };

struct ab_redis_cell {
	enum ab_redis_cell_kind kind;
	uint32_t next;			/* WINDOW: the next window; else the next of its kind in the same window */
	int64_t minute;
	struct ab_uuid content_id;	/* CONTENT */
	struct ab_text type;		/* TYPE; points into the batch */
	int64_t events, pct_events, pct_hundredths;
	/* WINDOW: the heads and lengths of its two chains */
	uint32_t types, contents;
	uint32_t type_count, content_count;
};

struct ab_redis_sum {
	struct ab_redis_cell *cell;
	uint32_t cell_count, cell_max;
	/* Open addressing with linear probing; a slot is empty unless it bears the present round. */
	struct ab_redis_slot {
		uint32_t round, cell;
	} *slot;
	uint32_t slot_max;		/* of them */
	uint32_t slot_mask;		/* as many as this round's records need: few stay in the cache */
	uint32_t round;
	uint32_t windows, window_count;
	uint32_t last_window;		/* the cell of the last record's minute: the next one's nearly always */
	bool has_newest;
	int64_t newest_minute;		/* of records that are not future */
};

void ab_redis_sum_create(struct ab_redis_sum *sum, uint32_t item_max);
void ab_redis_sum_destroy(struct ab_redis_sum *sum);
size_t ab_redis_sum_bytes(uint32_t item_max);

/* Begins anew, for at most so many records. */
void ab_redis_sum_clear(struct ab_redis_sum *sum, uint32_t items);
void ab_redis_sum_add(struct ab_redis_sum *sum, const struct ab_redis_record *record);
