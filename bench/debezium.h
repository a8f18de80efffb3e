/* bench/debezium.h — a row change as the Kafka record that Debezium 3.6 makes of it.
 *
 * The shape is the pipeline's: PostgreSQL connector, ExtractNewRecordState with rewritten deletes, JSON converter. It
 * was copied from records of the real connector; nothing here is shared with the engine's decoder.
 *
 * Threads: any; pure. Memory: the caller's buffers.
 */
#pragma once

#include "bench/changes.h"

/* The schema has 1,270 bytes, a row with the longest payload all escaped below 1,400. */
#define AB_DEBEZIUM_VALUE_MAX_BYTES 4096
#define AB_DEBEZIUM_KEY_MAX_BYTES 256

enum ab_debezium_shape {
	AB_DEBEZIUM_WRAPPED, /* {"schema":…,"payload":…}: what the pipeline's connector writes */
	AB_DEBEZIUM_BARE,    /* the payload alone: schemas.enable=false */
};

/* Both return the number of bytes written. */
size_t ab_debezium_key(const struct ab_change *change, enum ab_debezium_shape shape,
		       char to[AB_DEBEZIUM_KEY_MAX_BYTES]);
size_t ab_debezium_value(const struct ab_change *change, enum ab_debezium_shape shape,
			 char to[AB_DEBEZIUM_VALUE_MAX_BYTES]);
