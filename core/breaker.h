/* core/breaker.h — tells poison from an outage: when a large share of what a sink is given is rejected, it is not the
 * records.
 *
 *     looks:   |----|----|----| … |----|----|        one mark of the counts per second, the last minute of them
 *              ^ oldest mark              ^ now      the window is what was counted between the two
 *
 *   CLOSED ──rejected in the window >= 100 and above the share──▶ OPEN        for good: a restart begins anew
 *
 * It never closes by itself: what rejected everything is for a person to look at, and a probe would send more of the
 * stream into the dead letters each time.
 *
 * A plain state machine: counts and the time come in as arguments.
 * Threads: one (control). Memory: fixed.
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"

#define AB_BREAKER_WINDOW_S 60
/* Fewer rejected records than this in a window are poison, however few the others are: a slow night and one bad client
 * must not stop a sink. */
#define AB_BREAKER_REJECTED_MIN 100

/* Ever growing counts of one sink. */
struct ab_breaker_counts {
	uint64_t given;			/* records encoded for it */
	uint64_t unfit;			/* records rejected before they reached it: not readable, or not to be encoded */
	uint64_t acked;			/* of those given */
	uint64_t rejected;		/* of those given, by the sink */
};

struct ab_breaker {
	int64_t share_percent;		/* above it the breaker opens; 100: never */
	bool open;
	struct {
		int64_t second;
		struct ab_breaker_counts counts;
	} mark[AB_BREAKER_WINDOW_S + 1];	/* by second, a ring */
	uint64_t window_records, window_rejected;	/* as of the last look */
};

void ab_breaker_create(struct ab_breaker *breaker, int64_t share_percent);

enum ab_breaker_result {
	AB_BREAKER_CLOSED,
	AB_BREAKER_OPENS,	/* with this look: stop the sink */
	AB_BREAKER_OPEN,	/* since an earlier one */
};
/* now_ns never goes back. */
enum ab_breaker_result ab_breaker_look(struct ab_breaker *breaker, const struct ab_breaker_counts *counts,
				       int64_t now_ns);
