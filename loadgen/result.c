/* loadgen/result.c — see result.h. */
#include "loadgen/result.h"

#include <math.h>

#define ANY_STAGE UINT32_MAX

/* Points that a curve is turned into, per stage: enough for p99.9. */
#define CURVE_POINTS 1500

void ab_result_points_of_reader(struct ab_points *points, const struct ab_reader *reader)
{
	*points = (struct ab_points){.at = calloc((size_t)reader->used + 1, sizeof *points->at), .count = reader->used};
	AB_ASSERT(points->at != NULL);
	for (uint32_t i = 0; i < reader->used; i++) {
		const struct ab_sample *s = &reader->samples[i];
		points->at[i] = (struct ab_point){
			s->mark.stage, s->mark.meant_ns, s->mark.commit_ns, s->seen_ns, s->searchable_ns};
	}
}

/* The n-th row to be offered, the n-th committed and the n-th arrived are taken for the same row. */
void ab_result_points_of_curves(struct ab_points *points, const struct ab_result *r, const struct ab_curve *settled)
{
	*points = (struct ab_points){.at = calloc((size_t)r->stages * CURVE_POINTS + 1, sizeof *points->at)};
	AB_ASSERT(points->at != NULL);
	uint64_t before = 0;
	for (uint32_t s = 0; s < r->stages; s++) {
		uint64_t rows = r->stage[s].report.rows_sent, step = rows / CURVE_POINTS + 1;
		for (uint64_t n = step; n <= rows && points->count < (s + 1) * CURVE_POINTS; n += step) {
			double number = (double)(before + n);
			points->at[points->count++] = (struct ab_point){s, ab_curve_when(&r->offered, number),
				ab_curve_when(&r->committed, number), ab_curve_when(settled, number), AB_NEVER};
		}
		before += rows;
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

uint32_t ab_result_sorted(const struct ab_points *points, int which, uint32_t stage, int64_t from_ns, int64_t to_ns,
	double **ms)
{
	double *list = malloc(((size_t)points->count + 1) * sizeof *list);
	uint32_t count = 0;
	AB_ASSERT(list != NULL);
	for (uint32_t i = 0; i < points->count; i++) {
		const struct ab_point *p = &points->at[i];
		int64_t seen = which == 2 ? p->searchable_ns : p->seen_ns, since = which == 1 ? p->meant_ns : p->commit_ns;
		if ((stage != ANY_STAGE && p->stage != stage) || p->meant_ns < from_ns || p->meant_ns >= to_ns)
			continue;
		if (seen != AB_NEVER && since != AB_NEVER)
			list[count++] = seen > since ? (double)(seen - since) / 1e6 : 0;
	}
	qsort(list, count, sizeof *list, by_value);
	*ms = list;
	return count;
}

double ab_result_percentile(const double *sorted, uint32_t count, uint32_t ppm)
{
	AB_ASSERT(count > 0);
	uint64_t rank = ((uint64_t)count * ppm + 999999) / 1000000;
	return sorted[rank == 0 ? 0 : rank - 1];
}

static void take_times(struct ab_times *times, const struct ab_points *points, int which, uint32_t stage)
{
	double *ms;
	uint32_t count = ab_result_sorted(points, which, stage, INT64_MIN, INT64_MAX, &ms);
	times->count = count;
	for (int p = 0; p < AB_PERCENTILES; p++)
		times->ms[p] = count < ab_percentile_samples((enum ab_percentile)p)
				       ? AB_NO_MS
				       : ab_result_percentile(ms, count, ab_percentile_ppm[p]);
	free(ms);
}

static void take_parts(struct ab_stage_sink *out, const struct ab_points *points, uint32_t stage, int64_t start_ns,
	int64_t end_ns)
{
	for (int part = 0; part < AB_RESULT_PARTS; part++) {
		double *ms;
		int64_t from = start_ns + (end_ns - start_ns) * part / AB_RESULT_PARTS;
		int64_t to = start_ns + (end_ns - start_ns) * (part + 1) / AB_RESULT_PARTS;
		uint32_t count = ab_result_sorted(points, 0, stage, from, to, &ms);
		out->part_ms[part][0] = count < ab_percentile_samples(AB_P50) ? AB_NO_MS
									      : ab_result_percentile(ms, count, 500000);
		out->part_ms[part][1] = count < ab_percentile_samples(AB_P99) ? AB_NO_MS
									      : ab_result_percentile(ms, count, 990000);
		free(ms);
	}
}

static uint64_t unseen_of(const struct ab_points *points, uint32_t stage)
{
	uint64_t unseen = 0;
	for (uint32_t i = 0; i < points->count; i++)
		unseen += (stage == ANY_STAGE || points->at[i].stage == stage) && points->at[i].seen_ns == AB_NEVER;
	return unseen;
}

static void compute_stage_sink(struct ab_result *r, uint32_t stage, uint32_t sink)
{
	struct ab_stage_result *s = &r->stage[stage];
	struct ab_stage_sink *out = &s->sink[sink];
	const struct ab_curve *settled = &r->scrape->settled[sink];
	const struct ab_points *points = &r->sink[sink].points;
	double seconds = (double)(s->end_ns - s->start_ns) / 1e9;
	double before = ab_curve_at(settled, s->start_ns), after = ab_curve_at(settled, s->end_ns);
	double committed = ab_curve_at(&r->committed, s->end_ns);
	out->arrived = (uint64_t)llround(after - before);
	out->rate = seconds > 0 ? (after - before) / seconds : 0;
	out->behind = committed > after ? llround(committed - after) : 0;
	int64_t oldest = ab_curve_when(&r->committed, after + 1);
	out->behind_ms = out->behind > 0 && oldest < s->end_ns ? (double)(s->end_ns - oldest) / 1e6 : 0;
	out->unseen = unseen_of(points, stage);
	take_times(&out->freshness, points, 0, stage);
	take_times(&out->response, points, 1, stage);
	take_times(&out->searchable, points, 2, stage);
	take_parts(out, points, stage, s->start_ns, s->end_ns);
}

/* The engine's processor time at a moment. */
static double cpu_at(const struct ab_scrape *scrape, int64_t ns)
{
	double cpu = scrape->first.cpu_s;
	for (size_t i = 0; i < scrape->used && scrape->series[i].ns <= ns; i++)
		cpu = scrape->series[i].cpu_s;
	return cpu;
}

static void judge_stage(struct ab_stage_result *s, const char *target)
{
	if (s->missed <= AB_MISSED_MAX && s->achieved >= AB_ACHIEVED_MIN)
		return;
	/* What the target refused to take is not the generator's fault, but the load was not the one asked for either way. */
	double seconds = (double)(s->end_ns - s->start_ns) / 1e9;
	const char *who = s->blocked_s > 0.1 * seconds ? "did not take the rows in time" : "was not the limit: the generator was";
	snprintf(s->invalid_text, sizeof s->invalid_text,
		"%.1f %% of the rows left more than %d ms late, %.1f %% of them were committed in time; %s %s", s->missed * 100,
		(int)(AB_LATE_NS / 1000000), s->achieved * 100, target, who);
	s->invalid = s->invalid_text;
}

static void compute_stage(struct ab_result *r, uint32_t stage)
{
	struct ab_stage_result *s = &r->stage[stage];
	double seconds = (double)(s->end_ns - s->start_ns) / 1e9;
	double committed = ab_curve_at(&r->committed, s->end_ns) - ab_curve_at(&r->committed, s->start_ns);
	s->committed = (uint64_t)llround(committed);
	s->offered_rate = seconds > 0 ? (double)s->planned / seconds : 0;
	s->achieved_rate = seconds > 0 ? committed / seconds : 0;
	s->achieved = s->planned > 0 ? fmin(1, committed / (double)s->planned) : 0;
	s->missed = s->report.rows_sent > 0 ? (double)s->report.rows_late / (double)s->report.rows_sent : 0;
	s->engine_cpu = seconds > 0 ? (cpu_at(r->scrape, s->end_ns) - cpu_at(r->scrape, s->start_ns)) / seconds : 0;
	judge_stage(s, r->arguments->target == AB_TO_KAFKA ? "Kafka" : "PostgreSQL");
	for (uint32_t i = 0; i < r->sinks; i++)
		compute_stage_sink(r, stage, i);
}

static void compute_sink(struct ab_result *r, uint32_t i)
{
	struct ab_sink_result *sink = &r->sink[i];
	const struct ab_scrape *scrape = r->scrape;
	const struct ab_scraped *last = scrape->used > 0 ? &scrape->series[scrape->used - 1] : &scrape->first;
	int64_t written = ab_curve_when(&r->committed, (double)ab_curve_last(&r->committed));
	int64_t arrived = ab_curve_when(&scrape->settled[i], (double)ab_curve_last(&r->committed));
	sink->arrived = ab_curve_last(&scrape->settled[i]);
	sink->rejected = (uint64_t)fmax(0, last->rejected[i] - scrape->first.rejected[i]);
	sink->duplicates = (uint64_t)fmax(0, last->duplicates[i] - scrape->first.duplicates[i]);
	sink->errors = (uint64_t)fmax(0, last->errors[i] - scrape->first.errors[i]);
	sink->drain_ms = arrived == INT64_MAX ? AB_NO_MS : arrived > written ? (double)(arrived - written) / 1e6 : 0;
	sink->unseen = unseen_of(&sink->points, ANY_STAGE);
	take_times(&sink->freshness, &sink->points, 0, ANY_STAGE);
	take_times(&sink->response, &sink->points, 1, ANY_STAGE);
	take_times(&sink->searchable, &sink->points, 2, ANY_STAGE);
}

void ab_result_compute(struct ab_result *r)
{
	for (uint32_t i = 0; i < r->sinks; i++)
		compute_sink(r, i);
	for (uint32_t s = 0; s < r->stages; s++)
		compute_stage(r, s);
}

void ab_result_free(struct ab_result *r)
{
	for (uint32_t i = 0; i < r->sinks; i++)
		free(r->sink[i].points.at);
	ab_curve_free(&r->offered);
	ab_curve_free(&r->committed);
	free(r->stage);
}
