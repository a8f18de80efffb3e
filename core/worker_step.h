/* core/worker_step.h — one step of one reader: a window of records from Kafka to chunks. Inside of core/worker.
 *
 * Threads: the worker's.
 */
#pragma once

#include "core/worker.h"

enum ab_step {
	AB_STEP_IDLE,		/* there was nothing to read */
	AB_STEP_BLOCKED,	/* a lane, the dead-letter topic or a missing content holds the next record back */
	AB_STEP_DONE,		/* records were processed: come again */
};

/* One turn of the worker's thread: the readers that are due, then what is due is sealed. Anything but DONE: it may sleep. */
enum ab_step ab_worker_turn(struct ab_worker *worker, int64_t now_ns);

enum ab_step ab_worker_step(struct ab_worker *worker, int r, int64_t now_ns);
