/* loadgen/output_json.c — results.json; docs/LOADGEN.md says what the fields mean. See output.h.
 *
 * Times are milliseconds, null where there are too few samples or it never happened.
 */
#include <math.h>

#include "loadgen/output.h"

/* The series' step: four points a second show a burst of half a second. */
#define SERIES_STEP_NS INT64_C(250000000)

/* Bins of the heat map: a second by a quarter of a power of two, from 1 ms on; the last takes all that is longer. */
#define HEAT_STEP_NS   INT64_C(1000000000)
#define HEAT_PER_POWER 4
#define HEAT_BINS      72

static const uint32_t curve_ppm[] = {10000, 50000, 100000, 250000, 500000, 750000, 900000, 950000, 980000, 990000, 995000,
	998000, 999000, 999500, 1000000};

static json_t *ms_json(double ms)
{
	return ms < 0 || ms >= 1e12 ? json_null() : json_real(ms);
}

static json_t *ns_json(int64_t ns)
{
	return json_real((double)ns / 1e6);
}

static json_t *count_json(uint64_t count)
{
	return json_integer((json_int_t)count);
}

static json_t *times_json(const struct ab_times *times)
{
	json_t *object = json_pack("{s:o}", "samples", count_json(times->count));
	for (int p = 0; p < AB_PERCENTILES; p++)
		json_object_set_new(object, ab_percentile_names[p], ms_json(times->ms[p]));
	return object;
}

static json_t *latency_json(const struct ab_latency *l)
{
	json_t *object = json_pack("{s:o}", "samples", count_json(l->count));
	for (int p = 0; p < AB_PERCENTILES; p++)
		json_object_set_new(object, ab_percentile_names[p],
			l->count == 0 ? json_null() : ns_json(ab_latency_ppm_ns(l, ab_percentile_ppm[p])));
	return object;
}

/* Percentile by percentile, as far as the samples carry: [[50, 12.5], …] */
static json_t *curve_json(const struct ab_points *points, int which, uint32_t stage)
{
	double *ms;
	json_t *list = json_array();
	uint32_t count = ab_result_sorted(points, which, stage, INT64_MIN, INT64_MAX, &ms);
	for (size_t i = 0; i < AB_COUNT(curve_ppm); i++) {
		uint32_t ppm = curve_ppm[i];
		if (count > 0 && (ppm == 1000000 || (uint64_t)count * (1000000 - ppm) >= 1000000))
			json_array_append_new(list, json_pack("[f, f]", ppm / 1e4, ab_result_percentile(ms, count, ppm)));
	}
	free(ms);
	return list;
}

static json_t *parts_json(const struct ab_stage_sink *s, int which)
{
	json_t *list = json_array();
	for (int part = 0; part < AB_RESULT_PARTS; part++)
		json_array_append_new(list, ms_json(s->part_ms[part][which]));
	return list;
}

static json_t *stage_sink_json(const struct ab_result *r, uint32_t stage, uint32_t sink)
{
	const struct ab_stage_sink *s = &r->stage[stage].sink[sink];
	const struct ab_points *points = &r->sink[sink].points;
	json_t *object = json_pack("{s:s, s:o, s:f, s:I, s:o, s:o}", "sink", r->sink[sink].name, "arrived",
		count_json(s->arrived), "rate", s->rate, "behind", (json_int_t)s->behind, "behind_ms", ms_json(s->behind_ms),
		"unseen", count_json(s->unseen));
	json_object_set_new(object, "freshness_ms", times_json(&s->freshness));
	json_object_set_new(object, "response_ms", times_json(&s->response));
	if (r->sink[sink].searchable.count > 0)
		json_object_set_new(object, "searchable_ms", times_json(&s->searchable));
	json_object_set_new(object, "parts_p50_ms", parts_json(s, 0));
	json_object_set_new(object, "parts_p99_ms", parts_json(s, 1));
	json_object_set_new(object, "freshness_curve", curve_json(points, 0, stage));
	json_object_set_new(object, "response_curve", curve_json(points, 1, stage));
	return object;
}

static json_t *stage_json(const struct ab_result *r, uint32_t number)
{
	const struct ab_stage_result *s = &r->stage[number];
	json_t *sinks = json_array();
	for (uint32_t i = 0; i < r->sinks; i++)
		json_array_append_new(sinks, stage_sink_json(r, number, i));
	json_t *object = json_pack("{s:s, s:f, s:i, s:f, s:f, s:f}", "name", s->stage.name, "interval_s",
		(double)s->stage.interval_ms / 1e3, "batch", (int)s->stage.batch_rows, "duration_s",
		(double)s->stage.duration_ms / 1e3, "start_s", (double)(s->start_ns - r->start_ns) / 1e9, "end_s",
		(double)(s->end_ns - r->start_ns) / 1e9);
	json_object_set_new(object, "planned", count_json(s->planned));
	json_object_set_new(object, "sent", count_json(s->report.rows_sent));
	json_object_set_new(object, "inserted", count_json(ab_report_acked(&s->report)));
	json_object_set_new(object, "committed_in_time", count_json(s->committed));
	json_object_set_new(object, "offered_rate", json_real(s->offered_rate));
	json_object_set_new(object, "achieved_rate", json_real(s->achieved_rate));
	json_object_set_new(object, "achieved", json_real(s->achieved));
	json_object_set_new(object, "missed", json_real(s->missed));
	json_object_set_new(object, "missed_rate", json_real(s->missed * s->offered_rate));
	json_object_set_new(object, "blocked_s", json_real(s->blocked_s));
	json_object_set_new(object, "late_ms", latency_json(&s->report.late));
	json_object_set_new(object, "commit_ms", latency_json(&s->report.commit));
	json_object_set_new(object, "commit_uncorrected_ms", latency_json(&s->report.service));
	json_object_set_new(object, "engine_cores", json_real(s->engine_cpu));
	json_object_set_new(object, "invalid", s->invalid != NULL ? json_string(s->invalid) : json_null());
	json_object_set_new(object, "sinks", sinks);
	return object;
}

/* [second, bin, rows] where there are any. */
static json_t *heat_json(const struct ab_result *r, const struct ab_points *points)
{
	int64_t seconds = (r->end_ns - r->start_ns) / HEAT_STEP_NS + 1;
	uint32_t *bins = calloc((size_t)seconds * HEAT_BINS, sizeof *bins);
	json_t *list = json_array();
	AB_ASSERT(bins != NULL);
	for (uint32_t i = 0; i < points->count; i++) {
		const struct ab_point *p = &points->at[i];
		int64_t second = (p->meant_ns - r->start_ns) / HEAT_STEP_NS;
		if (p->seen_ns == AB_NEVER || p->commit_ns == AB_NEVER || second < 0 || second >= seconds)
			continue;
		double ms = fmax(1, (double)(p->seen_ns - p->commit_ns) / 1e6);
		int bin = (int)(log2(ms) * HEAT_PER_POWER);
		bins[second * HEAT_BINS + (bin < HEAT_BINS ? bin : HEAT_BINS - 1)]++;
	}
	for (int64_t second = 0; second < seconds; second++)
		for (int bin = 0; bin < HEAT_BINS; bin++)
			if (bins[second * HEAT_BINS + bin] > 0)
				json_array_append_new(list, json_pack("[i, i, i]", (int)second, bin,
								    (int)bins[second * HEAT_BINS + bin]));
	free(bins);
	return list;
}

static json_t *sink_json(const struct ab_result *r, uint32_t i)
{
	const struct ab_sink_result *s = &r->sink[i];
	json_t *object = json_pack("{s:s, s:s}", "name", s->name, "seen_by", s->by == AB_SEEN_BY_READER ? "reader" : "count");
	json_object_set_new(object, "arrived", count_json(s->arrived));
	json_object_set_new(object, "rejected", count_json(s->rejected));
	json_object_set_new(object, "duplicates_absorbed", count_json(s->duplicates));
	json_object_set_new(object, "errors", count_json(s->errors));
	json_object_set_new(object, "unseen", count_json(s->unseen));
	json_object_set_new(object, "looks", count_json(s->looks));
	json_object_set_new(object, "look_max_ms", json_real(s->look_max_ms));
	json_object_set_new(object, "look_errors", count_json(s->look_errors));
	json_object_set_new(object, "look_error", s->look_errors > 0 ? json_string(s->look_error) : json_null());
	json_object_set_new(object, "drain_ms", ms_json(s->drain_ms));
	json_object_set_new(object, "freshness_ms", times_json(&s->freshness));
	json_object_set_new(object, "response_ms", times_json(&s->response));
	if (s->searchable.count > 0)
		json_object_set_new(object, "searchable_ms", times_json(&s->searchable));
	json_object_set_new(object, "freshness_curve", curve_json(&s->points, 0, UINT32_MAX));
	json_object_set_new(object, "heat", heat_json(r, &s->points));
	return object;
}

/* The engine's readings at a moment: the last one before it. */
static const struct ab_scraped *scraped_at(const struct ab_scrape *scrape, int64_t ns, size_t *from)
{
	while (*from + 1 < scrape->used && scrape->series[*from + 1].ns <= ns)
		++*from;
	return scrape->used > 0 && scrape->series[*from].ns <= ns ? &scrape->series[*from] : &scrape->first;
}

/* Columns over time, one value per step. Counts are rounded: a tenth of a row is nobody's row. */
static json_t *series_json(const struct ab_result *r)
{
	json_t *t = json_array(), *offered = json_array(), *committed = json_array(), *sinks = json_object();
	json_t *cpu = json_array(), *rss = json_array(), *lag = json_array(), *behind = json_object();
	size_t from = 0;
	for (uint32_t i = 0; i < r->sinks; i++) {
		json_object_set_new(sinks, r->sink[i].name, json_array());
		json_object_set_new(behind, r->sink[i].name, json_array());
	}
	for (int64_t ns = r->start_ns; ns <= r->end_ns; ns += SERIES_STEP_NS) {
		const struct ab_scraped *at = scraped_at(r->scrape, ns, &from);
		json_array_append_new(t, json_real((double)(ns - r->start_ns) / 1e9));
		json_array_append_new(offered, json_integer(llround(ab_curve_at(&r->offered, ns))));
		json_array_append_new(committed, json_integer(llround(ab_curve_at(&r->committed, ns))));
		json_array_append_new(cpu, json_real(at->cpu_s - r->scrape->first.cpu_s));
		json_array_append_new(rss, json_real(at->rss_bytes));
		json_array_append_new(lag, json_integer((json_int_t)at->lag));
		for (uint32_t i = 0; i < r->sinks; i++) {
			const struct ab_curve *settled = &r->scrape->settled[i];
			double count = ab_curve_at(settled, ns);
			int64_t oldest = ab_curve_when(&r->committed, floor(count) + 1);
			json_array_append_new(json_object_get(sinks, r->sink[i].name), json_integer(llround(count)));
			json_array_append_new(json_object_get(behind, r->sink[i].name),
				json_real(oldest < ns ? (double)(ns - oldest) / 1e6 : 0));
		}
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "t_s", t, "offered", offered, "committed", committed,
		"arrived", sinks, "behind_ms", behind, "engine_cpu_s", cpu, "engine_rss_bytes", rss, "source_lag", lag);
}

static json_t *verify_json(const struct ab_verify_result *v)
{
	json_t *sinks = json_array();
	if (v->state != AB_VERIFIED)
		return json_pack("{s:b, s:s}", "run", 0, "why", v->why);
	for (uint32_t i = 0; i < v->sinks; i++) {
		const struct ab_verify_sink_result *s = &v->sink[i];
		json_array_append_new(sinks, json_pack("{s:s, s:b, s:I, s:I, s:I, s:I}", "sink", s->name, "compared", s->compared,
			"expected", (json_int_t)s->expected, "lost", (json_int_t)s->lost, "duplicated",
			(json_int_t)s->duplicated, "differing", (json_int_t)s->differing));
	}
	return json_pack("{s:b, s:i, s:o}", "run", 1, "exit_code", v->exit_code, "sinks", sinks);
}

static json_t *thresholds_json(const struct ab_result *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->thresholds; i++) {
		const struct ab_threshold_result *t = &r->threshold[i];
		json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:o, s:s}", "text", t->threshold.text, "measured",
			t->measured, "holds", t->holds, "worst", t->measured ? ms_json(t->worst) : json_null(), "where", t->where));
	}
	return list;
}

static json_t *asked_json(const struct ab_result *r)
{
	const struct ab_arguments *a = r->arguments;
	char mix[16];
	snprintf(mix, sizeof mix, "%u:%u:%u", a->percent[0], a->percent[1], a->percent[2]);
	return json_pack("{s:s, s:I, s:s, s:f, s:i, s:i, s:s, s:I, s:i}", "target",
		a->target == AB_TO_KAFKA ? "kafka" : "postgres", "seed", (json_int_t)a->seed, "mix", mix, "skew",
		(double)a->skew_milli / 1e3, "payload_bytes", (int)a->payload_bytes, "connections", (int)a->connections, "shape",
		a->target == AB_TO_KAFKA ? ab_shape_names[a->shape] : "", "contents", (json_int_t)r->contents, "marks_per_second",
		(int)a->marks_per_second);
}

json_t *ab_output_json(const struct ab_result *r)
{
	json_t *stages = json_array(), *sinks = json_array();
	for (uint32_t i = 0; i < r->stages; i++)
		json_array_append_new(stages, stage_json(r, i));
	for (uint32_t i = 0; i < r->sinks; i++)
		json_array_append_new(sinks, sink_json(r, i));
	json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:b, s:b}", "schema_version", AB_RESULTS_SCHEMA_VERSION, "version",
		r->version, "started", r->started, "ended", r->ended, "passed", r->passed, "as_planned", r->valid);
	json_object_set_new(root, "host", json_pack("{s:s, s:s, s:s, s:i, s:I}", "name", r->host.name, "kernel", r->host.kernel,
		"processor", r->host.processor, "processors", (int)r->host.processors, "memory_bytes",
		(json_int_t)r->host.memory_bytes));
	json_object_set_new(root, "asked", asked_json(r));
	json_object_set_new(root, "thresholds", thresholds_json(r));
	json_object_set_new(root, "verify", verify_json(&r->verify));
	json_object_set_new(root, "marks", count_json(r->marks));
	json_object_set_new(root, "marks_dropped", count_json(r->marks_dropped));
	json_object_set_new(root, "engine_restarts", json_integer(r->scrape->restarts));
	json_object_set_new(root, "generator_cpu_s", json_real(r->generator_cpu_s));
	json_object_set_new(root, "stages", stages);
	json_object_set_new(root, "sinks", sinks);
	json_object_set_new(root, "series", series_json(r));
	return root;
}
