/* core/bottleneck.c — see bottleneck.h. */
#include "core/bottleneck.h"

/* More than this share of the time spent waiting for the next stage, and that one is the limit: workers and sink threads
 * hand over in bursts, so that a little waiting is always seen. */
#define BLOCKED_SHARE 0.25
/* A thread that works this much has no more to give: the rest is waking up and being preempted. */
#define BUSY_SHARE 0.75
/* Fewer records than a second's worth of a quiet topic are no backlog. */
#define BEHIND_RECORDS 10000

static int slowest_sink(const struct ab_bottleneck *b)
{
	int slowest = 0;

	for (int s = 1; s < b->sink_count; s++) {
		if (b->sink[s].waiting > b->sink[slowest].waiting)
			slowest = s;
	}
	return slowest;
}

static int say_behind_workers(const struct ab_bottleneck *b, char *to)
{
	int s = slowest_sink(b);

	if (b->sink_count > 0 && (b->sink_thread_busy < BUSY_SHARE || b->sink[s].waiting > b->sink_thread_busy)) {
		snprintf(to, AB_BOTTLENECK_TEXT_BYTES, "limited by %s: its %d lanes wait %.0f %% of the time for answers of %.3g ms",
			 b->sink[s].name, b->sink[s].lanes, 100 * b->sink[s].waiting, b->sink[s].answer_ms);
		return AB_BOTTLENECK_SINK + s;
	}
	snprintf(to, AB_BOTTLENECK_TEXT_BYTES, "limited by the sink thread: busy %.0f %%, %.0f ns a record", 100 * b->sink_thread_busy,
		 b->sink_thread_ns);
	return AB_BOTTLENECK_SINK_THREAD;
}

int ab_bottleneck_say(const struct ab_bottleneck *b, char to[AB_BOTTLENECK_TEXT_BYTES])
{
	if (b->worker_blocked > BLOCKED_SHARE)
		return say_behind_workers(b, to);
	if (b->records > 0 && b->worker_busy > BUSY_SHARE) {
		snprintf(to, AB_BOTTLENECK_TEXT_BYTES,
			 "limited by the workers: busy %.0f %%, a record takes %.0f ns (fetch %.0f, decode %.0f, encode %.0f)",
			 100 * b->worker_busy, b->fetch_ns + b->decode_ns + b->encode_ns, b->fetch_ns, b->decode_ns, b->encode_ns);
		return AB_BOTTLENECK_WORKERS;
	}
	/* A sink that reads by itself blocks no worker: its lanes tell. */
	if (b->sink_count > 0 && b->behind > BEHIND_RECORDS && b->sink[slowest_sink(b)].waiting > BUSY_SHARE)
		return say_behind_workers(b, to);
	if (b->records > 0 && b->behind > BEHIND_RECORDS) {
		snprintf(to, AB_BOTTLENECK_TEXT_BYTES, "limited by Kafka: the workers wait %.0f %% of the time for records",
			 100 * (1 - b->worker_busy - b->worker_blocked));
		return AB_BOTTLENECK_KAFKA;
	}
	snprintf(to, AB_BOTTLENECK_TEXT_BYTES, b->behind > BEHIND_RECORDS ? "nothing comes" : "keeps up");
	return AB_BOTTLENECK_NONE;
}
