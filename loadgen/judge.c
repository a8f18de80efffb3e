/* loadgen/judge.c — thresholds against what was found. See result.h. */
#include "loadgen/result.h"

/* Takes a value into account: the one that is furthest on the wrong side is kept. */
static void weigh(struct ab_threshold_result *t, double value, const char *stage, const char *sink)
{
	int grows = t->threshold.relation == AB_GREATER || t->threshold.relation == AB_GREATER_EQUAL;
	if (t->measured && (grows ? value >= t->worst : value <= t->worst))
		return;
	t->measured = 1;
	t->worst = value;
	snprintf(t->where, sizeof t->where, "%s%s%s", stage, *stage != '\0' && *sink != '\0' ? ", " : "", sink);
}

/* A time that was never reached is no time to be proud of. */
static void weigh_times(struct ab_threshold_result *t, const struct ab_times *times, uint64_t unseen, const char *stage,
	const char *sink)
{
	double ms = times->ms[t->threshold.percentile];
	if (unseen > 0)
		weigh(t, 1e12, stage, sink);
	else if (ms >= 0)
		weigh(t, ms, stage, sink);
}

static void weigh_sink(struct ab_threshold_result *t, const struct ab_stage_sink *s, const char *stage, const char *sink)
{
	switch (t->threshold.measure) {
	case AB_MEASURE_FRESHNESS: weigh_times(t, &s->freshness, s->unseen, stage, sink); break;
	case AB_MEASURE_RESPONSE: weigh_times(t, &s->response, s->unseen, stage, sink); break;
	case AB_MEASURE_SEARCHABLE: weigh_times(t, &s->searchable, 0, stage, sink); break;
	case AB_MEASURE_BEHIND: weigh(t, (double)s->behind, stage, sink); break;
	default: break;
	}
}

static void weigh_stage(struct ab_threshold_result *t, const struct ab_stage_result *s)
{
	const struct ab_latency *commit = &s->report.commit;
	uint32_t ppm = ab_percentile_ppm[t->threshold.percentile];
	switch (t->threshold.measure) {
	case AB_MEASURE_COMMIT:
		if (commit->count > 0)
			weigh(t, (double)ab_latency_ppm_ns(commit, ppm) / 1e6, s->stage.name, "");
		break;
	case AB_MEASURE_MISSED: weigh(t, s->missed, s->stage.name, ""); break;
	case AB_MEASURE_ACHIEVED: weigh(t, s->achieved, s->stage.name, ""); break;
	default: break;
	}
}

static void weigh_run(struct ab_threshold_result *t, const struct ab_result *r)
{
	if (t->threshold.measure == AB_MEASURE_DRAIN)
		for (uint32_t i = 0; i < r->sinks; i++)
			weigh(t, r->sink[i].drain_ms < 0 ? 1e12 : r->sink[i].drain_ms, "", r->sink[i].name);
	if (r->verify.state != AB_VERIFIED)
		return;
	for (uint32_t i = 0; i < r->verify.sinks; i++) {
		const struct ab_verify_sink_result *v = &r->verify.sink[i];
		if (v->compared && t->threshold.measure == AB_MEASURE_LOST)
			weigh(t, (double)v->lost, "", v->name);
		if (v->compared && t->threshold.measure == AB_MEASURE_DUPLICATED)
			weigh(t, (double)v->duplicated, "", v->name);
	}
}

static void judge(struct ab_threshold_result *t, const struct ab_result *r)
{
	const struct ab_threshold *threshold = &t->threshold;
	for (uint32_t s = 0; s < r->stages; s++) {
		const struct ab_stage_result *stage = &r->stage[s];
		if (threshold->stage[0] != '\0' && strcmp(threshold->stage, stage->stage.name) != 0)
			continue;
		weigh_stage(t, stage);
		for (uint32_t i = 0; i < r->sinks; i++)
			if (threshold->sink[0] == '\0' || strcmp(threshold->sink, r->sink[i].name) == 0)
				weigh_sink(t, &stage->sink[i], stage->stage.name, r->sink[i].name);
	}
	weigh_run(t, r);
	t->holds = t->measured && ab_threshold_holds(threshold, t->worst);
}

static void must_hold(struct ab_result *r, const char *text)
{
	struct ab_problems problems = {0};
	struct ab_threshold_result *t = &r->threshold[r->thresholds++];
	*t = (struct ab_threshold_result){0};
	ab_threshold_parse(&t->threshold, text, &problems);
	AB_ASSERT(problems.count == 0);
}

void ab_result_judge(struct ab_result *r)
{
	const struct ab_arguments *a = r->arguments;
	r->thresholds = 0;
	for (uint32_t i = 0; i < a->threshold_count && i < AB_THRESHOLDS_MAX - 1; i++)
		r->threshold[r->thresholds++] = (struct ab_threshold_result){.threshold = a->thresholds[i]};
	/* A fast engine that loses a row has failed, whatever else was asked. Duplicates: BigQuery promises at least once. */
	if (r->verify.state == AB_VERIFIED)
		must_hold(r, "lost==0");
	r->passed = 1;
	for (uint32_t i = 0; i < r->thresholds; i++) {
		judge(&r->threshold[i], r);
		r->passed &= r->threshold[i].holds;
	}
	r->valid = 1;
	for (uint32_t s = 0; s < r->stages; s++)
		r->valid &= r->stage[s].invalid == NULL;
}
