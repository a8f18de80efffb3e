/* core/engine_readers.c — who reads what from an assignment on: a plan for all sinks at once. See engine.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"

void ab_engine_fail(struct ab_engine *engine, int exit_code, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	ab_log("cannot go on: %s", line);
	if (!engine->stop)
		engine->exit_code = exit_code;
	engine->stop = true;
}

void ab_engine_pause(struct ab_engine *engine)
{
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_pause(&engine->worker[w]);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_pause(&engine->delivery[d]);
}

void ab_engine_resume(struct ab_engine *engine)
{
	for (int d = 0; d < engine->delivery_count; d++)
		ab_delivery_resume(&engine->delivery[d]);
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_resume(&engine->worker[w]);
}

void ab_engine_begin_sink(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];

	sink->fresh = false;
	/* Its positions may be below a gap it was told of: what else is gone there it has to be told, too. */
	memset(sink->floor, 0, sizeof sink->floor);
	ab_delivery_sink_reset(&sink->delivery);
	for (int l = 0; l < sink->lanes; l++) {
		for (int w = 0; w < engine->worker_count; w++)
			ab_link_reset(&engine->worker[w].sink[s].link[l]);
		for (int i = 0; i < engine->partition_count; i++) {
			uint16_t p = engine->partition[i];
			int64_t next = sink->known.position[l][p];
			AB_ASSERT(next >= 0);
			ab_lane_begin(&sink->delivery.lane[l].lane, p, next);
			engine->worker[p % engine->worker_count].sink[s].link[l].covered[p] = next;
		}
	}
	for (int w = 0; w < engine->worker_count; w++)
		ab_worker_begin(&engine->worker[w], s);
}

static void describe(const struct ab_engine *engine, struct ab_reader_sink *out)
{
	for (int s = 0; s < engine->sink_count; s++) {
		out[s].ready = engine->sink[s].state == AB_STATE_RUNNING;
		out[s].apart = engine->sink[s].apart;
		for (int p = 0; p < AB_PARTITIONS_MAX; p++)
			out[s].next[p] = -1;
		for (int i = 0; i < engine->partition_count && out[s].ready; i++) {
			uint16_t p = engine->partition[i];
			out[s].next[p] = ab_worker_given(&engine->worker[p % engine->worker_count], s, p);
			if (out[s].next[p] < engine->sink[s].floor[p])
				out[s].next[p] = engine->sink[s].floor[p];
		}
	}
}

static void start_reader(struct ab_engine *engine, int r, struct ab_source *source, const char *name,
			 const int64_t *start)
{
	uint16_t partition[AB_PARTITIONS_MAX];
	int64_t offset[AB_PARTITIONS_MAX];
	char error[AB_SOURCE_ERROR_MAX_BYTES];
	int count = 0;

	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		if (start[p] < 0)
			continue;
		partition[count] = (uint16_t)p;
		offset[count++] = start[p];
	}
	if (!ab_source_assign(source, partition, offset, count, error)) {
		ab_engine_fail(engine, AB_EXIT_UNAVAILABLE, "%s", error);
		return;
	}
	for (int w = 0; w < engine->worker_count; w++) {
		if (count > 0)
			ab_worker_set_reader(&engine->worker[w], r, source, name, start);
	}
}

static void share_partitions(struct ab_engine *engine)
{
	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker *worker = &engine->worker[w];
		worker->partition_count = 0;
		for (int i = 0; i < engine->partition_count; i++) {
			if (engine->partition[i] % engine->worker_count == w)
				worker->partition[worker->partition_count++] = engine->partition[i];
		}
	}
}

static void give_reader(struct ab_engine *engine, int s, int reader)
{
	struct ab_engine_sink *sink = &engine->sink[s];

	sink->reader = reader;
	sink->apart = reader > 0;
	for (int w = 0; w < engine->worker_count; w++) {
		struct ab_worker_sink *its = &engine->worker[w].sink[s];
		its->reader = reader;
		its->hold_until_ns = 0;
		ab_starve_reset(&its->starve, ab_monotonic_ns());
		atomic_store(&its->starving, false);	/* [W3] */
		atomic_store(&its->may_join, false);	/* [W4] */
		atomic_store(&its->joined, false);	/* [W5] */
	}
}

/* Who reads what, as the views see it: under the mutex, so nothing here may take long. */
static void share_out(struct ab_engine *engine, struct ab_reader_plan *plan)
{
	struct ab_reader_sink sink[AB_SINKS_MAX];

	for (int w = 0; w < engine->worker_count; w++) {
		ab_worker_leave(&engine->worker[w]);
		for (int r = 0; r < AB_READERS_MAX; r++)
			ab_worker_clear_reader(&engine->worker[w], r);
	}
	share_partitions(engine);
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].fresh)
			ab_engine_begin_sink(engine, s);
	}
	describe(engine, sink);
	ab_readers_plan(sink, engine->sink_count, plan);
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].reader != plan->reader[s] && plan->reader[s] >= 0)
			ab_log("%s: reads %s", engine->sink[s].ops->name,
			       plan->reader[s] == 0 ? "with the others" : "by itself");
		give_reader(engine, s, plan->reader[s]);
	}
}

/* The consumers for it. */
static void start_readers(struct ab_engine *engine, const struct ab_reader_plan *plan)
{
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		bool alone = sink->reader == 1 + s;
		if (alone && sink->own == NULL)
			sink->own = ab_engine_private_source(engine, sink);
		if (alone && sink->own != NULL)
			start_reader(engine, 1 + s, sink->own, sink->ops->name, plan->start[1 + s]);
		else if (alone)
			ab_engine_fail(engine, AB_EXIT_UNAVAILABLE, "%s has no reader of its own", sink->ops->name);
		ab_delivery_sink_run(&sink->delivery, sink->state == AB_STATE_RUNNING || sink->state == AB_STATE_LOST);
	}
	start_reader(engine, 0, engine->member, "all", plan->start[0]);
}

/* Closing takes up to a second, for which neither the threads nor the views are to wait. */
static void close_unused(struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (sink->own == NULL || sink->reader == 1 + s)
			continue;
		ab_source_close(sink->own);
		sink->own = NULL;
	}
}

void ab_engine_replan(struct ab_engine *engine)
{
	struct ab_reader_plan plan;

	ab_engine_pause(engine);
	pthread_mutex_lock(&engine->mutex);
	share_out(engine, &plan);
	pthread_mutex_unlock(&engine->mutex);
	start_readers(engine, &plan);
	ab_engine_resume(engine);
	close_unused(engine);
}

void ab_engine_on_assign(void *arg, const uint16_t *partition, int count)
{
	struct ab_engine *engine = arg;

	ab_count_add(&engine->rebalances, 1);
	ab_log("assigned: %d partition%s of %s", count, count == 1 ? "" : "s", engine->config->events_topic);
	/* Not ours before their positions are known: a commit would say what was known when we last had them. */
	if (engine->stop || engine->draining || !ab_engine_load_committed(engine, partition, count)) {
		ab_source_unassign(engine->member);
		return;
	}
	pthread_mutex_lock(&engine->mutex);
	engine->partition_count = count;
	memcpy(engine->partition, partition, (size_t)count * sizeof partition[0]);
	engine->assigned = true;
	pthread_mutex_unlock(&engine->mutex);
	engine->assignment++;
	ab_engine_meet_sinks(engine);
	ab_engine_replan(engine);
}

/* What is settled is committed; what is in flight is left to whoever comes next: positions decide, not we. */
void ab_engine_on_revoke(void *arg)
{
	struct ab_engine *engine = arg;

	if (engine->stopped)
		return;
	ab_count_add(&engine->rebalances, 1);
	ab_engine_pause(engine);
	for (int w = 0; w < engine->worker_count; w++) {
		ab_worker_leave(&engine->worker[w]);
		for (int r = 0; r < AB_READERS_MAX; r++)
			ab_worker_clear_reader(&engine->worker[w], r);
	}
	ab_engine_commit(engine, true);
	pthread_mutex_lock(&engine->mutex);
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		ab_delivery_sink_reset(&sink->delivery);
		for (int w = 0; w < engine->worker_count; w++) {
			engine->worker[w].sink[s].reader = -1;
			for (int l = 0; l < sink->lanes; l++)
				ab_link_reset(&engine->worker[w].sink[s].link[l]);
		}
		sink->reader = -1;
		sink->apart = false;
	}
	engine->assigned = false;
	engine->partition_count = 0;
	pthread_mutex_unlock(&engine->mutex);
	/* Not closed: that may take a second, and the group waits for us. The next plan needs them or closes them. */
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].own != NULL)
			ab_source_unassign(engine->sink[s].own);
	}
	ab_engine_resume(engine);
	ab_log("partitions given back");
}
