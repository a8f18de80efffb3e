/* core/engine_sinks.c — the sinks' states: asking them, answering them. See engine.h. */
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"

#define PROBE_INTERVAL_NS AB_NS_PER_S

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
void ab_engine_meet(struct ab_engine *engine, struct ab_engine_sink *sink)
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

static void answer_call(struct ab_engine *engine, int s)
{
	struct ab_engine_sink *sink = &engine->sink[s];
	char error[AB_SINK_ERROR_MAX_BYTES];
	int call = atomic_load_explicit(&sink->delivery.call, memory_order_acquire); /* [D1] */

	if (call == AB_CALL_NONE || sink->state != AB_STATE_RUNNING)
		return;
	ab_delivery_error(&sink->delivery, error, sizeof error);
	if (call == AB_CALL_STOP) {
		set_state(engine, sink, AB_STATE_STOPPED, error);
	} else {
		ab_log("%s: its positions went back (%s): reading again from where it stands", sink->ops->name, error);
		set_state(engine, sink, AB_STATE_ABSENT, "");
		sink->probed_ns = 0;
	}
	ab_engine_leave(engine, s);
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
	for (int s = 0; s < engine->sink_count && engine->assigned; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		answer_call(engine, s);
		if (sink->state == AB_STATE_RUNNING)
			tend(sink, now_ns);
		else if (sink->state == AB_STATE_ABSENT && now_ns - sink->probed_ns >= PROBE_INTERVAL_NS)
			ab_engine_meet(engine, sink);
		if (sink->state == AB_STATE_RUNNING && sink->fresh)
			ab_engine_enter(engine, s);
	}
}
