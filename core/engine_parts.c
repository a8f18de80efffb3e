/* core/engine_parts.c — makes and frees what an engine consists of: sinks, workers, sink threads' state. See engine.h. */
#include <string.h>

#include "core/engine.h"
#include "core/log.h"
#include "core/sinks.h"

/* From here on every sink gets a thread of its own; below it they would only take turns on the same cores. */
#define CORES_FOR_OWN_THREADS 4

static bool create_sinks(struct ab_engine *engine)
{
	char error[AB_SINK_ERROR_MAX_BYTES];

	engine->sink = calloc(AB_SINKS_MAX, sizeof engine->sink[0]);
	AB_ASSERT(engine->sink != NULL);
	for (int s = 0; s < ab_sinks_count(engine->config); s++) {
		struct ab_engine_sink *sink = &engine->sink[engine->sink_count];
		sink->ops = ab_sinks_ops(engine->config, s);
		sink->key = ab_sinks_key(engine->config, sink->ops);
		sink->lanes = ab_delivery_lanes(engine->config, sink->ops);
		sink->reader = -1;
		ab_breaker_create(&sink->breaker, engine->config->breaker_share);
		sink->sink = sink->ops->create(engine->config, error);
		if (sink->sink == NULL) {
			ab_engine_fail(engine, AB_EXIT_CONFIG, "%s: %s", sink->ops->name, error);
			return false;
		}
		memset(sink->known.position, 0xff, sizeof sink->known.position);
		ab_delivery_sink_create(&sink->delivery, s, sink->ops, sink->sink, engine->config);
		ab_courier_start(&sink->courier, sink->ops, sink->sink, engine->partition_total);
		sink->courier.before = ab_delivery_resolve;
		sink->courier.before_arg = &sink->delivery;
		engine->sink_count++;
	}
	return true;
}

static void create_workers(struct ab_engine *engine)
{
	int count = ab_worker_count(engine->config, engine->cores);

	engine->worker_count = count < engine->partition_total ? count : engine->partition_total;
	engine->worker = ab_take_lines((size_t)engine->worker_count * sizeof engine->worker[0]);
	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker *worker = &engine->worker[w];
		ab_worker_create(worker, w, engine->config, engine->feed.cache, engine->letters);
		worker->sink_count = engine->sink_count;
		for (int s = 0; s < engine->sink_count; s++) {
			struct ab_worker_sink *sink = &worker->sink[s];
			struct ab_lane_limits limits = ab_delivery_limits(engine->config, engine->sink[s].ops);
			sink->ops = engine->sink[s].ops;
			sink->sink = engine->sink[s].sink;
			sink->key = engine->sink[s].key;
			sink->lanes = (uint32_t)engine->sink[s].lanes;
			sink->reader = -1;
			/* A quarter of a batch: a batch then comes within a quarter of its size, and never above it. */
			sink->record_max = limits.batch_size / 4 > 0 ? limits.batch_size / 4 : 1;
			for (uint32_t l = 0; l < sink->lanes; l++)
				ab_link_create(&sink->link[l]);
		}
	}
}

static bool create_deliveries(struct ab_engine *engine)
{
	bool own = engine->cores >= CORES_FOR_OWN_THREADS;
	struct ab_delivery_sink *sinks[AB_SINKS_MAX];
	char error[512];

	engine->delivery_count = own ? engine->sink_count : 1;
	engine->delivery = calloc((size_t)engine->delivery_count, sizeof engine->delivery[0]);
	AB_ASSERT(engine->delivery != NULL);
	for (int s = 0; s < engine->sink_count; s++)
		sinks[s] = &engine->sink[s].delivery;
	for (int d = 0; d < engine->delivery_count; d++) {
		if (!ab_delivery_create(&engine->delivery[d], d, engine->config, own ? &sinks[d] : sinks,
					own ? 1 : engine->sink_count, engine->worker, engine->worker_count,
					engine->letters, error)) {
			ab_engine_fail(engine, AB_EXIT_CONFIG, "%s", error);
			return false;
		}
	}
	for (int w = 0; w < engine->worker_count; w++) {
		for (int s = 0; s < engine->sink_count; s++) {
			struct ab_worker_sink *sink = &engine->worker[w].sink[s];
			sink->loop = engine->delivery[own ? s : 0].loop;
			for (uint32_t l = 0; l < sink->lanes; l++)
				sink->busy[l] = &engine->sink[s].delivery.lane[l].counts.in_flight;
		}
	}
	return true;
}

bool ab_engine_create(struct ab_engine *engine)
{
	engine->said = calloc(AB_PARTITIONS_MAX, sizeof engine->said[0]);
	engine->saying = calloc(AB_PARTITIONS_MAX, sizeof engine->saying[0]);
	AB_ASSERT(engine->said != NULL && engine->saying != NULL);
	if (!create_sinks(engine))
		return false;
	create_workers(engine);
	return create_deliveries(engine);
}

void ab_engine_destroy(struct ab_engine *engine)
{
	bool left = false;

	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].own != NULL)
			ab_source_close(engine->sink[s].own);
	}
	for (int s = 0; s < engine->sink_count; s++)
		ab_courier_end(&engine->sink[s].courier);
	for (int s = 0; s < engine->sink_count; s++) {
		if (ab_courier_stop(&engine->sink[s].courier))
			continue;
		ab_log("%s: has not answered what it was asked beside its batches: its answer is not waited for",
		       engine->sink[s].ops->name);
		left = true;
	}
	if (left)
		return; /* a courier waits for a silent sink until the program ends: what it uses stays */
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_destroy(&engine->delivery[d]);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_destroy(&engine->worker[w]);
	for (int s = 0; s < engine->sink_count; s++) {
		ab_delivery_sink_destroy(&engine->sink[s].delivery);
		engine->sink[s].ops->destroy(engine->sink[s].sink);
	}
	free(engine->said);
	free(engine->saying);
	free(engine->delivery);
	free(engine->worker);
	free(engine->sink);
}
