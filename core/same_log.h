/* core/same_log.h — whether a partition still holds the log that our positions are of.
 *
 * Offsets mean nothing in a topic that was deleted and created anew, or restored from elsewhere; once it has grown past
 * our position nothing else tells. So a commit carries the fingerprint of a record below it, and before anything is
 * read that record is looked at again.
 *
 * Threads: control; blocking for AB_SAME_LOG_WAIT_MS at most. Memory: a consumer of its own, for the length of a call.
 */
#pragma once

#include "core/config.h"
#include "core/position.h"

/* A fetch takes some milliseconds; a broker that is slower than this is in trouble of its own. */
#define AB_SAME_LOG_WAIT_MS 5000

enum ab_same_log {
	AB_SAME_LOG_YES,
	AB_SAME_LOG_NO,		/* another record stands there: *other is its partition */
	AB_SAME_LOG_UNKNOWN,	/* could not be looked at (retention, no answer in time): *other is the partition */
};

/* print[p] for each of the partitions listed; one with offset -1 is not looked at. */
enum ab_same_log ab_same_log(const struct ab_config *config, const struct ab_fingerprint *print,
			     const uint16_t *partition, int count, uint16_t *other);
