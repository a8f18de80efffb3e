/* core/engine_view.c — what people and machines see of the engine: status line, summary, /metrics, /readyz. */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/log.h"
#include "core/text.h"

#define STATUS_INTERVAL_NS AB_NS_PER_S

static const char *const op_names[] = {"c", "r", "u", "d"};

int64_t ab_engine_view_position(const struct ab_engine *engine, int s, uint16_t p)
{
	const struct ab_engine_sink *sink = &engine->sink[s];
	int64_t least = -1;

	for (int l = 0; l < sink->lanes; l++) {
		int64_t next = ab_lane_position(&sink->delivery.lane[l].lane, p);
		if (next < 0)
			next = sink->known.position[l][p];
		if (next >= 0 && (least < 0 || next < least))
			least = next;
	}
	return least;
}

struct sink_sums {
	uint64_t acked, rejected, skipped, repeated, duplicates, requests, retries, bytes, outages, ambiguous, connects, failures;
	uint64_t in_flight, held, events, errors;
};

/* Adds up a sink's lanes and workers: what it was given, and what became of it. */
static struct sink_sums sink_sums(const struct ab_engine *engine, int s)
{
	const struct ab_engine_sink *sink = &engine->sink[s];
	struct sink_sums sum = {.errors = ab_count_get(&sink->delivery.errors)};

	for (int l = 0; l < sink->lanes; l++) {
		const struct ab_lane_counts *counts = &sink->delivery.lane[l].counts;
		sum.acked += ab_count_get(&counts->acked);
		sum.rejected += ab_count_get(&counts->rejected);
		sum.repeated += ab_count_get(&counts->repeated);
		sum.duplicates += ab_count_get(&counts->duplicates);
		sum.requests += ab_count_get(&counts->requests);
		sum.retries += ab_count_get(&counts->retries);
		sum.bytes += ab_count_get(&counts->bytes);
		sum.outages += ab_count_get(&counts->outages);
		sum.ambiguous += ab_count_get(&counts->ambiguous);
		sum.connects += ab_count_get(&counts->connects);
		sum.failures += ab_count_get(&counts->failures);
		sum.in_flight += ab_count_get(&counts->in_flight);
		sum.held += ab_count_get(&counts->held);
	}
	for (int w = 0; w < engine->worker_count; w++) {
		const struct ab_worker_sink *given = &engine->worker[w].sink[s];
		sum.events += ab_count_get(&given->events);
		sum.skipped += ab_count_get(&given->skipped);
		sum.rejected += ab_count_get(&given->rejected);
		for (uint32_t l = 0; l < given->lanes; l++)
			sum.repeated += ab_count_get(&given->link[l].repeated);
	}
	return sum;
}

static uint64_t records_read(const struct ab_engine *engine)
{
	uint64_t sum = 0;

	for (int w = 0; w < engine->worker_count; w++)
		sum += ab_count_get(&engine->worker[w].counts.records);
	return sum;
}

/* Records between the least position of any sink and the end of the log; -1: not known. */
static int64_t lag(struct ab_engine *engine, uint16_t p)
{
	int64_t first, next;

	ab_source_cached_bounds(engine->member, p, &first, &next);
	if (next < 0)
		return -1;
	return next > engine->committed[p] && engine->committed[p] >= 0 ? next - engine->committed[p] : 0;
}

static void say_behind(struct ab_text_out *out, const struct ab_sink_behind *at)
{
	ab_text_add(out, " behind %" PRId64 " events, %" PRId64 " KiB", at->events, at->bytes / 1024);
	if (at->age_ms >= 0)
		ab_text_add(out, ", %.0f s", (double)at->age_ms / 1000);
	if (at->margin_ms != INT64_MAX)
		ab_text_add(out, "; lost by retention in %.0f s", (double)at->margin_ms / 1000);
}

void ab_engine_view_status(struct ab_engine *engine, int64_t now_ns)
{
	if (now_ns - engine->status_ns < STATUS_INTERVAL_NS)
		return;
	double seconds = (double)(now_ns - engine->status_ns) / (double)AB_NS_PER_S;
	uint64_t records = records_read(engine);
	int64_t behind = 0;
	struct ab_text_out out = ab_text_begin();

	for (int i = 0; i < engine->partition_count; i++) {
		int64_t one = lag(engine, engine->partition[i]);
		behind += one > 0 ? one : 0;
	}
	ab_text_add(&out, "in %.0f/s lag %" PRId64, (double)(records - engine->seen_records) / seconds, behind);
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		struct sink_sums sum = sink_sums(engine, s);
		struct ab_sink_behind at;
		ab_engine_behind(engine, s, &at);
		ab_text_add(&out, " | %s %s %.0f/s", sink->ops->name, ab_engine_state_name(sink),
			    (double)(sum.acked - engine->seen_acked[s]) / seconds);
		if (sink->reader != 0)
			say_behind(&out, &at);
		if (sum.rejected > 0)
			ab_text_add(&out, " dead %" PRIu64, sum.rejected);
		if (sum.outages + sum.failures > 0)
			ab_text_add(&out, " errors %" PRIu64, sum.outages + sum.failures);
		engine->seen_acked[s] = sum.acked;
	}
	ab_engine_limit_look(engine, now_ns, behind);
	ab_text_add(&out, " | %s", engine->limit_text);
	if (engine->status_ns != 0)
		ab_log_line(out.text);
	engine->seen_records = records;
	engine->status_ns = now_ns;
	free(out.text);
}

void ab_engine_view_summary(struct ab_engine *engine)
{
	ab_log("stopped after %.1f s: %" PRIu64 " records read",
	       (double)(ab_monotonic_ns() - engine->started_ns) / (double)AB_NS_PER_S, records_read(engine));
	for (int s = 0; s < engine->sink_count; s++) {
		struct sink_sums sum = sink_sums(engine, s);
		ab_log("%s received %" PRIu64 " records in %" PRIu64 " requests (%" PRIu64
		       " of them it had already), %" PRIu64 " skipped, %" PRIu64 " to the dead letters",
		       engine->sink[s].ops->name, sum.acked, sum.requests, sum.duplicates, sum.skipped, sum.rejected);
	}
}

static void help(struct ab_text_out *out, const char *name, const char *type, const char *text)
{
	ab_text_add(out, "# HELP anabranch_%s %s\n# TYPE anabranch_%s %s\n", name, text, name, type);
}

static void workers_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	uint64_t op[4] = {0}, rejected[AB_REJECT_COUNT] = {0}, bytes = 0, tombstones = 0, other = 0;
	uint64_t misses = 0, resolved = 0, unknown = 0;
	char words[256];

	for (int w = 0; w < engine->worker_count; w++) {
		const struct ab_worker_counts *counts = &engine->worker[w].counts;
		for (int i = 0; i < 4; i++)
			op[i] += ab_count_get(&counts->op[i]);
		for (int i = 0; i < AB_REJECT_COUNT; i++)
			rejected[i] += ab_count_get(&counts->rejected[i]);
		bytes += ab_count_get(&counts->bytes);
		tombstones += ab_count_get(&counts->tombstones);
		other += ab_count_get(&counts->other);
		misses += ab_count_get(&counts->enrich_misses);
		resolved += ab_count_get(&counts->enrich_resolved);
		unknown += ab_count_get(&counts->enrich_unknown);
	}
	help(out, "source_records_total", "counter", "Records read from Kafka, again ones included.");
	ab_text_add(out, "anabranch_source_records_total %" PRIu64 "\n", records_read(engine));
	help(out, "source_bytes_total", "counter", "Bytes of their values.");
	ab_text_add(out, "anabranch_source_bytes_total %" PRIu64 "\n", bytes);
	help(out, "source_events_total", "counter", "Events by operation.");
	for (int i = 0; i < 4; i++)
		ab_text_add(out, "anabranch_source_events_total{topic=\"%s\",op=\"%s\"} %" PRIu64 "\n",
			    engine->config->events_topic, op_names[i], op[i]);
	help(out, "discarded_events_total", "counter", "Records that mean nothing to any sink.");
	ab_text_add(out, "anabranch_discarded_events_total{reason=\"tombstone\",intentional=\"true\"} %" PRIu64 "\n",
		    tombstones);
	ab_text_add(out, "anabranch_discarded_events_total{reason=\"other\",intentional=\"true\"} %" PRIu64 "\n",
		    other);
	help(out, "dead_letters_total", "counter", "Rejected records, by who rejected them and why.");
	for (int i = 0; i < AB_REJECT_COUNT; i++)
		ab_text_add(out, "anabranch_dead_letters_total{sink=\"all\",reason=\"%s\"} %" PRIu64 "\n",
			    ab_reject_name((enum ab_reject)i), rejected[i]);
	help(out, "dead_letters_waiting", "gauge", "Letters handed over that Kafka has not acknowledged.");
	ab_text_add(out, "anabranch_dead_letters_waiting %" PRIu64 "\n", ab_dead_letters_waiting(engine->letters));
	help(out, "dead_letters_refused", "gauge", "Of those, the ones Kafka refuses: their partitions wait.");
	ab_text_add(out, "anabranch_dead_letters_refused %" PRIu64 "\n",
		    ab_dead_letters_refused(engine->letters, words, sizeof words));
	help(out, "enrich_misses_total", "counter",
	     "Events whose content was not known when first looked up, and how it ended.");
	ab_text_add(out, "anabranch_enrich_misses_total{outcome=\"first\"} %" PRIu64 "\n", misses);
	ab_text_add(out, "anabranch_enrich_misses_total{outcome=\"resolved\"} %" PRIu64 "\n", resolved);
	ab_text_add(out, "anabranch_enrich_misses_total{outcome=\"unknown\"} %" PRIu64 "\n", unknown);
}

static void shapes_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	uint64_t matched = 0, missed = 0, learned = 0;

	for (int w = 0; w < engine->worker_count; w++) {
		const struct ab_shape_counts *shapes = ab_decoder_shapes(engine->worker[w].decoder);
		matched += ab_count_get(&shapes->matched);
		missed += ab_count_get(&shapes->missed);
		learned += ab_count_get(&shapes->learned);
	}
	help(out, "decode_shapes_total", "counter",
	     "Records read by a learned shape, records left to simdjson, and shapes learned: a changed table makes new ones.");
	ab_text_add(out, "anabranch_decode_shapes_total{outcome=\"matched\"} %" PRIu64 "\n", matched);
	ab_text_add(out, "anabranch_decode_shapes_total{outcome=\"missed\"} %" PRIu64 "\n", missed);
	ab_text_add(out, "anabranch_decode_shapes_total{outcome=\"learned\"} %" PRIu64 "\n", learned);
}

static void stages_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	help(out, "stage_busy_seconds_total", "counter", "Time a thread worked.");
	for (int w = 0; w < engine->worker_count; w++)
		ab_text_add(out, "anabranch_stage_busy_seconds_total{stage=\"worker\",thread=\"%d\"} %.6f\n", w,
			    (double)ab_count_get(&engine->worker[w].counts.busy_ns) / 1e9);
	for (int d = 0; d < engine->delivery_count; d++)
		ab_text_add(out, "anabranch_stage_busy_seconds_total{stage=\"sinks\",thread=\"%d\"} %.6f\n", d,
			    (double)ab_count_get(&engine->delivery[d].busy_ns) / 1e9);
	help(out, "stage_idle_seconds_total", "counter", "Time a thread had nothing to do.");
	for (int w = 0; w < engine->worker_count; w++)
		ab_text_add(out, "anabranch_stage_idle_seconds_total{stage=\"worker\",thread=\"%d\"} %.6f\n", w,
			    (double)ab_count_get(&engine->worker[w].counts.idle_ns) / 1e9);
	help(out, "stage_backpressured_seconds_total", "counter",
	     "Time a worker waited for a lane, a content or the dead letters.");
	for (int w = 0; w < engine->worker_count; w++)
		ab_text_add(out, "anabranch_stage_backpressured_seconds_total{stage=\"worker\",thread=\"%d\"} %.6f\n",
			    w, (double)ab_count_get(&engine->worker[w].counts.blocked_ns) / 1e9);
}

static void partitions_metrics(struct ab_text_out *out, struct ab_engine *engine)
{
	help(out, "committed_offset", "gauge", "Offset of the group: the least position of all sinks.");
	for (int i = 0; i < engine->partition_count; i++)
		ab_text_add(out, "anabranch_committed_offset{partition=\"%d\"} %" PRId64 "\n", engine->partition[i],
			    engine->committed[engine->partition[i]]);
	help(out, "source_lag_messages", "gauge", "Records between the group's offset and the end of the log.");
	for (int i = 0; i < engine->partition_count; i++)
		ab_text_add(out, "anabranch_source_lag_messages{topic=\"%s\",partition=\"%d\"} %" PRId64 "\n",
			    engine->config->events_topic, engine->partition[i], lag(engine, engine->partition[i]));
	help(out, "sink_position", "gauge", "Next offset a sink has not durably applied, the least of its lanes.");
	for (int s = 0; s < engine->sink_count; s++) {
		for (int i = 0; i < engine->partition_count; i++)
			ab_text_add(out, "anabranch_sink_position{sink=\"%s\",partition=\"%d\"} %" PRId64 "\n",
				    engine->sink[s].ops->name, engine->partition[i],
				    ab_engine_view_position(engine, s, engine->partition[i]));
	}
}

static void ledger_line(struct ab_text_out *out, const char *sink, uint16_t p, const char *account, uint64_t records)
{
	ab_text_add(out, "anabranch_sink_ledger_records{sink=\"%s\",partition=\"%d\",account=\"%s\"} %" PRIu64 "\n", sink,
		    p, account, records);
}

/* Outcomes are read before what was consumed, so that no outcome is ever seen without its record. */
static void ledger(struct ab_text_out *out, const struct ab_engine *engine, int s, uint16_t p)
{
	static const char *const accounts[AB_LEDGER_COUNT] = {
	    [AB_LEDGER_OPERATION] = "skipped_operation",
	    [AB_LEDGER_NO_EVENT] = "skipped_no_event",
	    [AB_LEDGER_KNOWN] = "skipped_known",
	};
	const struct ab_delivery_sink *delivery = &engine->sink[s].delivery;
	const ab_count *its = engine->worker[p % engine->worker_count].sink[s].ledger[p];
	const char *name = engine->sink[s].ops->name;
	uint64_t acked = ab_count_get(&delivery->acked[p]);
	uint64_t dead = ab_count_get(&delivery->dead[p]) + ab_count_get(&its[AB_LEDGER_DEAD]);
	uint64_t settled = acked + dead;

	ledger_line(out, name, p, "acked", acked);
	ledger_line(out, name, p, "dead", dead);
	for (int account = AB_LEDGER_OPERATION; account < AB_LEDGER_COUNT; account++) {
		uint64_t records = ab_count_get(&its[account]);
		settled += records;
		ledger_line(out, name, p, accounts[account], records);
	}
	atomic_thread_fence(memory_order_acquire); /* [L1] */
	uint64_t consumed = ab_count_get(&its[AB_LEDGER_CONSUMED]);
	ledger_line(out, name, p, "consumed", consumed);
	ab_text_add(out, "anabranch_sink_ledger_records{sink=\"%s\",partition=\"%d\",account=\"in_flight\"} %" PRId64 "\n", name,
		    p, (int64_t)(consumed - settled));
}

static void ledgers(struct ab_text_out *out, const struct ab_engine *engine)
{
	help(out, "sink_ledger_records", "gauge",
	     "What became of a partition's records, each once, since the sink last began: consumed = acked + dead + skipped "
	     "+ in_flight.");
	for (int s = 0; s < engine->sink_count; s++) {
		for (int i = 0; i < engine->partition_count && engine->sink[s].state != AB_STATE_ABSENT; i++)
			ledger(out, engine, s, engine->partition[i]);
	}
}

struct sink_metric {
	const char *name, *type, *label, *help;
	size_t at;
};

#define SINK_METRIC(name, type, label, field, help)                                                                    \
	{                                                                                                              \
		name, type, label, help, offsetof(struct sink_sums, field)                                             \
	}
static const struct sink_metric sink_metrics[] = {
    SINK_METRIC("sink_given_total", "counter", "", events, "Records encoded for a sink, again ones included."),
    SINK_METRIC("sink_events_total", "counter", ",outcome=\"acked\"", acked, "Records by what became of them."),
    SINK_METRIC(NULL, NULL, ",outcome=\"rejected\"", rejected, NULL),
    SINK_METRIC(NULL, NULL, ",outcome=\"skipped\"", skipped, NULL),
    SINK_METRIC(NULL, NULL, ",outcome=\"repeated\"", repeated, NULL),
    SINK_METRIC("sink_inflight_events", "gauge", "", held,
		"Records a sink's lanes hold: to be sent, or sent and not answered."),
    SINK_METRIC("duplicates_total", "counter", "", duplicates,
		"Records a sink had already: refused, absorbed, found by lookup."),
    SINK_METRIC("sink_batches_total", "counter", "", requests, "Requests sent."),
    SINK_METRIC("sink_retries_total", "counter", "", retries,
		"Batches sent again, in whole or in part: refused for now, or sent over a connection that was lost."),
    SINK_METRIC("sink_bytes_total", "counter", "", bytes, "Bytes sent."),
    SINK_METRIC("sink_inflight_requests", "gauge", "", in_flight, "Requests sent and not answered."),
    SINK_METRIC("sink_errors_total", "counter", ",error_type=\"outage\"", outages, "Requests that failed as a whole."),
    SINK_METRIC(NULL, NULL, ",error_type=\"ambiguous\"", ambiguous, NULL),
    SINK_METRIC(NULL, NULL, ",error_type=\"connection\"", failures, NULL),
    SINK_METRIC("sink_connections_total", "counter", "", connects, "Connections made."),
};

static void sinks_metrics(struct ab_text_out *out, struct ab_engine *engine)
{
	const char *name = NULL;

	for (size_t m = 0; m < AB_COUNT(sink_metrics); m++) {
		const struct sink_metric *metric = &sink_metrics[m];
		if (metric->name != NULL) {
			name = metric->name;
			help(out, name, metric->type, metric->help);
		}
		for (int s = 0; s < engine->sink_count; s++) {
			struct sink_sums sum = sink_sums(engine, s);
			ab_text_add(out, "anabranch_%s{sink=\"%s\"%s} %" PRIu64 "\n", name, engine->sink[s].ops->name,
				    metric->label, *(uint64_t *)((char *)&sum + metric->at));
		}
	}
	help(out, "sink_up", "gauge", "1 while a sink takes records.");
	for (int s = 0; s < engine->sink_count; s++)
		ab_text_add(out, "anabranch_sink_up{sink=\"%s\"} %d\n", engine->sink[s].ops->name,
			    engine->sink[s].state == AB_STATE_RUNNING);
	help(out, "breaker_open", "gauge", "1 once so many records were rejected that the sink was stopped.");
	for (int s = 0; s < engine->sink_count; s++)
		ab_text_add(out, "anabranch_breaker_open{sink=\"%s\"} %d\n", engine->sink[s].ops->name,
			    engine->sink[s].breaker.open);
	help(out, "sink_reader", "gauge", "0: reads with the others, 1: by itself, -1: not at all.");
	for (int s = 0; s < engine->sink_count; s++)
		ab_text_add(out, "anabranch_sink_reader{sink=\"%s\"} %d\n", engine->sink[s].ops->name,
			    engine->sink[s].reader > 0 ? 1 : engine->sink[s].reader);
}

/* Each sink has gauges of its own names, so that no name comes twice. */
static void gauges_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_sink_gauge gauge[AB_SINK_GAUGES_MAX];
		const struct ab_engine_sink *sink = &engine->sink[s];
		int count = sink->ops->gauges != NULL ? sink->ops->gauges(sink->sink, gauge) : 0;
		for (int i = 0; i < count; i++) {
			help(out, gauge[i].name, "gauge", gauge[i].help);
			ab_text_add(out, "anabranch_%s %" PRId64 "\n", gauge[i].name, gauge[i].value);
		}
	}
}

static void states_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	static const char *const names[] = {"live", "catching up", "detached", "absent", "stopped", "lost data"};

	help(out, "sink_state", "gauge", "1 for the state a sink is in.");
	for (int s = 0; s < engine->sink_count; s++) {
		for (size_t i = 0; i < AB_COUNT(names); i++)
			ab_text_add(out, "anabranch_sink_state{sink=\"%s\",state=\"%s\"} %d\n", engine->sink[s].ops->name,
				    names[i], strcmp(names[i], ab_engine_state_name(&engine->sink[s])) == 0);
	}
	help(out, "sink_lost_offsets_total", "counter", "Offsets that retention deleted before every lane of the sink had its own.");
	for (int s = 0; s < engine->sink_count; s++)
		ab_text_add(out, "anabranch_sink_lost_offsets_total{sink=\"%s\"} %" PRIu64 "\n", engine->sink[s].ops->name,
			    engine->sink[s].lost_offsets);
	help(out, "sink_lost_range", "gauge",
	     "The last range of offsets that was lost so, from the first to before the last. Below whole_from only some.");
	for (int s = 0; s < engine->sink_count; s++) {
		const struct ab_engine_sink *sink = &engine->sink[s];
		for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
			if (sink->lost_to[p] == 0)
				continue;
			ab_text_add(out,
				    "anabranch_sink_lost_range{sink=\"%s\",partition=\"%d\",bound=\"from\"} %" PRId64
				    "\nanabranch_sink_lost_range{sink=\"%s\",partition=\"%d\",bound=\"whole_from\"} %" PRId64
				    "\nanabranch_sink_lost_range{sink=\"%s\",partition=\"%d\",bound=\"to\"} %" PRId64 "\n",
				    sink->ops->name, p, sink->lost_from[p], sink->ops->name, p, sink->lost_whole_from[p],
				    sink->ops->name, p, sink->lost_to[p]);
		}
	}
}

/* Not known: left out. */
static void behind_line(struct ab_text_out *out, const struct ab_engine *engine, int s, const char *name, double value)
{
	if (value >= 0)
		ab_text_add(out, "anabranch_%s{sink=\"%s\"} %.15g\n", name, engine->sink[s].ops->name, value);
}

static void behind_metrics(struct ab_text_out *out, const struct ab_engine *engine)
{
	struct ab_sink_behind at[AB_SINKS_MAX];

	for (int s = 0; s < engine->sink_count; s++)
		ab_engine_behind(engine, s, &at[s]);
	help(out, "sink_lag_messages", "gauge", "Records between a sink's positions and the end of the log.");
	for (int s = 0; s < engine->sink_count; s++)
		behind_line(out, engine, s, "sink_lag_messages", (double)at[s].events);
	help(out, "sink_lag_bytes", "gauge", "Their bytes, by the mean size of what was read.");
	for (int s = 0; s < engine->sink_count; s++)
		behind_line(out, engine, s, "sink_lag_bytes", (double)at[s].bytes);
	help(out, "sink_lag_seconds", "gauge", "Age of the oldest record that a sink was given and does not have.");
	for (int s = 0; s < engine->sink_count; s++)
		behind_line(out, engine, s, "sink_lag_seconds", at[s].age_ms < 0 ? -1 : (double)at[s].age_ms / 1000);
	help(out, "sink_retention_messages", "gauge", "Offsets between the log's beginning and a sink's position.");
	for (int s = 0; s < engine->sink_count; s++)
		behind_line(out, engine, s, "sink_retention_messages", (double)at[s].margin_events);
	help(out, "sink_retention_seconds", "gauge", "Time until retention overtakes a sink, as things are; +Inf: never.");
	for (int s = 0; s < engine->sink_count; s++) {
		if (at[s].margin_ms == INT64_MAX)
			ab_text_add(out, "anabranch_sink_retention_seconds{sink=\"%s\"} +Inf\n", engine->sink[s].ops->name);
		else
			behind_line(out, engine, s, "sink_retention_seconds", (double)at[s].margin_ms / 1000);
	}
}

static void histogram(struct ab_text_out *out, struct ab_engine *engine, const char *name, size_t at)
{
	for (int s = 0; s < engine->sink_count; s++) {
		uint64_t sum_ms = 0, below = 0;
		const char *sink = engine->sink[s].ops->name;
		for (int b = 0; b < AB_HIST_BUCKETS; b++) {
			for (int l = 0; l < engine->sink[s].lanes; l++) {
				const struct ab_hist *hist =
				    (const struct ab_hist *)((const char *)&engine->sink[s].delivery.lane[l].counts +
							     at);
				below += ab_count_get(&hist->bucket[b]);
				sum_ms += b == 0 ? ab_count_get(&hist->sum_ms) : 0;
			}
			if (b < AB_HIST_BUCKETS - 1)
				ab_text_add(out, "anabranch_%s_bucket{sink=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, sink,
					    (double)(1 << b) / 1000, below);
		}
		ab_text_add(out, "anabranch_%s_bucket{sink=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, sink, below);
		ab_text_add(out, "anabranch_%s_sum{sink=\"%s\"} %.3f\n", name, sink, (double)sum_ms / 1000);
		ab_text_add(out, "anabranch_%s_count{sink=\"%s\"} %" PRIu64 "\n", name, sink, below);
	}
}

char *ab_engine_view_metrics(void *arg, const struct ab_http_asked *asked, size_t *len, int *http_status)
{
	struct ab_engine *engine = arg;
	struct ab_text_out out = ab_text_begin();

	(void)asked;
	*http_status = 200;
	pthread_mutex_lock(&engine->mutex);
	help(&out, "build_info", "gauge", "Version.");
	ab_text_add(&out, "anabranch_build_info{version=\"" AB_VERSION "\"} 1\n");
	help(&out, "start_time_seconds", "gauge", "When the engine started.");
	ab_text_add(&out, "anabranch_start_time_seconds %.3f\n", (double)engine->started_wall_ms / 1000);
	workers_metrics(&out, engine);
	shapes_metrics(&out, engine);
	stages_metrics(&out, engine);
	ab_engine_limit_metrics(&out, engine);
	if (engine->member != NULL)
		partitions_metrics(&out, engine);
	sinks_metrics(&out, engine);
	ledgers(&out, engine);
	gauges_metrics(&out, engine);
	states_metrics(&out, engine);
	if (engine->member != NULL)
		behind_metrics(&out, engine);
	help(&out, "freshness_seconds", "histogram", "From a row's commit in PostgreSQL to acknowledged by the sink.");
	histogram(&out, engine, "freshness_seconds", offsetof(struct ab_lane_counts, freshness));
	help(&out, "sink_request_duration_seconds", "histogram", "From a request sent to its answer.");
	histogram(&out, engine, "sink_request_duration_seconds", offsetof(struct ab_lane_counts, request));
	ab_engine_tap_metrics(&out, engine);
	help(&out, "commits_total", "counter", "Commits of positions to Kafka.");
	ab_text_add(&out, "anabranch_commits_total{outcome=\"ok\"} %" PRIu64 "\n", ab_count_get(&engine->commits));
	ab_text_add(&out, "anabranch_commits_total{outcome=\"failed\"} %" PRIu64 "\n",
		    ab_count_get(&engine->commit_failures));
	help(&out, "source_rebalances_total", "counter", "Assignments and revocations.");
	ab_text_add(&out, "anabranch_source_rebalances_total %" PRIu64 "\n", ab_count_get(&engine->rebalances));
	help(&out, "contents", "gauge", "Contents in the cache.");
	ab_text_add(&out, "anabranch_contents %zu\n", ab_cache_count(engine->feed.cache));
	pthread_mutex_unlock(&engine->mutex);
	ab_text_process_metrics(&out);
	*len = out.len;
	return out.text;
}

char *ab_engine_view_ready(void *arg, const struct ab_http_asked *asked, size_t *len, int *http_status)
{
	struct ab_engine *engine = arg;
	struct ab_text_out out = ab_text_begin();
	char words[256];
	int running = 0;

	(void)asked;
	pthread_mutex_lock(&engine->mutex);
	for (int s = 0; s < engine->sink_count; s++)
		running += engine->sink[s].state == AB_STATE_RUNNING;
	bool ready = engine->assigned && running > 0;
	*http_status = ready ? 200 : 503;
	ab_text_add(&out, "%s\n",
		    !ready                          ? "not ready"
		    : running == engine->sink_count ? "ready"
						    : "ready, not every sink takes part");
	if (!engine->assigned)
		ab_text_add(&out, "kafka: no partitions assigned yet (topic %s, group %s)\n",
			    engine->config->events_topic, engine->config->group_id);
	for (int s = 0; s < engine->sink_count; s++) {
		struct ab_engine_sink *sink = &engine->sink[s];
		struct ab_sink_behind at;
		ab_text_add(&out, "%s: %s%s%s", sink->ops->name, ab_engine_state_name(sink), sink->why[0] ? ": " : "",
			    sink->why);
		if (sink->state == AB_STATE_RUNNING && sink->reader > 0) {
			char error[AB_SINK_ERROR_MAX_BYTES];
			ab_delivery_error(&sink->delivery, error, sizeof error);
			ab_text_add(&out, "%s%s", error[0] ? ": " : "", error);
		}
		if (engine->member != NULL && sink->reader != 0) {
			ab_engine_behind(engine, s, &at);
			ab_text_add(&out, ";");
			say_behind(&out, &at);
		}
		ab_text_add(&out, "\n");
	}
	uint64_t refused = ab_dead_letters_refused(engine->letters, words, sizeof words);
	if (refused > 0)
		ab_text_add(&out, "dead letters: %" PRIu64 " refused, their partitions wait: %s\n", refused, words);
	pthread_mutex_unlock(&engine->mutex);
	*len = out.len;
	return out.text;
}
