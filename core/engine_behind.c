/* core/engine_behind.c — how far a sink is behind, and how far retention is behind it. See engine.h. */
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"

#define LOOK_INTERVAL_NS AB_NS_PER_S
/* Over which retention's pace is reckoned: it deletes in segments, every five minutes by default. */
#define PACE_WINDOW_NS (900 * AB_NS_PER_S)

const char *ab_engine_state_name(const struct ab_engine_sink *sink)
{
	switch (sink->state) {
	case AB_STATE_ABSENT:
		return "absent";
	case AB_STATE_STOPPED:
		return "stopped";
	case AB_STATE_LOST:
		return "lost data";
	case AB_STATE_RUNNING:
		break;
	}
	if (sink->reader <= 0)
		return "live";
	return sink->moves ? "catching up" : "detached";
}

static int64_t mean_bytes(const struct ab_engine *engine)
{
	uint64_t records = 0, bytes = 0;

	for (int w = 0; w < engine->worker_count; w++) {
		records += ab_count_get(&engine->worker[w].counts.records);
		bytes += ab_count_get(&engine->worker[w].counts.bytes);
	}
	return records > 0 ? (int64_t)(bytes / records) : 0;
}

static int64_t age_ms(const struct ab_engine_sink *sink)
{
	uint64_t oldest_ms = 0;

	for (int l = 0; l < sink->lanes; l++) {
		uint64_t one_ms = ab_count_get(&sink->delivery.lane[l].counts.oldest_ms);
		if (one_ms > 0 && (oldest_ms == 0 || one_ms < oldest_ms))
			oldest_ms = one_ms;
	}
	if (oldest_ms == 0)
		return -1;
	int64_t age = ab_wall_ms() - (int64_t)oldest_ms;
	return age > 0 ? age : 0;
}

/* Until the log begins above position, at the pace of the last minutes and by its age limit. */
static int64_t margin_ms(const struct ab_engine *engine, uint16_t p, int64_t margin, int64_t age)
{
	int64_t first = ab_source_log_start(engine->member, p), limit_ms = ab_source_retention_ms(engine->member);
	int64_t moved = first - engine->began[p], passed_ms = (ab_monotonic_ns() - engine->began_ns) / AB_NS_PER_MS;
	int64_t least = INT64_MAX;

	if (engine->began_ns > 0 && moved > 0)
		least = (int64_t)((double)margin * (double)passed_ms / (double)moved);
	if (limit_ms > 0 && age >= 0)
		least = limit_ms - age < least ? limit_ms - age : least;
	return least > 0 ? least : 0;
}

void ab_engine_behind(const struct ab_engine *engine, int s, struct ab_sink_behind *out)
{
	int64_t age = age_ms(&engine->sink[s]);

	*out = (struct ab_sink_behind){.age_ms = age, .margin_events = -1, .margin_ms = INT64_MAX};
	for (int i = 0; i < engine->partition_count; i++) {
		uint16_t p = engine->partition[i];
		int64_t first, next, position = ab_engine_view_position(engine, s, p);
		ab_source_cached_bounds(engine->member, p, &first, &next);
		if (position >= 0 && next > position)
			out->events += next - position;
		first = ab_source_log_start(engine->member, p);
		if (position < 0 || first < 0)
			continue;
		int64_t margin = position > first ? position - first : 0;
		int64_t left_ms = next > position ? margin_ms(engine, p, margin, age) : INT64_MAX;
		out->margin_events = out->margin_events < 0 || margin < out->margin_events ? margin : out->margin_events;
		out->margin_ms = left_ms < out->margin_ms ? left_ms : out->margin_ms;
	}
	out->bytes = out->events * mean_bytes(engine);
	if (out->events == 0)
		out->age_ms = 0;
}

static void note_pace(struct ab_engine *engine, int64_t now_ns)
{
	if (engine->began_ns > 0 && now_ns - engine->began_ns < PACE_WINDOW_NS)
		return;
	for (int i = 0; i < engine->partition_count; i++) {
		int64_t first = ab_source_log_start(engine->member, engine->partition[i]);
		if (first < 0)
			return;
		engine->began[engine->partition[i]] = first;
	}
	engine->began_ns = now_ns;
}

void ab_engine_look(struct ab_engine *engine, int64_t now_ns)
{
	if (!engine->assigned || now_ns - engine->looked_ns < LOOK_INTERVAL_NS)
		return;
	engine->looked_ns = now_ns;
	ab_source_look(engine->member, engine->partition, engine->partition_count);
	pthread_mutex_lock(&engine->mutex);
	note_pace(engine, now_ns);
	for (int s = 0; s < engine->sink_count; s++) {
		int64_t sum = 0;
		for (int i = 0; i < engine->partition_count; i++)
			sum += ab_engine_view_position(engine, s, engine->partition[i]);
		engine->sink[s].moves = sum > engine->sink[s].stood;
		engine->sink[s].stood = sum;
	}
	pthread_mutex_unlock(&engine->mutex);
}
