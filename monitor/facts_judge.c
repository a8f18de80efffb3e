/* monitor/facts_judge.c — the one word, and the sentence that says why. See facts.h. */
#include <math.h>
#include <stdarg.h>

#include "monitor/facts.h"

static void verdict(struct ab_facts *facts, enum ab_health health, const char *format, ...) AB_PRINTF(3, 4);

/* The worst verdict counts; of two equally bad ones the first. */
static void verdict(struct ab_facts *facts, enum ab_health health, const char *format, ...)
{
	va_list args;

	if (facts->sentence[0] && health <= facts->health)
		return;
	facts->health = health;
	va_start(args, format);
	vsnprintf(facts->sentence, sizeof facts->sentence, format, args);
	va_end(args);
}

static void judge_sinks(struct ab_facts *facts)
{
	for (int s = 0; s < facts->sink_count; s++) {
		const struct ab_facts_sink *sink = &facts->sink[s];
		if (sink->stalled)
			verdict(facts, AB_HEALTH_STALLED,
				"%s has taken nothing for %.0f s, %.0f records are waiting%s%s", sink->name,
				sink->stalled_s, sink->behind, sink->why[0] ? ": " : "", sink->why);
		else if (!sink->live)
			verdict(facts, AB_HEALTH_DEGRADED, "%s is %s%s%s", sink->name, sink->state,
				sink->why[0] ? ": " : "", sink->why);
	}
}

static void judge_neighbours(struct ab_facts *facts)
{
	const struct ab_connect_answer *connect = &facts->connect_said;

	if (!facts->postgres.answers && !facts->postgres.waiting)
		verdict(facts, AB_HEALTH_DEGRADED, "PostgreSQL does not answer: %s", facts->postgres.error);
	if (!facts->kafka.answers && !facts->kafka.waiting)
		verdict(facts, AB_HEALTH_DEGRADED, "Kafka does not answer: %s", facts->kafka.error);
	if (facts->connect.waiting)
		return;
	if (!facts->connect.answers)
		verdict(facts, AB_HEALTH_DEGRADED, "Kafka Connect does not answer, no change reaches Kafka: %s",
			facts->connect.error);
	else if (strcmp(connect->connector, "RUNNING") != 0 || strcmp(connect->task, "RUNNING") != 0)
		verdict(facts, AB_HEALTH_DEGRADED, "Debezium is %s: %s",
			connect->task[0]        ? connect->task
			: connect->connector[0] ? connect->connector
						: "missing",
			connect->why);
}

static void judge_flow(struct ab_facts *facts)
{
	int warn = 0, stop = 0;

	for (int p = 0; p < facts->partition_count; p++) {
		warn += facts->partition[p].progress == AB_PROGRESS_WARN;
		stop += facts->partition[p].progress == AB_PROGRESS_STOP;
	}
	if (stop > 0)
		verdict(facts, AB_HEALTH_BEHIND, "%d partition%s with records, and nothing settled for %d s", stop,
			stop == 1 ? " stands" : "s stand", AB_FACTS_WINDOW_S);
	if (warn > 0)
		verdict(facts, AB_HEALTH_BEHIND, "more comes in than the sinks take: %.0f records behind, and growing",
			facts->lag);
	if (facts->read_per_s == 0 && facts->lag == 0)
		verdict(facts, AB_HEALTH_IDLE, "nothing has come in for %d s, nothing is waiting", AB_FACTS_WINDOW_S);
}

/* Which stage it is the engine knows best (core/bottleneck.h); here it becomes a sentence. */
static void name_bottleneck(struct ab_facts *facts)
{
	double busy = 0, blocked = 0;

	for (int t = 0; t < facts->thread_count; t++) {
		busy = fmax(busy, facts->thread[t].busy);
		blocked = fmax(blocked, facts->thread[t].blocked);
	}
	if (facts->limit[0] == 0 || strcmp(facts->limit, "none") == 0)
		return;
	if (strcmp(facts->limit, "kafka") == 0)
		snprintf(facts->bottleneck, sizeof facts->bottleneck,
			 "Kafka limits: workers wait for records that the log has");
	else if (strcmp(facts->limit, "workers") == 0 || strcmp(facts->limit, "sink_thread") == 0)
		snprintf(facts->bottleneck, sizeof facts->bottleneck,
			 "the engine's %s limit%s: the busiest thread works %.0f %% of the time",
			 strcmp(facts->limit, "workers") == 0 ? "workers" : "sink thread",
			 strcmp(facts->limit, "workers") == 0 ? "" : "s", 100 * busy);
	else
		snprintf(facts->bottleneck, sizeof facts->bottleneck, "%s limits: a worker waits %.0f %% of the time",
			 facts->limit, 100 * blocked);
}

void ab_facts_judge(struct ab_facts *facts)
{
	facts->sentence[0] = 0;
	facts->health = AB_HEALTH_OK;
	if (facts->engine.waiting) {
		verdict(facts, AB_HEALTH_ASKING, "waiting for the engine's first answer");
		return;
	}
	if (!facts->engine.answers) {
		verdict(facts, AB_HEALTH_DOWN, "the engine does not answer: %s", facts->engine.error);
		return;
	}
	name_bottleneck(facts);
	judge_sinks(facts);
	judge_neighbours(facts);
	judge_flow(facts);
	verdict(facts, AB_HEALTH_OK, "all sinks take what comes");
}
