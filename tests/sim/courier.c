/* tests/sim/courier.c — stands in for core/courier.h: the sink is asked at once, and its answer may take a while. */
#include "core/courier.h"

#include "sim.h"

void ab_courier_start(struct ab_courier *courier, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	*courier = (struct ab_courier){.ops = ops, .sink = sink, .partition_total = partition_total};
}

void ab_courier_end(struct ab_courier *courier)
{
	(void)courier;
}

bool ab_courier_stop(struct ab_courier *courier)
{
	(void)courier;
	return true;
}

bool ab_courier_ask(struct ab_courier *courier, enum ab_errand_kind kind, const struct ab_sink_positions *positions,
		    int64_t number)
{
	if (courier->where != AB_COURIER_HERE)
		return false;
	courier->errand.kind = kind;
	courier->errand.number = number;
	if (positions != NULL)
		courier->errand.positions = *positions;
	ab_errand_run(&courier->errand, courier->ops, courier->sink, courier->partition_total);
	courier->where = AB_COURIER_AWAY;
	return true;
}

const struct ab_errand *ab_courier_take(struct ab_courier *courier, int wait_ms)
{
	/* One answer in four comes later than it is waited for. */
	if (courier->where != AB_COURIER_AWAY || sim_chance(wait_ms > 0 ? 250 : 500))
		return NULL;
	courier->where = AB_COURIER_HERE;
	return &courier->errand;
}
