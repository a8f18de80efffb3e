/* core/engine_moves.c — one sink leaves the shared reader or comes back to it; the others read on. See engine.h. */
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"

/* After a private reader could not be had: memory or descriptors are short, and asking at once would not help. */
#define PART_AGAIN_NS AB_NS_PER_S

struct ab_source *ab_engine_private_source(struct ab_engine *engine, struct ab_engine_sink *sink)
{
	const struct ab_source_callbacks callbacks = {.on_log = ab_engine_source_log, .arg = engine};
	char group[256], error[AB_SOURCE_ERROR_MAX_BYTES];
	struct ab_park *park[AB_WORKERS_MAX];

	for (int w = 0; w < engine->worker_count; w++)
		park[w] = &engine->worker[w].park;
	snprintf(group, sizeof group, "%s.%s.reader", engine->config->group_id, sink->ops->name);
	struct ab_source *source =
	    ab_source_open_reader(engine->config, group, &callbacks, park, engine->worker_count, error);
	if (source == NULL)
		ab_log("reader of %s: %s", sink->ops->name, error);
	return source;
}

static bool assign(struct ab_engine *engine, struct ab_source *source, const int64_t *start)
{
	uint16_t partition[AB_PARTITIONS_MAX];
	int64_t offset[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int count = 0;

	for (int i = 0; i < engine->partition_count; i++) {
		partition[count] = engine->partition[i];
		offset[count++] = start[engine->partition[i]];
	}
	if (!ab_source_assign(source, partition, offset, count, error)) {
		ab_engine_fail(engine, AB_EXIT_UNAVAILABLE, "%s", error);
		return false;
	}
	return true;
}

/* Somebody has to read with the group's member, and when nobody runs nobody must: it would go on, and send what it cannot
 * read to the dead letters. And a worker that gave a letter up must read again from below it. */
static void plan_anew_if_need_be(struct ab_engine *engine)
{
	bool shared = false, gave_up = false;

	for (int s = 0; s < engine->sink_count; s++)
		shared |= engine->sink[s].state == AB_STATE_RUNNING && engine->sink[s].reader == 0;
	for (int w = 0; w < engine->worker_count; w++)
		gave_up |= engine->worker[w].dead_given_up > 0;
	if (!shared || gave_up)
		ab_engine_replan(engine);
}

/* From here on sink s reads by source, the others are where they were. Its lanes may be set up anew. */
static void part(struct ab_engine *engine, int s, struct ab_source *source, int64_t *start)
{
	struct ab_engine_sink *sink = &engine->sink[s];

	memset(start, 0xff, AB_PARTITIONS_MAX * sizeof start[0]);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_part(&engine->worker[w], s, source, sink->floor, start);
	pthread_mutex_lock(&engine->mutex);
	sink->reader = source != NULL ? 1 + s : -1;
	sink->apart = source != NULL;
	pthread_mutex_unlock(&engine->mutex);
}

/* The workers alone stand still for a moment; what the sink's lanes hold already is delivered meanwhile. */
static void detach(struct ab_engine *engine, int s, int64_t now_ns)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	int64_t start[AB_PARTITIONS_MAX];
	struct ab_source *old = sink->own, *source = ab_engine_private_source(engine, sink);

	if (source == NULL) {
		sink->part_again_ns = now_ns + PART_AGAIN_NS;
		return;
	}
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_pause(&engine->worker[w]);
	part(engine, s, source, start);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_resume(&engine->worker[w]);
	sink->own = source;
	assign(engine, source, start);
	ab_rejoin_left(&sink->rejoin, now_ns);
	if (old != NULL)
		ab_source_close(old);
	ab_delivery_error(&sink->delivery, error, sizeof error);
	ab_log("%s: detached: it held the others up for %lld ms%s%s; it reads by itself until it has caught up",
	       sink->ops->name, (long long)engine->config->detach_after_ms, error[0] ? ", its last words: " : "", error);
	plan_anew_if_need_be(engine);
}

void ab_engine_enter(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	int64_t start[AB_PARTITIONS_MAX], now_ns = ab_monotonic_ns();
	struct ab_source *source = NULL;
	bool others = false;

	for (int o = 0; o < engine->sink_count; o++)
		others |= o != s && engine->sink[o].state == AB_STATE_RUNNING && engine->sink[o].reader == 0;
	if (!others) {
		ab_engine_replan(engine);
		return;
	}
	if (now_ns < sink->part_again_ns)
		return;
	source = ab_engine_private_source(engine, sink);
	if (source == NULL) {
		sink->part_again_ns = now_ns + PART_AGAIN_NS;
		return;
	}
	ab_engine_pause(engine);
	pthread_mutex_lock(&engine->mutex);
	ab_engine_begin_sink(engine, s);
	pthread_mutex_unlock(&engine->mutex);
	part(engine, s, source, start);
	ab_delivery_sink_run(&sink->delivery, true);
	ab_engine_resume(engine);
	sink->own = source;
	assign(engine, source, start);
	ab_log("%s: reads by itself until it has caught up", sink->ops->name);
	plan_anew_if_need_be(engine);
}

void ab_engine_leave(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	int64_t start[AB_PARTITIONS_MAX];

	ab_engine_pause(engine);
	part(engine, s, NULL, start);
	ab_delivery_sink_run(&sink->delivery, false);
	ab_engine_resume(engine);
	if (sink->own != NULL)
		ab_source_close(sink->own);
	sink->own = NULL;
	plan_anew_if_need_be(engine);
}

/* Whether it should part: it holds up others that stay. */
static bool should_part(const struct ab_engine *engine, int s)
{
	bool starving = false, others = false;

	for (int w = 0; w < engine->worker_count; w++)
		starving |= atomic_load_explicit(&engine->worker[w].sink[s].starving, memory_order_acquire); /* [W3] */
	for (int o = 0; o < engine->sink_count; o++)
		others |= o != s && engine->sink[o].state == AB_STATE_RUNNING && engine->sink[o].reader == 0;
	return starving && others;
}

static void tend_private(struct ab_engine *engine, int s, int64_t now_ns)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	bool joined = true;

	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker_sink *its = &engine->worker[w].sink[s];
		joined &= atomic_load_explicit(&its->joined, memory_order_acquire); /* [W5] */
		if (ab_rejoin_may(&sink->rejoin, now_ns))
			atomic_store_explicit(&its->may_join, true, memory_order_relaxed); /* [W4] */
	}
	if (!joined)
		return;
	pthread_mutex_lock(&engine->mutex);
	sink->reader = 0;
	sink->apart = false;
	pthread_mutex_unlock(&engine->mutex);
	ab_rejoin_joined(&sink->rejoin, now_ns);
	ab_source_close(sink->own);
	sink->own = NULL;
	ab_log("%s: has caught up and reads with the others again", sink->ops->name);
}

void ab_engine_tend_readers(struct ab_engine *engine, int64_t now_ns)
{
	for (int s = 0; s < engine->sink_count && engine->assigned; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (sink->state != AB_STATE_RUNNING || sink->fresh)
			continue;
		if (should_part(engine, s) && now_ns >= sink->part_again_ns)
			detach(engine, s, now_ns);
		else if (sink->reader == 1 + s)
			tend_private(engine, s, now_ns);
	}
}
