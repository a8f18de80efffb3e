/* loadgen/plan.c — see plan.h for what a plan is. */
#include "loadgen/plan.h"

#define NS_PER_S INT64_C(1000000000)

struct ab_plan ab_plan_by_interval(int64_t interval_ns, uint32_t batch_rows)
{
	AB_ASSERT(interval_ns > 0);
	AB_ASSERT(batch_rows > 0 && batch_rows <= AB_PLAN_BATCH_ROWS_MAX);
	return (struct ab_plan){
		.rows = AB_PLAN_ENDLESS, .batch_rows = batch_rows, .period_ns = interval_ns, .divisor = 1};
}

struct ab_plan ab_plan_by_rate(int64_t rate_milli)
{
	AB_ASSERT(rate_milli > 0 && rate_milli <= AB_PLAN_RATE_MILLI_MAX);
	int64_t rows = (rate_milli + 1000 * AB_PLAN_BATCHES_PER_SECOND - 1) / (1000 * AB_PLAN_BATCHES_PER_SECOND);
	if (rows > AB_PLAN_RATE_BATCH_ROWS_MAX)
		rows = AB_PLAN_RATE_BATCH_ROWS_MAX;
	return (struct ab_plan){.rows = AB_PLAN_ENDLESS,
		.batch_rows = (uint32_t)rows,
		.period_ns = rows * NS_PER_S * 1000,
		.divisor = rate_milli};
}

struct ab_plan ab_plan_unpaced(uint32_t batch_rows)
{
	AB_ASSERT(batch_rows > 0 && batch_rows <= AB_PLAN_BATCH_ROWS_MAX);
	return (struct ab_plan){.rows = AB_PLAN_ENDLESS, .batch_rows = batch_rows, .period_ns = 0, .divisor = 1};
}

void ab_plan_end_after_rows(struct ab_plan *plan, uint64_t rows)
{
	plan->rows = ab_min_u64(plan->rows, rows);
}

void ab_plan_end_after_time(struct ab_plan *plan, int64_t duration_ns)
{
	AB_ASSERT(duration_ns >= 0);
	if (plan->period_ns == 0)
		return;
	/* Batches k with k * period_ns / divisor < duration_ns. */
	__int128 scaled = (__int128)duration_ns * plan->divisor;
	__int128 rows = (scaled + plan->period_ns - 1) / plan->period_ns * plan->batch_rows;
	if (rows < (__int128)plan->rows)
		plan->rows = (uint64_t)rows;
}

int64_t ab_plan_time_ns(const struct ab_plan *plan, uint64_t batch)
{
	return (int64_t)((__int128)plan->period_ns * batch / plan->divisor);
}

uint32_t ab_plan_rows(const struct ab_plan *plan, uint64_t batch)
{
	if (batch >= AB_PLAN_ENDLESS / plan->batch_rows)
		return 0;
	uint64_t before = batch * plan->batch_rows;
	if (before >= plan->rows)
		return 0;
	return (uint32_t)ab_min_u64(plan->batch_rows, plan->rows - before);
}

double ab_plan_rate(const struct ab_plan *plan)
{
	if (plan->period_ns == 0)
		return 0;
	return (double)plan->batch_rows * (double)plan->divisor * 1e9 / (double)plan->period_ns;
}
