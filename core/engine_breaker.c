/* core/engine_breaker.c — looks at every running sink's breaker (core/breaker.h), and stops the sink when it opens.
 *
 * A record that nobody can read counts against every sink of its reader: when most of the topic is unreadable, all
 * sinks stop, since none would get anything and the topic of dead letters would get everything.
 */
#include <inttypes.h>

#include "core/engine.h"

/* What is rejected is read first: what it is a share of must not be older. */
static struct ab_breaker_counts counts_of(const struct ab_engine *engine, int s)
{
	const struct ab_engine_sink *sink = &engine->sink[s];
	struct ab_breaker_counts sum = {0};

	for (int w = 0; w < engine->worker_count; w++)
		sum.unfit += ab_count_get(&engine->worker[w].sink[s].rejected);
	for (int l = 0; l < sink->lanes; l++)
		sum.rejected += ab_count_get(&sink->delivery.lane[l].counts.rejected);
	for (int l = 0; l < sink->lanes; l++)
		sum.acked += ab_count_get(&sink->delivery.lane[l].counts.acked);
	for (int w = 0; w < engine->worker_count; w++)
		sum.given += ab_count_get(&engine->worker[w].sink[s].events);
	return sum;
}

static void stop(struct ab_engine *engine, struct ab_engine_sink *sink)
{
	char text[AB_SINK_ERROR_MAX_BYTES], last[AB_SINK_ERROR_MAX_BYTES];
	const struct ab_breaker *breaker = &sink->breaker;

	ab_delivery_error(&sink->delivery, last, sizeof last);
	snprintf(text, sizeof text,
		 "the breaker is open: %" PRIu64 " of %" PRIu64 " records were rejected within %d s, BREAKER_SHARE "
		 "allows %" PRId64 " %%. Its position holds. Look at the newest letters in %.100s; once the cause is "
		 "gone, restart. BREAKER_SHARE=100 would let them all pass%s%.100s",
		 breaker->window_rejected, breaker->window_records, AB_BREAKER_WINDOW_S, breaker->share_percent,
		 engine->config->dead_letter_topic, last[0] ? ". Its last error: " : "", last);
	ab_delivery_set_error(&sink->delivery, text);
	/* Release [D1]. The sink's thread may call at the same time, to stop or to be read anew: stopping wins now, or
	 * with the next look. */
	atomic_store_explicit(&sink->delivery.call, AB_CALL_STOP, memory_order_release);
}

void ab_engine_tend_breakers(struct ab_engine *engine, int64_t now_ns)
{
	bool opens = false;

	for (int s = 0; s < engine->sink_count && engine->assigned; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		if (sink->state != AB_STATE_RUNNING)
			continue;
		const struct ab_breaker_counts counts = counts_of(engine, s);
		pthread_mutex_lock(&engine->mutex);
		enum ab_breaker_result result = ab_breaker_look(&sink->breaker, &counts, now_ns);
		pthread_mutex_unlock(&engine->mutex);
		if (result == AB_BREAKER_CLOSED)
			continue;
		stop(engine, sink);
		opens = true;
	}
	/* With this look a sink stops; until it has, its workers reject no more. */
	for (int w = 0; w < engine->worker_count && !opens; w++)
		ab_worker_allow_letters(&engine->worker[w]);
}
