/* tests/sim/ops.c — core/sinks.h: the engine's own sinks, with control's calls to them answered here. See sim.h. */
#include <string.h>

#include "core/sinks.h"
#include "sinks/bigquery.h"
#include "tests/sim/sim.h"

struct ab_sink_ops sim_ops[SIM_SINKS];

static enum ab_sink_status probe(enum sim_sink sink, char *error)
{
	sim_crash_point();
	sim_wait(1000000);
	error[0] = 0;
	if (sim.server[sink].health == SIM_UP && !(sim.faults && sim_chance(30)))
		return AB_SINK_OK;
	snprintf(error, AB_SINK_ERROR_MAX_BYTES, "%s does not answer", sim_sink_names[sink]);
	return AB_SINK_ABSENT;
}

static enum ab_sink_status probe_redis(struct ab_sink *sink, char *error)
{
	(void)sink;
	return probe(SIM_REDIS, error);
}

static enum ab_sink_status probe_bigquery(struct ab_sink *sink, char *error)
{
	(void)sink;
	return probe(SIM_BIGQUERY, error);
}

static enum ab_sink_status probe_elasticsearch(struct ab_sink *sink, char *error)
{
	(void)sink;
	return probe(SIM_ELASTICSEARCH, error);
}

/* What ab_redis_positions() reads. */
static enum ab_sink_status redis_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	enum ab_sink_status status = probe_redis(sink, error);

	if (status != AB_SINK_OK)
		return status;
	if (sim.server[SIM_REDIS].wiped)
		return AB_SINK_MISSING;
	io->lanes = sim.lanes[SIM_REDIS];
	io->cluster[0] = '\0';
	for (int l = 0; l < io->lanes; l++) {
		for (int p = 0; p < partitions; p++)
			io->position[l][p] = sim.redis.position[l][p];
	}
	return AB_SINK_OK;
}

/* What ab_bq_positions() asks: the newest row of each partition. It must not change afterwards: a look is no fence. */
static enum ab_sink_status bigquery_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io,
					      char *error)
{
	enum ab_sink_status status = probe_bigquery(sink, error);

	(void)io;
	if (status != AB_SINK_OK)
		return status;
	for (int p = 0; p < partitions; p++) {
		for (int i = 0; i < sim.log[p].produced; i++) {
			if (sim.warehouse.copies[p][i] > 0)
				atomic_store(&sink->bound[p], sim.log[p].record[i].offset + 1);
		}
	}
	atomic_fetch_add(&sink->epoch, 1);
	return AB_SINK_OK;
}

/* A lane that begins anew may send older records than before. */
static void forget_watch(enum sim_sink sink, struct ab_batch *batch, bool in_flight)
{
	struct sim_engine *engine = sim.frame != NULL ? sim.frame->of : NULL;

	if (engine == NULL || batch != NULL || !in_flight)
		return;
	memset(engine->watch[sink], 0xff, sizeof engine->watch[sink]);
}

static void lost_redis(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	forget_watch(SIM_REDIS, batch, in_flight);
	ab_redis_ops.lost(lane, batch, in_flight);
}

static void lost_bigquery(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	forget_watch(SIM_BIGQUERY, batch, in_flight);
	ab_bigquery_ops.lost(lane, batch, in_flight);
}

static void lost_elasticsearch(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	forget_watch(SIM_ELASTICSEARCH, batch, in_flight);
	ab_elasticsearch_ops.lost(lane, batch, in_flight);
}

void sim_ops_make(void)
{
	sim_ops[SIM_REDIS] = ab_redis_ops;
	sim_ops[SIM_REDIS].probe = probe_redis;
	sim_ops[SIM_REDIS].positions = redis_positions;
	sim_ops[SIM_REDIS].lost = lost_redis;
	sim_ops[SIM_BIGQUERY] = ab_bigquery_ops;
	sim_ops[SIM_BIGQUERY].probe = probe_bigquery;
	sim_ops[SIM_BIGQUERY].positions = bigquery_positions;
	sim_ops[SIM_BIGQUERY].lost = lost_bigquery;
	sim_ops[SIM_ELASTICSEARCH] = ab_elasticsearch_ops;
	sim_ops[SIM_ELASTICSEARCH].probe = probe_elasticsearch;
	sim_ops[SIM_ELASTICSEARCH].lost = lost_elasticsearch;
	for (int s = 0; s < SIM_SINKS; s++) {
		sim_ops[s].warnings = NULL;
		sim_ops[s].tend = NULL;
	}
}

int ab_sinks_count(const struct ab_config *config)
{
	(void)config;
	return SIM_SINKS;
}

const struct ab_sink_ops *ab_sinks_ops(const struct ab_config *config, int i)
{
	(void)config;
	return &sim_ops[i];
}

enum ab_route_key ab_sinks_key(const struct ab_config *config, const struct ab_sink_ops *ops)
{
	(void)config;
	return ops == &sim_ops[SIM_REDIS]      ? AB_ROUTE_CONTENT_ID
	       : ops == &sim_ops[SIM_BIGQUERY] ? AB_ROUTE_USER_ID
					       : AB_ROUTE_ID;
}
