/* core/batch.h — what a lane sends in one request: records that wait for their outcome.
 *
 * Filled by core/lane from chunks; its bytes are the records' encoded bytes one after another, so that a sink whose
 * wire form is their concatenation (Elasticsearch's _bulk) sends them as they lie. A sink's reply code writes each
 * item's outcome; core/lane decides what follows from them.
 *
 * Threads: the sink's thread alone.
 * Memory:  taken at start: item_max items and bytes_max bytes.
 */
#pragma once

#include "core/chunk.h"

enum ab_outcome {
	AB_OUTCOME_PENDING,	/* not answered: to be sent, or sent and waited for */
	AB_OUTCOME_ACKED,	/* durable in the sink */
	AB_OUTCOME_RETRY,	/* refused for now: send again after batch->retry_after_ms */
	AB_OUTCOME_REJECTED,	/* never acceptable: handed to the dead-letter topic */
};

struct ab_item {
	int64_t offset;
	int64_t commit_ts_ms;
	uint32_t at, len;	/* into bytes */
	uint16_t partition;
	uint16_t attempts;
	enum ab_outcome outcome;
};

struct ab_batch {
	struct ab_item *item;
	uint8_t *bytes;
	uint32_t item_count, item_max;
	uint32_t bytes_used, bytes_max;
	uint32_t range_count;
	struct ab_range range[AB_PARTITIONS_MAX];	/* what acknowledging this batch moves positions over */
	uint32_t retry_after_ms;	/* set by the reply code with AB_OUTCOME_RETRY; 0: the lane's own backoff */
	int64_t oldest_ns;		/* when its first chunk was taken, for linger */
};
