/* loadgen/follow.h — sends the batches of a plan when they are due. run, ceiling and stress all go through here.
 *
 * Threads: the sender's. Memory: the caller's struct.
 */
#pragma once

#include "loadgen/plan.h"
#include "loadgen/report.h"
#include "loadgen/sender.h"

struct ab_follow {
	struct ab_sender *sender;
	const struct ab_plan *plan;
	struct ab_report *report;
	int64_t start_ns;     /* the plan's times count from here */
	int64_t unpaced_ns;   /* a plan without times ends after this; < 0: by its rows alone */
	/* Called for each batch after its operations were chosen; may be NULL. */
	void (*chosen)(void *arg, uint32_t rows, int64_t meant_ns);
	void *arg;
};

/* Returns when the last batch has been sent, a stop was asked for, or something failed; answers may still be under way. */
enum ab_target_result ab_follow(const struct ab_follow *follow);
