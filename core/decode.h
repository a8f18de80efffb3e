/* core/decode.h — from the bytes of a Kafka record to an event or a reason.
 *
 * Accepts, without configuration: unwrapped (ExtractNewRecordState) and full envelope, each with and without the
 * {"schema":…,"payload":…} wrapper; tombstones and JSON null; op r c u d t m; __deleted; snapshot markers as text or
 * bool; times as ISO text, epoch micros or epoch millis.
 *
 * The schema is not read, so an integer time tells its unit by its size: microseconds from 10^14 on (1973), below that
 * milliseconds. Integers are integer tokens, exact to 64 bits. `__debezium_unavailable_value` is never data: a row that
 * does not tell one of its columns that sinks get is rejected, since writing it would null or garble what is there. So
 * is a delete that does not know its old row; both need REPLICA IDENTITY FULL, and the reason says so. Values that no
 * sink gets (raw_payload) are not looked at beyond their being JSON.
 *
 * Threads: one decoder per worker (or content) thread.
 * Memory:  taken at creation: the parser and a scratch for the few records whose padding would cross into the next
 *          page (with a sanitizer: for all). Events borrow from the record and the scratch until ab_decoder_reset().
 * Limits:  records above record_bytes_max are rejected by the caller before they come here.
 */
#pragma once

#include "core/event.h"
#include "core/shape.h"

enum ab_decode_result {
	AB_DECODE_EVENT,	/* *event is filled */
	AB_DECODE_TOMBSTONE,	/* null value or JSON null: skipped, counted */
	AB_DECODE_OTHER,	/* truncate, message, heartbeat: skipped, counted */
	AB_DECODE_REJECTED,	/* *reason says why: goes to the dead-letter topic */
	AB_DECODE_FULL,		/* scratch is full: use up the events so far, ab_decoder_reset(), call again */
};

/* Why a record was rejected, as counted; the text given beside it is for people. */
enum ab_reject {
	AB_REJECT_NOT_JSON,
	AB_REJECT_NOT_UTF8,
	AB_REJECT_SHAPE,
	AB_REJECT_MISSING_FIELD,
	AB_REJECT_WRONG_TYPE,
	AB_REJECT_OUT_OF_RANGE,
	AB_REJECT_TOO_LARGE,
	AB_REJECT_UNKNOWN_OP,
	AB_REJECT_COUNT,
};

/* Text of a reject code for metrics: "not_json", … */
const char *ab_reject_name(enum ab_reject code);

#define AB_REASON_MAX_BYTES 256
struct ab_reason {
	enum ab_reject code;
	char text[AB_REASON_MAX_BYTES];		/* terminated; names the field and the value's beginning */
};

struct ab_decoder;

/* Returns NULL when there is no memory. */
struct ab_decoder *ab_decoder_create(size_t record_bytes_max);
void ab_decoder_destroy(struct ab_decoder *decoder);
void ab_decoder_reset(struct ab_decoder *decoder);

/* How many messages were read by a learned shape (core/shape.h), and how many shapes were learned. Any thread. */
const struct ab_shape_counts *ab_decoder_shapes(const struct ab_decoder *decoder);

/* Bytes a decoder takes, for the memory bound. Most of them are touched only by records of the largest size. */
size_t ab_decoder_bytes(size_t record_bytes_max);

/* value == NULL is a tombstone. The caller sets partition, offset and kafka_ts_ms itself. */
enum ab_decode_result ab_decode_event(struct ab_decoder *decoder, const void *value, size_t len, struct ab_event *event,
				      struct ab_reason *reason);

/* One change of the content table. A row without __op is one that is there; of a deleted one only the id is set. */
struct ab_content_row {
	struct ab_uuid id;
	bool deleted;
	bool has_length;
	int64_t length_seconds;
	size_t type_len;
	char type[AB_REASON_MAX_BYTES];		/* unescaped; longer than AB_CONTENT_TYPE_MAX_BYTES is rejected */
};

enum ab_decode_result ab_decode_content(struct ab_decoder *decoder, const void *value, size_t len,
					struct ab_content_row *row, struct ab_reason *reason);
