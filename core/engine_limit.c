/* core/engine_limit.c — reads the counters of an interval for core/bottleneck.h, and tells what it says. See engine.h. */
#include <string.h>

#include "core/bottleneck.h"
#include "core/clock.h"
#include "core/engine.h"
#include "core/text.h"

static struct ab_engine_sums read_sums(const struct ab_engine *engine, int64_t now_ns)
{
	struct ab_engine_sums sum = {.now_ns = now_ns, .ticks = ab_ticks()};

	for (int w = 0; w < engine->worker_count; w++) {
		const struct ab_worker_counts *counts = &engine->worker[w].counts;
		sum.worker_busy += ab_count_get(&counts->busy_ns);
		sum.worker_blocked += ab_count_get(&counts->blocked_ns);
		sum.fetch += ab_count_get(&counts->fetch_ticks);
		sum.decode += ab_count_get(&counts->decode_ticks);
		sum.encode += ab_count_get(&counts->encode_ticks);
		sum.records += ab_count_get(&counts->records);
	}
	for (int d = 0; d < engine->delivery_count && d < AB_SINKS_MAX; d++)
		sum.sink_busy[d] = ab_count_get(&engine->delivery[d].busy_ns);
	for (int s = 0; s < engine->sink_count; s++) {
		for (int l = 0; l < engine->sink[s].lanes; l++) {
			const struct ab_lane_counts *counts = &engine->sink[s].delivery.lane[l].counts;
			sum.acked += ab_count_get(&counts->acked);
			sum.waiting[s] += ab_count_get(&counts->waiting_ns);
			sum.answers[s] += ab_count_get(&counts->answers);
		}
	}
	return sum;
}

static double part(double of, double whole)
{
	return whole > 0 ? of / whole : 0;
}

/* Lanes whose answer has not come in the whole interval have waited all of it. */
static double still_waiting(const struct ab_engine *engine, int s)
{
	int count = 0;

	for (int l = 0; l < engine->sink[s].lanes; l++)
		count += ab_count_get(&engine->sink[s].delivery.lane[l].counts.in_flight) > 0;
	return (double)count / engine->sink[s].lanes;
}

static struct ab_bottleneck compare(const struct ab_engine *engine, const struct ab_engine_sums *from,
				    const struct ab_engine_sums *to)
{
	double wall_ns = (double)(to->now_ns - from->now_ns);
	double ns_per_tick = part(wall_ns, (double)(to->ticks - from->ticks));
	double records = (double)(to->records - from->records);
	double workers_ns = wall_ns * engine->worker_count, sinks_busy_ns = 0;
	struct ab_bottleneck b = {
	    .worker_busy = part((double)(to->worker_busy - from->worker_busy), workers_ns),
	    .worker_blocked = part((double)(to->worker_blocked - from->worker_blocked), workers_ns),
	    .fetch_ns = part((double)(to->fetch - from->fetch) * ns_per_tick, records),
	    .decode_ns = part((double)(to->decode - from->decode) * ns_per_tick, records),
	    .encode_ns = part((double)(to->encode - from->encode) * ns_per_tick, records),
	    .records = to->records - from->records,
	    .sink_count = engine->sink_count,
	};

	for (int d = 0; d < engine->delivery_count && d < AB_SINKS_MAX; d++) {
		double busy_ns = (double)(to->sink_busy[d] - from->sink_busy[d]);
		double share = part(busy_ns, wall_ns);
		b.sink_thread_busy = share > b.sink_thread_busy ? share : b.sink_thread_busy;
		sinks_busy_ns += busy_ns;
	}
	b.sink_thread_ns = part(sinks_busy_ns, (double)(to->acked - from->acked));
	for (int s = 0; s < engine->sink_count; s++) {
		double waiting_ns = (double)(to->waiting[s] - from->waiting[s]);
		double answers = (double)(to->answers[s] - from->answers[s]);
		double share = part(waiting_ns, wall_ns * engine->sink[s].lanes);
		b.sink[s] = (struct ab_bottleneck_sink){
		    .name = engine->sink[s].ops->name,
		    .lanes = engine->sink[s].lanes,
		    .waiting = answers == 0 ? still_waiting(engine, s) : share < 1 ? share : 1,
		    .answer_ms = part(waiting_ns, answers) / (double)AB_NS_PER_MS,
		};
	}
	return b;
}

void ab_engine_limit_look(struct ab_engine *engine, int64_t now_ns, int64_t behind)
{
	struct ab_engine_sums sum = read_sums(engine, now_ns);
	struct ab_bottleneck b = compare(engine, &engine->limit_seen, &sum);
	char text[AB_BOTTLENECK_TEXT_BYTES];

	b.behind = behind;
	ab_count_set(&engine->limit, (uint64_t)ab_bottleneck_say(&b, text));
	pthread_mutex_lock(&engine->mutex);
	memcpy(engine->limit_text, text, sizeof engine->limit_text);
	pthread_mutex_unlock(&engine->mutex);
	engine->limit_seen = sum;
}

void ab_engine_limit_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	static const char *const names[] = {"none", "kafka", "workers", "sink_thread"};
	uint64_t now = ab_count_get(&engine->limit);
	double ticks = (double)(ab_ticks() - engine->started_ticks);
	double ns_per_tick = part((double)(ab_monotonic_ns() - engine->started_ns), ticks);
	struct ab_engine_sums sum = read_sums(engine, 0);

	ab_text_add(out, "# HELP anabranch_bottleneck 1 for what limits the engine now.\n# TYPE anabranch_bottleneck gauge\n");
	for (uint64_t i = 0; i < AB_COUNT(names); i++)
		ab_text_add(out, "anabranch_bottleneck{stage=\"%s\"} %d\n", names[i], now == i);
	for (int s = 0; s < engine->sink_count; s++)
		ab_text_add(out, "anabranch_bottleneck{stage=\"%s\"} %d\n", engine->sink[s].ops->name,
			    now == (uint64_t)(AB_BOTTLENECK_SINK + s));
	ab_text_add(out, "# HELP anabranch_worker_stage_seconds_total Time of the workers by what they did; by records: ns a record.\n"
			 "# TYPE anabranch_worker_stage_seconds_total counter\n");
	ab_text_add(out, "anabranch_worker_stage_seconds_total{stage=\"fetch\"} %.6f\n", (double)sum.fetch * ns_per_tick / 1e9);
	ab_text_add(out, "anabranch_worker_stage_seconds_total{stage=\"decode\"} %.6f\n", (double)sum.decode * ns_per_tick / 1e9);
	ab_text_add(out, "anabranch_worker_stage_seconds_total{stage=\"encode\"} %.6f\n", (double)sum.encode * ns_per_tick / 1e9);
}
