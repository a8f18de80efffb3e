/* loadgen/event.h — rows of engagement_events, and what an update makes of one.
 *
 * Event n of a source is a pure function of (source, n). Its id is given by the database, its time by the database or by
 * --event-ts; all else is here. An update may regenerate the row it changes instead of keeping it.
 *
 * Threads: any; pure. Memory: the caller's struct.
 */
#pragma once

#include "core/base.h"
#include "loadgen/zipf.h"

/* duration_ms of an event that has none: a click, or a content without length. NULL in the table. */
#define AB_GEN_NO_DURATION (-1)

/* raw_payload as it comes: 120 bytes of names and ids around the longest user agent below. */
#define AB_GEN_PAYLOAD_PLAIN_BYTES 384
/* And padded by --payload-bytes: 10,000 rows of it are a statement of 640 MB, just below PostgreSQL's bound. */
#define AB_GEN_PAYLOAD_MAX_BYTES 65536

/* Where events come from. skew.count is 0 or contents. */
struct ab_gen_source {
	uint64_t seed;
	uint64_t contents;	/* events point to contents 0 .. contents-1 of the seed */
	uint32_t payload_bytes; /* raw_payload is filled up to this; 0: as it comes */
	struct ab_zipf skew;	/* over the contents; content 0 is the likeliest */
};

struct ab_gen_event {
	uint8_t content_id[16];
	uint8_t user_id[16];
	const char *type;
	const char *device;
	int32_t content_length_seconds;
	int32_t duration_ms;
	uint32_t payload_len;
	char payload[AB_GEN_PAYLOAD_MAX_BYTES];
};

struct ab_gen_update {
	const char *device;
	int32_t duration_ms;
};

void ab_gen_event(const struct ab_gen_source *source, uint64_t number, struct ab_gen_event *out);

/* Makes a mark of the event: a play of the given content, AB_GEN_MARK_FIRST or above, worth AB_GEN_MARK_PERCENT. */
void ab_gen_event_mark(const struct ab_gen_source *source, uint64_t content, struct ab_gen_event *event);

/* What operation `operation` writes over the row of event `number`: duration by the same rules, device at random. */
void ab_gen_update(const struct ab_gen_source *source, uint64_t operation, uint64_t number, struct ab_gen_update *out);
