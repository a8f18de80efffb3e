/* loadgen/debezium.h — a row change as the Kafka record that Debezium 3.6 makes of it.
 *
 * The shapes are those of the PostgreSQL connector with the JSON converter: the full envelope, or unwrapped by
 * ExtractNewRecordState with rewritten deletes; each with and without the schema wrapper. They were copied from records
 * of the real connector; nothing here is shared with the engine's decoder.
 *
 * Threads: any; pure. Memory: the caller's buffers.
 */
#pragma once

#include "loadgen/event.h"

/* Schemas of up to 4 KB, and two rows whose payloads are all escaped. */
#define AB_DEBEZIUM_VALUE_MAX_BYTES(payload_bytes) (8192 + 4 * (size_t)(payload_bytes))
#define AB_DEBEZIUM_KEY_MAX_BYTES 256

enum ab_shape {
	AB_SHAPE_UNWRAPPED_SCHEMA, /* {"schema":…,"payload":{"id":…,"__op":"c",…}}: what the pipeline's connector writes */
	AB_SHAPE_UNWRAPPED,
	AB_SHAPE_ENVELOPE_SCHEMA, /* {"schema":…,"payload":{"before":…,"after":…,"source":…,"op":"c",…}} */
	AB_SHAPE_ENVELOPE,
};
#define AB_SHAPES 4

/* "unwrapped+schema" and so on, in the order of the enum. */
extern const char *const ab_shape_names[AB_SHAPES];

struct ab_change {
	char op;	   /* c u d */
	int64_t id;	   /* primary key of the row */
	int64_t lsn;	   /* grows with every change */
	int64_t event_us;  /* when the row was created; updates keep it */
	int64_t commit_us; /* when this change was */
	const struct ab_gen_event *row; /* as this change left it, or as it was when deleted */
	const struct ab_gen_event *before; /* of an update, else not read */
};

/* Both return the number of bytes written; the value has room for AB_DEBEZIUM_VALUE_MAX_BYTES of the row's payload. */
size_t ab_debezium_key(const struct ab_change *change, enum ab_shape shape, char to[AB_DEBEZIUM_KEY_MAX_BYTES]);
size_t ab_debezium_value(const struct ab_change *change, enum ab_shape shape, char *to, size_t room);
