/* loadgen/plan.h — the open-loop schedule: which batch is meant to leave when.
 *
 *     batch      0         1         2         3            rows in each: batch_rows, the last one what is left
 *     meant at   0      period    2 period  3 period
 *
 * The plan is fixed before the first row leaves and knows nothing of the database. A sender that cannot keep to it is
 * late and says how late; it neither skips a batch nor moves the following ones.
 *
 * Threads: any; pure. Memory: the caller's struct.
 */
#pragma once

#include "core/base.h"

/* Rows of one batch, which is one statement and at most one transaction: 10,000 rows are 4 MB of parameters. */
#define AB_PLAN_BATCH_ROWS_MAX 10000

/* Batches that --rate makes of a second, where the rate allows: short enough to be smooth, long enough to be cheap. */
#define AB_PLAN_BATCHES_PER_SECOND 50

/* Rows of a batch that --rate makes at most: beyond it a statement gets longer, but no row gets cheaper. */
#define AB_PLAN_RATE_BATCH_ROWS_MAX 1000

/* Ten million rows a second: three orders of magnitude beyond what one PostgreSQL takes. */
#define AB_PLAN_RATE_MILLI_MAX INT64_C(10000000000)

/* No end. */
#define AB_PLAN_ENDLESS UINT64_MAX

/* What --count and --seed may be: more than anybody waits for, and far from AB_PLAN_ENDLESS. */
#define AB_COUNT_MAX UINT64_C(1000000000000)

struct ab_plan {
	uint64_t rows;		/* rows of the whole plan, or AB_PLAN_ENDLESS */
	uint32_t batch_rows;
	/* One period is period_ns / divisor nanoseconds; kept as a fraction, so that an hour at 3 rows/s ends on time.
	 * 0: as fast as the database takes them. */
	int64_t period_ns;
	int64_t divisor;
};

/* A batch of batch_rows rows every interval_ns. */
struct ab_plan ab_plan_by_interval(int64_t interval_ns, uint32_t batch_rows);

/* rate_milli thousandths of a row per second, in batches of the plan's own choice. */
struct ab_plan ab_plan_by_rate(int64_t rate_milli);

/* No times: a batch leaves as soon as a connection takes it. */
struct ab_plan ab_plan_unpaced(uint32_t batch_rows);

/* Ends the plan after so many rows, or after the last batch meant before duration_ns; both: what comes first. An
 * unpaced plan has no times, so its duration is the caller's to watch. */
void ab_plan_end_after_rows(struct ab_plan *plan, uint64_t rows);
void ab_plan_end_after_time(struct ab_plan *plan, int64_t duration_ns);

/* When the batch is meant to leave, counted from the start of the plan. */
int64_t ab_plan_time_ns(const struct ab_plan *plan, uint64_t batch);

/* 0: the plan has ended. */
uint32_t ab_plan_rows(const struct ab_plan *plan, uint64_t batch);

/* Rows per second that the plan asks for; 0 when it has no times. */
double ab_plan_rate(const struct ab_plan *plan);
