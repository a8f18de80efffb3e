/* loadgen/target.h — how it went to give something to PostgreSQL or Kafka, and what a marked row is.
 *
 * A mark is a created row that is followed to every sink: what is needed to find it there, and its three times. The
 * target fills in id and commit_ns and hands it on when the row is committed.
 */
#pragma once

#include "core/base.h"

enum ab_target_result {
	AB_TARGET_OK,
	AB_TARGET_UNREACHABLE, /* no connection, or it broke; error says which and what to do: exit 69 */
	AB_TARGET_REFUSED,     /* something was refused; error says what: exit 1 */
};

/* Marks of one batch at most. */
#define AB_MARKS_BATCH_MAX 64

struct ab_mark {
	uint64_t row;	  /* of the generator */
	uint64_t content; /* number of its content, AB_GEN_MARK_FIRST or above */
	int64_t id;	  /* in the table */
	int64_t event_us; /* event_ts */
	int64_t meant_ns; /* by the plan; monotonic clock, like the next two */
	int64_t sent_ns;
	int64_t commit_ns; /* acknowledged by PostgreSQL or Kafka */
	uint32_t stage;
};

/* Takes a committed mark; called in the sending thread, must not block. */
typedef void ab_mark_taker(void *arg, const struct ab_mark *mark);
