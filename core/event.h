/* core/event.h — one change of one row of engagement_events, as every stage sees it.
 *
 * Made by core/decode from a Kafka record, completed by core/enrich, read by the sinks' encoders.
 *
 * Threads: belongs to one worker.
 * Memory:  borrows. Tokens point into the Kafka record (or into the decoder's scratch) and live until
 *          ab_decoder_reset(); content_type points into the content cache and lives as long as the cache.
 */
#pragma once

#include <stdbool.h>

#include "core/uuid.h"

struct ab_event_text;

enum ab_op {
	AB_OP_CREATE,	/* c */
	AB_OP_READ,	/* r: from a snapshot */
	AB_OP_UPDATE,	/* u */
	AB_OP_DELETE,	/* d, or __deleted == "true" */
};

/* One content type, kept once. json is the type as a JSON string token with its quotes, text the plain bytes. */
struct ab_content_type {
	uint16_t id;
	struct ab_text text;
	struct ab_text json;
};

/* Which of the optional fields an event has. */
enum {
	AB_HAS_CONTENT_ID = 1 << 0,
	AB_HAS_EVENT_TS = 1 << 1,
	AB_HAS_DURATION = 1 << 2,
	AB_HAS_LSN = 1 << 3,
	AB_HAS_LENGTH = 1 << 4,		/* enrichment: the content has a length */
	AB_HAS_PCT = 1 << 5,		/* enrichment: engagement_pct could be computed */
	AB_HAS_COMMIT_TS = 1 << 6,	/* source.ts_ms: the row's commit time in PostgreSQL */
};

struct ab_event {
	/* where it comes from */
	int64_t offset;
	int64_t kafka_ts_ms;
	int64_t commit_ts_ms;
	uint16_t partition;
	uint16_t has;
	enum ab_op op;
	bool snapshot;

	/* the row */
	int64_t id;
	int64_t lsn;
	int64_t event_us;		/* microseconds since 1970, UTC */
	int64_t duration_ms;
	struct ab_uuid content_id;
	/* JSON string tokens as they stand in the message, quotes included, already validated; at == NULL is null */
	struct ab_text content_id_json;
	struct ab_text user_id_json;
	struct ab_text event_type_json;
	struct ab_text device_json;
	/* numbers and the time likewise, where they stand there digit for digit as ab_format_i64() and ab_format_iso() would
	 * write them, but that the time may lack zeros at its end (…:12.35Z); at == NULL: nobody looked, or they do not */
	struct ab_text id_json, lsn_json, duration_json, event_ts_json;

	/* enrichment */
	const struct ab_content_type *content_type;	/* NULL: unknown */
	int64_t length_seconds;
	int64_t pct_hundredths;		/* engagement_pct * 100, rounded half away from zero */

	/* for the encoders, see core/event_text.h; NULL: nobody lent one */
	struct ab_event_text *text;
};
