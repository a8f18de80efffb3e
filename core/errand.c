/* core/errand.c — see errand.h. */
#include "core/errand.h"

#include <string.h>

#include "core/log.h"

/* Makes a template, table or view that is missing: a sink that was not there at init, or lost it since. Positions are
 * never made so: a sink that keeps its own and has none was emptied, and that is for a person to decide. */
static void prepare(struct ab_errand *errand, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	char note[AB_SINK_ERROR_MAX_BYTES] = "";

	ab_log("%s: %s: making what is missing", ops->name, errand->error);
	errand->error[0] = 0;
	errand->status = ops->init(sink, &errand->positions, partition_total, "", note, errand->error);
	if (note[0])
		ab_log("%s: %s", ops->name, note);
}

static void meet(struct ab_errand *errand, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	errand->status = ops->probe(sink, errand->error);
	if (errand->status == AB_SINK_MISSING && !ops->stores_positions)
		prepare(errand, ops, sink, partition_total);
	if (errand->status == AB_SINK_OK)
		errand->status = ops->positions(sink, partition_total, &errand->positions, errand->error);
	if (errand->status == AB_SINK_OK && ops->warnings != NULL)
		ops->warnings(sink, errand->warnings, sizeof errand->warnings);
}

/* A restored snapshot or a failover shows with the next batch; where none comes it would never show. */
static void look(struct ab_errand *errand, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	struct ab_sink_positions now;

	memset(&now, 0xff, sizeof now);
	errand->status = ops->positions(sink, partition_total, &now, errand->error);
	if (errand->status != AB_SINK_OK)
		return;
	for (int l = 0; l < errand->positions.lanes; l++) {
		for (int p = 0; p < partition_total; p++)
			errand->went_back |= now.position[l][p] < errand->positions.position[l][p];
	}
}

void ab_errand_run(struct ab_errand *errand, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	errand->error[0] = 0;
	errand->warnings[0] = 0;
	errand->went_back = false;
	errand->status = AB_SINK_OK;
	if (errand->kind == AB_ERRAND_MEET) {
		meet(errand, ops, sink, partition_total);
		return;
	}
	if (ops->tend != NULL)
		errand->status = ops->tend(sink, errand->error);
	if (errand->status == AB_SINK_OK && ops->stores_positions)
		look(errand, ops, sink, partition_total);
}
