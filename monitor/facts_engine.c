/* monitor/facts_engine.c — the engine's numbers, from its answers of the last seconds. See facts.h. */
#include <math.h>

#include "core/clock.h"
#include "monitor/facts.h"

static const struct ab_scrape *nth(const struct ab_facts_history *history, int i)
{
	return &history->scrape[(history->first + i) % AB_FACTS_HISTORY];
}

/* Two answers: the newest, and the oldest of the window. then == now when there is only one. */
struct window {
	const struct ab_scrape *now, *then;
	double seconds; /* between them; 0: no rates yet */
};

static struct window window_of(const struct ab_facts_history *history)
{
	struct window window = {.now = nth(history, history->count - 1)};

	for (int i = 0; i < history->count && window.then == NULL; i++) {
		if (window.now->at_ns - nth(history, i)->at_ns <= AB_FACTS_WINDOW_S * AB_NS_PER_S)
			window.then = nth(history, i);
	}
	window.seconds = (double)(window.now->at_ns - window.then->at_ns) / 1e9;
	return window;
}

static double grown(const struct window *window, const char *name, const char *label, const char *other)
{
	double before = ab_scrape_sum(window->then, name, label, other);

	return ab_scrape_sum(window->now, name, label, other) - (isnan(before) ? 0 : before);
}

static double rate(const struct window *window, const char *name, const char *label, const char *other)
{
	return window->seconds > 0 ? grown(window, name, label, other) / window->seconds : NAN;
}

/* "redis: detached: connection refused; behind 12 events": the engine's word for a sink, and why. */
static void read_state(const char *ready, struct ab_facts_sink *sink)
{
	char begin[24];
	size_t len = (size_t)snprintf(begin, sizeof begin, "%s: ", sink->name);
	const char *at = strstr(ready, begin);

	snprintf(sink->state, sizeof sink->state, "unknown");
	if (at == NULL || (at != ready && at[-1] != '\n'))
		return;
	at += len;
	size_t line = strcspn(at, "\n"), word = strcspn(at, ":;\n");
	if (word >= sizeof sink->state)
		return;
	snprintf(sink->state, sizeof sink->state, "%.*s", (int)word, at);
	sink->live = strcmp(sink->state, "live") == 0;
	if (word + 2 < line)
		snprintf(sink->why, sizeof sink->why, "%.*s", (int)(line - word - 2), at + word + 2);
}

static double acked(const struct ab_scrape *scrape, const char *label)
{
	return ab_scrape_sum(scrape, "anabranch_sink_events_total", label, "outcome=\"acked\"");
}

static double errors(const struct ab_scrape *scrape, const char *label)
{
	return ab_scrape_sum(scrape, "anabranch_sink_errors_total", label, NULL);
}

/* How long a sink has taken nothing although something is in its way: a request without an answer all the time, errors
 * since it took the last one, or a state that is not the ordinary one. A lane that waits for its batch to fill has none of
 * these, and one that has just sent it has not been in flight for long. At most the history's length. */
static double stood_s(const struct ab_facts_history *history, const char *label, bool live)
{
	const struct ab_scrape *now = nth(history, history->count - 1);
	int64_t same_ns = now->at_ns, in_flight_ns = now->at_ns;
	bool in_flight = true, failed = false;

	for (int i = history->count - 1; i >= 0 && acked(nth(history, i), label) == acked(now, label); i--) {
		const struct ab_scrape *then = nth(history, i);
		same_ns = then->at_ns;
		failed |= errors(now, label) > errors(then, label);
		in_flight &= ab_scrape_sum(then, "anabranch_sink_inflight_requests", label, NULL) > 0;
		if (in_flight)
			in_flight_ns = then->at_ns;
	}
	return (double)(now->at_ns - (failed || !live ? same_ns : in_flight_ns)) / 1e9;
}

static double batch_limit(const struct ab_config *config, const char *sink)
{
	if (strcmp(sink, "redis") == 0)
		return (double)config->redis_batch_size;
	if (strcmp(sink, "bigquery") == 0)
		return (double)config->bigquery_batch_size;
	return (double)config->elasticsearch_batch_size;
}

static double or_zero(double value)
{
	return isnan(value) ? 0 : value;
}

static void sink_facts(const struct ab_facts_history *history, const struct window *window, const char *ready,
		       const struct ab_config *config, struct ab_facts_sink *sink)
{
	char label[32];

	snprintf(label, sizeof label, "sink=\"%s\"", sink->name);
	read_state(ready, sink);
	sink->given_per_s = rate(window, "anabranch_sink_given_total", label, NULL);
	sink->acked_per_s = rate(window, "anabranch_sink_events_total", label, "outcome=\"acked\"");
	sink->bytes_per_s = rate(window, "anabranch_sink_bytes_total", label, NULL);
	sink->requests_per_s = rate(window, "anabranch_sink_batches_total", label, NULL);
	sink->batch_records = sink->requests_per_s > 0 ? sink->acked_per_s / sink->requests_per_s : NAN;
	sink->batch_max = batch_limit(config, sink->name);
	const struct ab_scrape *then = window->seconds > 0 ? window->then : NULL;
	sink->p50_s = ab_scrape_quantile(window->now, then, "anabranch_freshness_seconds", label, 0.5);
	sink->p99_s = ab_scrape_quantile(window->now, then, "anabranch_freshness_seconds", label, 0.99);
	sink->request_p99_s =
	    ab_scrape_quantile(window->now, then, "anabranch_sink_request_duration_seconds", label, 0.99);
	sink->in_flight = ab_scrape_sum(window->now, "anabranch_sink_inflight_requests", label, NULL);
	sink->held = ab_scrape_sum(window->now, "anabranch_sink_inflight_events", label, NULL);
	sink->retries = ab_scrape_sum(window->now, "anabranch_sink_retries_total", label, NULL);
	sink->duplicates = ab_scrape_sum(window->now, "anabranch_duplicates_total", label, NULL);
	sink->dead = ab_scrape_sum(window->now, "anabranch_sink_events_total", label, "outcome=\"rejected\"");
	sink->errors = errors(window->now, label);
	sink->errors_new = grown(window, "anabranch_sink_errors_total", label, NULL);
	sink->behind_s = ab_scrape_sum(window->now, "anabranch_sink_lag_seconds", label, NULL);
	sink->stalled_s = stood_s(history, label, sink->live);
}

/* What each bucket of the freshness histogram counted since the answer before: one column of a heat map. */
static void freshness_counts(const struct ab_facts_history *history, struct ab_facts *facts, struct ab_facts_sink *sink)
{
	const struct ab_scrape *now = nth(history, history->count - 1);
	const struct ab_scrape *then = history->count > 1 ? nth(history, history->count - 2) : NULL;
	double before = 0;
	int b = 0;

	facts->bound_count = 0;
	for (size_t i = 0; i < now->count && b < AB_FACTS_BUCKETS; i++) {
		const struct ab_sample *sample = &now->sample[i];
		char name[16], bound[32], label[64];
		if (strcmp(sample->name, "anabranch_freshness_seconds_bucket") != 0 ||
		    !ab_sample_label(sample, "sink", name, sizeof name) || strcmp(name, sink->name) != 0 ||
		    !ab_sample_label(sample, "le", bound, sizeof bound))
			continue;
		snprintf(label, sizeof label, "sink=\"%s\"", name);
		char le[48];
		snprintf(le, sizeof le, "le=\"%s\"", bound);
		double below = sample->value -
			       (then == NULL ? sample->value : or_zero(ab_scrape_sum(then, sample->name, label, le)));
		sink->freshness_count[b++] = below - before;
		before = below;
		if (strcmp(bound, "+Inf") != 0)
			facts->bound_s[facts->bound_count++] = strtod(bound, NULL);
	}
}

static void judge_sink(struct ab_facts_sink *sink)
{
	sink->stalled = sink->behind > 0 && sink->stalled_s >= AB_FACTS_STALLED_S;
	if (!sink->stalled)
		sink->stalled_s = 0;
}

static double of_partition(const struct ab_scrape *scrape, const char *name, const char *label, int number)
{
	char partition[32];

	snprintf(partition, sizeof partition, "partition=\"%d\"", number);
	return ab_scrape_sum(scrape, name, partition, label);
}

/* The group's offset moves only with the slowest sink; so a partition stands when its offset does and records are there. */
static enum ab_progress progress_of(const struct window *window, const struct ab_facts_partition *partition)
{
	double before = of_partition(window->then, "anabranch_committed_offset", NULL, partition->number);
	double lag_before = of_partition(window->then, "anabranch_source_lag_messages", NULL, partition->number);

	if (isnan(partition->lag) || isnan(before) || window->seconds <= 0)
		return AB_PROGRESS_UNKNOWN;
	if (partition->lag == 0)
		return AB_PROGRESS_OK;
	if (partition->committed == before)
		return lag_before > 0 && window->seconds > AB_FACTS_WINDOW_S / 2 ? AB_PROGRESS_STOP : AB_PROGRESS_OK;
	return lag_before >= 0 && partition->lag > 2 * lag_before + 1000 ? AB_PROGRESS_WARN : AB_PROGRESS_OK;
}

static void partition_facts(const struct window *window, int number, struct ab_facts *facts)
{
	struct ab_facts_partition *partition = &facts->partition[facts->partition_count++];

	partition->number = number;
	partition->committed = of_partition(window->now, "anabranch_committed_offset", NULL, number);
	partition->lag = of_partition(window->now, "anabranch_source_lag_messages", NULL, number);
	if (partition->lag < 0 || partition->committed < 0)
		partition->lag = NAN;
	partition->end = partition->committed + partition->lag;
	partition->progress = progress_of(window, partition);
	facts->lag = isnan(facts->lag) ? partition->lag : facts->lag + or_zero(partition->lag);
	for (int s = 0; s < facts->sink_count; s++) {
		char label[32];
		snprintf(label, sizeof label, "sink=\"%s\"", facts->sink[s].name);
		double position = of_partition(window->now, "anabranch_sink_position", label, number);
		double behind = position >= 0 ? fmax(0, partition->end - position) : NAN;
		partition->sink_lag[s] = behind;
		facts->sink[s].behind = isnan(facts->sink[s].behind) ? behind : facts->sink[s].behind + or_zero(behind);
	}
}

static void thread_facts(const struct window *window, struct ab_facts *facts)
{
	for (size_t i = 0; i < window->now->count && facts->thread_count < AB_FACTS_THREADS; i++) {
		const struct ab_sample *sample = &window->now->sample[i];
		char stage[16], number[16], stage_label[32], thread_label[32];
		if (strcmp(sample->name, "anabranch_stage_busy_seconds_total") != 0 || window->seconds <= 0 ||
		    !ab_sample_label(sample, "stage", stage, sizeof stage) ||
		    !ab_sample_label(sample, "thread", number, sizeof number))
			continue;
		struct ab_facts_thread *thread = &facts->thread[facts->thread_count++];
		snprintf(thread->name, sizeof thread->name, "%s %.6s", stage, number);
		snprintf(stage_label, sizeof stage_label, "stage=\"%s\"", stage);
		snprintf(thread_label, sizeof thread_label, "thread=\"%s\"", number);
		thread->busy = rate(window, "anabranch_stage_busy_seconds_total", stage_label, thread_label);
		thread->idle = rate(window, "anabranch_stage_idle_seconds_total", stage_label, thread_label);
		thread->blocked =
		    rate(window, "anabranch_stage_backpressured_seconds_total", stage_label, thread_label);
	}
}

static void limit_of(const struct ab_scrape *scrape, struct ab_facts *facts)
{
	for (size_t i = 0; i < scrape->count; i++) {
		if (strcmp(scrape->sample[i].name, "anabranch_bottleneck") == 0 && scrape->sample[i].value == 1)
			ab_sample_label(&scrape->sample[i], "stage", facts->limit, sizeof facts->limit);
	}
}

static void version_of(const struct ab_scrape *scrape, struct ab_facts *facts)
{
	for (size_t i = 0; i < scrape->count; i++) {
		if (strcmp(scrape->sample[i].name, "anabranch_build_info") == 0)
			ab_sample_label(&scrape->sample[i], "version", facts->version, sizeof facts->version);
	}
}

static void unknown(struct ab_facts *facts, const struct ab_config *config)
{
	facts->uptime_s = facts->cpu_share = facts->rss_bytes = facts->contents = NAN;
	facts->read_per_s = facts->read_bytes_per_s = facts->lag = facts->freshness_p99_s = NAN;
	facts->dead_letters = facts->enrich_unknown = NAN;
	facts->sink_count = config->sinks.count;
	for (int s = 0; s < facts->sink_count; s++) {
		struct ab_facts_sink *sink = &facts->sink[s];
		*sink = (struct ab_facts_sink){
		    .given_per_s = NAN,
		    .acked_per_s = NAN,
		    .bytes_per_s = NAN,
		    .requests_per_s = NAN,
		    .p50_s = NAN,
		    .p99_s = NAN,
		    .request_p99_s = NAN,
		    .behind = NAN,
		    .behind_s = NAN,
		    .in_flight = NAN,
		    .held = NAN,
		    .batch_records = NAN,
		    .retries = NAN,
		    .duplicates = NAN,
		    .dead = NAN,
		    .errors = NAN,
		    .errors_new = NAN,
		};
		snprintf(sink->name, sizeof sink->name, "%s", config->sinks.name[s]);
		snprintf(sink->state, sizeof sink->state, "unknown");
	}
}

void ab_facts_of_engine(const struct ab_facts_history *history, const char *ready, const struct ab_config *config,
			struct ab_facts *facts)
{
	unknown(facts, config);
	if (history->count == 0 || !facts->engine.answers)
		return;
	struct window window = window_of(history);
	const struct ab_scrape *now = window.now;

	facts->window_s = window.seconds;
	version_of(now, facts);
	limit_of(now, facts);
	facts->uptime_s =
	    (double)facts->wall_ms / 1000 - ab_scrape_sum(now, "anabranch_start_time_seconds", NULL, NULL);
	facts->cpu_share = rate(&window, "process_cpu_seconds_total", NULL, NULL);
	facts->rss_bytes = ab_scrape_sum(now, "process_resident_memory_bytes", NULL, NULL);
	facts->contents = ab_scrape_sum(now, "anabranch_contents", NULL, NULL);
	facts->read_per_s = rate(&window, "anabranch_source_records_total", NULL, NULL);
	facts->read_bytes_per_s = rate(&window, "anabranch_source_bytes_total", NULL, NULL);
	facts->dead_letters = ab_scrape_sum(now, "anabranch_dead_letters_total", NULL, NULL);
	facts->enrich_unknown = ab_scrape_sum(now, "anabranch_enrich_misses_total", "outcome=\"unknown\"", NULL);
	for (int s = 0; s < facts->sink_count; s++) {
		sink_facts(history, &window, ready, config, &facts->sink[s]);
		freshness_counts(history, facts, &facts->sink[s]);
	}
	for (size_t i = 0; i < now->count && facts->partition_count < AB_PARTITIONS_MAX; i++) {
		char number[16];
		if (strcmp(now->sample[i].name, "anabranch_committed_offset") == 0 &&
		    ab_sample_label(&now->sample[i], "partition", number, sizeof number))
			partition_facts(&window, (int)strtol(number, NULL, 10), facts);
	}
	thread_facts(&window, facts);
	for (int s = 0; s < facts->sink_count; s++) {
		struct ab_facts_sink *sink = &facts->sink[s];
		judge_sink(sink);
		if (!isnan(sink->p99_s) && (isnan(facts->freshness_p99_s) || sink->p99_s > facts->freshness_p99_s)) {
			facts->freshness_p99_s = sink->p99_s;
			snprintf(facts->freshness_sink, sizeof facts->freshness_sink, "%s", sink->name);
		}
	}
}
