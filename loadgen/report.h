/* loadgen/report.h — what was sent, how late, and how long it took; as lines for people and as JSON.
 *
 * Two latencies, both from the time a batch was *meant* to leave: lateness ends when it leaves, commit when
 * PostgreSQL has acknowledged it. A slow database shows in both, and cannot hide by slowing the generator down.
 *
 * Threads: one. Memory: fixed.
 */
#pragma once

#include "core/base.h"
#include "loadgen/latency.h"
#include "loadgen/mix.h"

/* A batch that leaves later than this missed its time: a timer wakes within 0.1 ms, on a busy core within a few. */
#define AB_LATE_NS INT64_C(10000000)

struct ab_report {
	/* what was asked for */
	uint64_t seed;
	const char *target; /* "postgres", "kafka" */
	uint64_t contents;
	uint64_t contents_inserted;
	uint32_t connections;
	double rate_planned; /* 0: unpaced */
	uint64_t rows_planned; /* AB_PLAN_ENDLESS: no end */
	/* what happened; rows are creates, updates and deletes together */
	uint64_t batches_sent;
	uint64_t rows_sent;
	uint64_t rows_late;
	uint64_t sent[AB_MIX_KINDS];
	uint64_t acked[AB_MIX_KINDS];
	uint64_t row_gone;    /* updates and deletes acknowledged without a row: somebody else had deleted it */
	uint64_t without_row; /* updates and deletes that became creates */
	uint64_t poisoned;    /* records that nobody can read, on purpose */
	int64_t elapsed_ns;
	struct ab_latency late;
	struct ab_latency commit;
	struct ab_latency service; /* from leaving to acknowledged: what a late batch hides */
	const char *ended; /* "complete", "stopped", "failed" */
};

uint64_t ab_report_acked(const struct ab_report *r);

/* rows acknowledged and rows meant since the last line, in interval_ns. */
void ab_report_status(FILE *to, const struct ab_report *r, uint64_t acked_since, int64_t interval_ns);
void ab_report_text(FILE *to, const struct ab_report *r);
void ab_report_json(FILE *to, const struct ab_report *r);
