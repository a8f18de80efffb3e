/* core/errand.h — a question to a sink that may take long to answer, and its answer.
 *
 * Threads: whoever has it; run() blocks for the sink's time-outs at most.
 */
#pragma once

#include "sinks/sink.h"

#define AB_COURIER_WARNINGS_MAX_BYTES 2048

enum ab_errand_kind {
	AB_ERRAND_MEET,		/* is it there, and where does it stand? Makes what is missing, but never positions */
	AB_ERRAND_TEND,		/* what has to be done about once a second; and has a sink that keeps positions gone back? */
};

struct ab_errand {
	enum ab_errand_kind kind;
	int64_t number;
	/* MEET: as committed; on return as the sink has them. TEND: what the lanes know to be durable. */
	struct ab_sink_positions positions;
	bool went_back;		/* TEND: it has less than that */
	enum ab_sink_status status;
	char error[AB_SINK_ERROR_MAX_BYTES];
	char warnings[AB_COURIER_WARNINGS_MAX_BYTES];	/* one a line */
};

void ab_errand_run(struct ab_errand *errand, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total);
