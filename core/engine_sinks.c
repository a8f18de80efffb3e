/* core/engine_sinks.c — the sinks' states: asking them, answering them. See engine.h. */
#include <string.h>

#include "core/clock.h"
#include "core/cluster.h"
#include "core/engine.h"
#include "core/log.h"

#define PROBE_INTERVAL_NS AB_NS_PER_S
/* How long reading does not begin because a sink has not answered yet: those that are there begin together. */
#define MEET_WAIT_NS AB_NS_PER_S

void ab_engine_set_state(struct ab_engine *engine, struct ab_engine_sink *sink, enum ab_sink_state state, const char *why)
{
	static const char *const names[] = {"absent", "live", "stopped", "lost data"};

	pthread_mutex_lock(&engine->mutex);
	bool news = sink->state != state || strcmp(sink->why, why) != 0;
	sink->state = state;
	snprintf(sink->why, sizeof sink->why, "%s", why);
	pthread_mutex_unlock(&engine->mutex);
	if (news)
		ab_log("%s: %s%s%s", sink->ops->name, names[state], why[0] ? ": " : "", why);
}

static void warn(const struct ab_engine_sink *sink, const char *warnings)
{
	char text[AB_COURIER_WARNINGS_MAX_BYTES];
	char *rest = text, *line;

	snprintf(text, sizeof text, "%s", warnings);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0])
			ab_log("%s: warning: %s", sink->ops->name, line);
	}
}

/* A sink that keeps positions may be one that another Kafka is delivered to. */
static bool is_of_other_kafka(struct ab_engine *engine, const struct ab_engine_sink *sink, const struct ab_errand *errand,
			      char *why)
{
	const char *theirs = errand->positions.cluster, *ours = ab_source_cluster(engine->member);

	if (!sink->ops->stores_positions || !ab_other_cluster(theirs, ours))
		return false;
	snprintf(why, AB_SINK_ERROR_MAX_BYTES,
		 "its positions are of Kafka cluster %s, this is %s: offsets of one mean nothing in the other. Is it the "
		 "%s of this Kafka?",
		 theirs, ours, sink->ops->name);
	return true;
}

/* What a sink said when it was asked whether it is there and where it stands decides its state. */
static void met(struct ab_engine *engine, struct ab_engine_sink *sink, const struct ab_errand *errand)
{
	char why[AB_SINK_ERROR_MAX_BYTES];

	switch (errand->status) {
	case AB_SINK_OK:
		if (is_of_other_kafka(engine, sink, errand, why)) {
			ab_engine_set_state(engine, sink, AB_STATE_STOPPED, why);
			return;
		}
		sink->known = errand->positions;
		sink->fresh = true;
		ab_engine_set_state(engine, sink, AB_STATE_RUNNING, errand->error);
		warn(sink, errand->warnings);
		return;
	case AB_SINK_ABSENT:
		ab_engine_set_state(engine, sink, AB_STATE_ABSENT, errand->error);
		return;
	case AB_SINK_MISSING:
	case AB_SINK_REFUSED:
		ab_engine_set_state(engine, sink, AB_STATE_STOPPED, errand->error);
		return;
	}
}

static void ask_where_it_stands(struct ab_engine *engine, struct ab_engine_sink *sink, const char *why)
{
	ab_log("%s: its positions went back (%s): reading again from where it stands", sink->ops->name, why);
	ab_engine_set_state(engine, sink, AB_STATE_ABSENT, "");
	sink->asked_ns = 0;
	ab_engine_leave(engine, (int)(sink - engine->sink));
}

/* It has lost what was durable in it, or all of it, and no batch has met that yet. One that cannot be reached shows on
 * its lanes too, so that it could not be tended is only logged. */
static void tended(struct ab_engine *engine, struct ab_engine_sink *sink, const struct ab_errand *errand)
{
	bool lost = sink->ops->stores_positions &&
		    (errand->status == AB_SINK_MISSING || errand->status == AB_SINK_REFUSED);

	if (sink->state != AB_STATE_RUNNING || sink->fresh)
		return;
	if (lost) {
		ab_engine_set_state(engine, sink, AB_STATE_STOPPED, errand->error);
		ab_engine_leave(engine, (int)(sink - engine->sink));
	} else if (errand->went_back) {
		ask_where_it_stands(engine, sink, "it holds less than was durable in it");
	} else if (errand->error[0]) {
		ab_log("%s: %s", sink->ops->name, errand->error);
	}
}

static void take_answer(struct ab_engine *engine, struct ab_engine_sink *sink, int wait_ms)
{
	const struct ab_errand *errand = ab_courier_take(&sink->courier, wait_ms);

	if (errand == NULL || errand->number != engine->assignment)
		return;
	if (errand->kind == AB_ERRAND_MEET && sink->state == AB_STATE_ABSENT)
		met(engine, sink, errand);
	else if (errand->kind == AB_ERRAND_TEND)
		tended(engine, sink, errand);
}

/* What its lanes know to be durable; -1 where they hold nothing. */
static void durable(const struct ab_engine_sink *sink, int partition_total, struct ab_sink_positions *out)
{
	out->lanes = sink->lanes;
	for (int l = 0; l < sink->lanes; l++) {
		for (int p = 0; p < partition_total; p++)
			out->position[l][p] = ab_lane_position(&sink->delivery.lane[l].lane, (uint16_t)p);
	}
}

static void ask(struct ab_engine *engine, struct ab_engine_sink *sink, int64_t now_ns)
{
	bool meet = sink->state == AB_STATE_ABSENT;
	struct ab_sink_positions floor;

	if (sink->state == AB_STATE_STOPPED || sink->state == AB_STATE_LOST ||
	    (!meet && sink->ops->tend == NULL && !sink->ops->stores_positions) ||
	    now_ns - sink->asked_ns < PROBE_INTERVAL_NS)
		return;
	if (!meet)
		durable(sink, engine->partition_total, &floor);
	if (ab_courier_ask(&sink->courier, meet ? AB_ERRAND_MEET : AB_ERRAND_TEND, meet ? &sink->known : &floor,
			   engine->assignment))
		sink->asked_ns = now_ns;
}

void ab_engine_meet_sinks(struct ab_engine *engine)
{
	int64_t end_ns = ab_monotonic_ns() + MEET_WAIT_NS;

	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (sink->state == AB_STATE_STOPPED || sink->state == AB_STATE_LOST)
			continue;
		pthread_mutex_lock(&engine->mutex);
		sink->state = AB_STATE_ABSENT;
		snprintf(sink->why, sizeof sink->why, "it has not answered yet");
		pthread_mutex_unlock(&engine->mutex);
		sink->asked_ns = 0;
		take_answer(engine, sink, 0);
		ask(engine, sink, ab_monotonic_ns());
	}
	for (int s = 0; s < engine->sink_count; s++) {
		int64_t left_ms = (end_ns - ab_monotonic_ns()) / AB_NS_PER_MS;
		take_answer(engine, &engine->sink[s], left_ms > 0 ? (int)left_ms : 0);
	}
}

static void answer_call(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	char error[AB_SINK_ERROR_MAX_BYTES];
	int call = atomic_load_explicit(&sink->delivery.call, memory_order_acquire); /* [D1] */

	if (call == AB_CALL_NONE || sink->state != AB_STATE_RUNNING)
		return;
	ab_delivery_error(&sink->delivery, error, sizeof error);
	if (call == AB_CALL_STOP) {
		ab_engine_set_state(engine, sink, AB_STATE_STOPPED, error);
		ab_engine_leave(engine, s);
	} else {
		ask_where_it_stands(engine, sink, error);
	}
}

void ab_engine_tend_sinks(struct ab_engine *engine, int64_t now_ns)
{
	for (int s = 0; s < engine->sink_count && engine->assigned; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		answer_call(engine, s);
		take_answer(engine, sink, 0);
		ask(engine, sink, now_ns);
		if (sink->state == AB_STATE_RUNNING && sink->fresh)
			ab_engine_enter(engine, s);
	}
}
