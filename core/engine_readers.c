/* core/engine_readers.c — who reads what: the one place that changes it. See engine.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"

#define PROBE_INTERVAL_NS AB_NS_PER_S
/* Hysteresis: a sink that has just changed readers stays where it is for this long. */
#define REPLAN_INTERVAL_NS (5 * AB_NS_PER_S)
/* A private reader's sink joins the shared one when it is this close: far below AB_READER_JOIN_RECORDS, so that it
 * does not leave again at once. */
#define REJOIN_RECORDS (AB_READER_JOIN_RECORDS / 10)

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

static void set_state(struct ab_engine *engine, struct ab_engine_sink *sink, enum ab_sink_state state, const char *why)
{
	static const char *const names[] = {"absent", "running", "stopped"};

	pthread_mutex_lock(&engine->mutex);
	bool news = sink->state != state || strcmp(sink->why, why) != 0;
	sink->state = state;
	snprintf(sink->why, sizeof sink->why, "%s", why);
	pthread_mutex_unlock(&engine->mutex);
	if (news)
		ab_log("%s: %s%s%s", sink->ops->name, names[state], why[0] ? ": " : "", why);
}

static void warn(struct ab_engine_sink *sink)
{
	char warnings[2048] = "";
	char *rest = warnings, *line;

	if (sink->ops->warnings != NULL)
		sink->ops->warnings(sink->sink, warnings, sizeof warnings);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0])
			ab_log("%s: warning: %s", sink->ops->name, line);
	}
}

/* Makes a template, table or view that is missing: a sink that was not there at init, or lost it since. Positions are
 * never made so: a sink that keeps its own and has none was emptied, and that is for a person to decide. */
static enum ab_sink_status prepare(struct ab_engine *engine, struct ab_engine_sink *sink, char *error)
{
	char note[AB_SINK_ERROR_MAX_BYTES] = "";

	ab_log("%s: %s: making what is missing", sink->ops->name, error);
	error[0] = 0;
	enum ab_sink_status status =
	    sink->ops->init(sink->sink, &sink->known, engine->partition_total, "", note, error);
	if (note[0])
		ab_log("%s: %s", sink->ops->name, note);
	return status;
}

/* Asks a sink whether it is there and where it stands; the answer decides its state. */
static void meet(struct ab_engine *engine, struct ab_engine_sink *sink)
{
	char error[AB_SINK_ERROR_MAX_BYTES] = "";
	enum ab_sink_status status = sink->ops->probe(sink->sink, error);

	sink->probed_ns = ab_monotonic_ns();
	if (status == AB_SINK_MISSING && !sink->ops->stores_positions)
		status = prepare(engine, sink, error);
	if (status == AB_SINK_OK)
		status = sink->ops->positions(sink->sink, engine->partition_total, &sink->known, error);
	switch (status) {
	case AB_SINK_OK:
		sink->fresh = true;
		set_state(engine, sink, AB_STATE_RUNNING, error);
		warn(sink);
		return;
	case AB_SINK_ABSENT:
		set_state(engine, sink, AB_STATE_ABSENT, error);
		return;
	case AB_SINK_MISSING:
	case AB_SINK_REFUSED:
		set_state(engine, sink, AB_STATE_STOPPED, error);
		return;
	}
}

/* Sets up the lanes and links of a sink from the positions it is known to have. All threads stand still. */
static void begin_sink(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];

	sink->fresh = false;
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
}

static void describe(const struct ab_engine *engine, struct ab_reader_sink *out)
{
	for (int s = 0; s < engine->sink_count; s++) {
		out[s].ready = engine->sink[s].state == AB_STATE_RUNNING;
		for (int p = 0; p < AB_PARTITIONS_MAX; p++)
			out[s].next[p] = -1;
		for (int i = 0; i < engine->partition_count && out[s].ready; i++) {
			uint16_t p = engine->partition[i];
			out[s].next[p] = ab_worker_given(&engine->worker[p % engine->worker_count], s, p);
		}
	}
}

static struct ab_source *private_source(struct ab_engine *engine, struct ab_engine_sink *sink)
{
	const struct ab_source_callbacks callbacks = {.on_log = ab_engine_source_log, .arg = engine};
	char group[256], error[AB_SOURCE_ERROR_MAX_BYTES];
	int fd[AB_WORKERS_MAX];

	for (int w = 0; w < engine->worker_count; w++)
		fd[w] = engine->worker[w].park.fd;
	snprintf(group, sizeof group, "%s.%s.reader", engine->config->group_id, sink->ops->name);
	struct ab_source *source = ab_source_open_private(engine->config, engine->config->events_topic, group,
							  &callbacks, fd, engine->worker_count, error);
	if (source == NULL)
		ab_engine_fail(engine, AB_EXIT_CONFIG, "reader of %s: %s", sink->ops->name, error);
	return source;
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

static void apply_plan(struct ab_engine *engine, const struct ab_reader_plan *plan)
{
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (sink->reader != plan->reader[s] && plan->reader[s] >= 0)
			ab_log("%s: reads %s", sink->ops->name, plan->reader[s] == 0 ? "with the others" : "by itself");
		sink->reader = plan->reader[s];
		for (int w = 0; w < engine->worker_count; w++)
			engine->worker[w].sink[s].reader = sink->reader;
		if (sink->own != NULL && sink->reader != 1 + s) {
			ab_source_close(sink->own);
			sink->own = NULL;
		}
		if (sink->reader == 1 + s && sink->own == NULL)
			sink->own = private_source(engine, sink);
		if (sink->own != NULL)
			start_reader(engine, 1 + s, sink->own, sink->ops->name, plan->start[1 + s]);
		ab_delivery_sink_run(&sink->delivery, sink->state == AB_STATE_RUNNING);
	}
	start_reader(engine, 0, engine->member, "all", plan->start[0]);
}

void ab_engine_replan(struct ab_engine *engine)
{
	struct ab_reader_sink sink[AB_SINKS_MAX];
	struct ab_reader_plan plan;

	ab_engine_pause(engine);
	pthread_mutex_lock(&engine->mutex);
	for (int w = 0; w < engine->worker_count; w++) {
		for (int r = 0; r < AB_READERS_MAX; r++)
			ab_worker_clear_reader(&engine->worker[w], r);
	}
	share_partitions(engine);
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].fresh)
			begin_sink(engine, s);
	}
	describe(engine, sink);
	ab_readers_plan(sink, engine->sink_count, &plan);
	apply_plan(engine, &plan);
	engine->planned_ns = ab_monotonic_ns();
	pthread_mutex_unlock(&engine->mutex);
	ab_engine_resume(engine);
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
	for (int s = 0; s < engine->sink_count; s++) {
		if (engine->sink[s].state != AB_STATE_STOPPED)
			meet(engine, &engine->sink[s]);
	}
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
		if (sink->own != NULL)
			ab_source_close(sink->own);
		sink->own = NULL;
		sink->reader = -1;
	}
	engine->assigned = false;
	engine->partition_count = 0;
	pthread_mutex_unlock(&engine->mutex);
	ab_engine_resume(engine);
	ab_log("partitions given back");
}

/* A private reader's sink that has come close enough to read with the others again. */
static bool could_join(const struct ab_engine *engine, int s)
{
	const struct ab_engine_sink *sink = &engine->sink[s];
	bool someone = false;

	if (sink->reader != 1 + s)
		return false;
	for (int o = 0; o < engine->sink_count; o++) {
		if (engine->sink[o].reader != 0)
			continue;
		someone = true;
		for (int i = 0; i < engine->partition_count; i++) {
			uint16_t p = engine->partition[i];
			if (ab_engine_view_position(engine, o, p) - ab_engine_view_position(engine, s, p) >
			    REJOIN_RECORDS)
				return false;
		}
	}
	return someone;
}

static bool answer_call(struct ab_engine *engine, struct ab_engine_sink *sink)
{
	char error[AB_SINK_ERROR_MAX_BYTES];
	int call = atomic_load_explicit(&sink->delivery.call, memory_order_acquire); /* [D1] */

	if (call == AB_CALL_NONE || sink->state != AB_STATE_RUNNING)
		return false;
	ab_delivery_error(&sink->delivery, error, sizeof error);
	if (call == AB_CALL_STOP) {
		set_state(engine, sink, AB_STATE_STOPPED, error);
	} else {
		ab_log("%s: its positions went back (%s): reading again from where it stands", sink->ops->name, error);
		set_state(engine, sink, AB_STATE_ABSENT, "");
		meet(engine, sink);
	}
	return true;
}

/* What a running sink wants done once a second. An absent one shows on its lanes, so the answer is only logged. */
static void tend(struct ab_engine_sink *sink, int64_t now_ns)
{
	char error[AB_SINK_ERROR_MAX_BYTES] = "";

	if (sink->ops->tend == NULL || now_ns - sink->probed_ns < PROBE_INTERVAL_NS)
		return;
	sink->probed_ns = now_ns;
	if (sink->ops->tend(sink->sink, error) != AB_SINK_OK && error[0])
		ab_log("%s: %s", sink->ops->name, error);
}

void ab_engine_tend_sinks(struct ab_engine *engine, int64_t now_ns)
{
	bool replan = false;

	for (int s = 0; s < engine->sink_count && engine->assigned; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (answer_call(engine, sink)) {
			replan = true;
		} else if (sink->state == AB_STATE_ABSENT && now_ns - sink->probed_ns >= PROBE_INTERVAL_NS) {
			meet(engine, sink);
			replan |= sink->state == AB_STATE_RUNNING;
		} else if (sink->state == AB_STATE_RUNNING) {
			tend(sink, now_ns);
			if (now_ns - engine->planned_ns >= REPLAN_INTERVAL_NS)
				replan |= could_join(engine, s);
		}
	}
	if (replan)
		ab_engine_replan(engine);
}
