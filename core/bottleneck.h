/* core/bottleneck.h — what limits the engine now, in a sentence.
 *
 * Each thread knows how long it worked, had nothing to do, or waited for the next one; each lane how long it waited for
 * answers. Over an interval that says who everybody waits for:
 *
 *     Kafka ─▶ workers ─▶ sink threads ─▶ sinks
 *
 * Workers that mostly wait for lanes are limited by what is behind them, workers that mostly wait for records by Kafka, or
 * by nothing when there are none. Pure; any thread.
 */
#pragma once

#include "core/base.h"
#include "core/limits.h"

#define AB_BOTTLENECK_TEXT_BYTES 192

enum ab_bottleneck_kind {
	AB_BOTTLENECK_NONE,		/* it keeps up */
	AB_BOTTLENECK_KAFKA,
	AB_BOTTLENECK_WORKERS,
	AB_BOTTLENECK_SINK_THREAD,
	AB_BOTTLENECK_SINK,		/* + index of the sink */
};

/* Of one interval. Shares are of its time: 0 to 1. */
struct ab_bottleneck {
	double worker_busy, worker_blocked;	/* the mean of all workers */
	double sink_thread_busy;		/* of the busiest */
	double fetch_ns, decode_ns, encode_ns, sink_thread_ns;	/* per record, of the thread's own time */
	uint64_t records;
	int64_t behind;			/* records in the log that no worker has read yet, about */
	int sink_count;
	struct ab_bottleneck_sink {
		const char *name;
		int lanes;
		double waiting;		/* for answers, the mean of its lanes */
		double answer_ms;	/* the mean of one answer */
	} sink[AB_SINKS_MAX];
};

/* Writes the sentence; returns the kind, for a sink AB_BOTTLENECK_SINK + its index. */
int ab_bottleneck_say(const struct ab_bottleneck *b, char to[AB_BOTTLENECK_TEXT_BYTES]);
