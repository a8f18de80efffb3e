/* loadgen/output_text.c — the result for a terminal: thresholds, stages, sinks, proof. See output.h.
 *
 * A percentile that has too few samples is "-", and so is what never happened.
 */
#include "loadgen/output.h"

#define CELL AB_OUTPUT_VALUE_BYTES

static const char *time_text(double ms, char to[CELL])
{
	if (ms < 0)
		snprintf(to, CELL, "-");
	else if (ms >= 1e12)
		snprintf(to, CELL, "never");
	else if (ms < 9.95)
		snprintf(to, CELL, "%.1f ms", ms);
	else if (ms < 9950)
		snprintf(to, CELL, "%.0f ms", ms);
	else
		snprintf(to, CELL, "%.1f s", ms / 1e3);
	return to;
}

void ab_output_value(const struct ab_threshold_result *t, char to[CELL])
{
	enum ab_measure m = t->threshold.measure;
	if (!t->measured)
		snprintf(to, CELL, "not measured");
	else if (ab_measure_is_time(m) || m == AB_MEASURE_DRAIN)
		time_text(t->worst, to);
	else if (m == AB_MEASURE_MISSED || m == AB_MEASURE_ACHIEVED)
		snprintf(to, CELL, "%.2f %%", t->worst * 100);
	else
		snprintf(to, CELL, "%.0f", t->worst);
}

static void thresholds(FILE *to, const struct ab_result *r)
{
	for (uint32_t i = 0; i < r->thresholds; i++) {
		const struct ab_threshold_result *t = &r->threshold[i];
		char value[CELL];
		ab_output_value(t, value);
		fprintf(to, "  %-4s %-36s %s%s%s\n", t->holds ? "ok" : "FAIL", t->threshold.text, value,
			*t->where != '\0' ? "  " : "", t->where);
	}
}

static void stages(FILE *to, const struct ab_result *r)
{
	fprintf(to, "\n%-10s %10s %11s %8s %9s %12s %12s %12s %7s\n", "stage", "offered/s", "achieved/s", "missed", "inserted",
		"late p99", "commit p99", "uncorrected", "CPU");
	for (uint32_t i = 0; i < r->stages; i++) {
		const struct ab_stage_result *s = &r->stage[i];
		char late[CELL], commit[CELL], service[CELL];
		fprintf(to, "%-10s %10.0f %11.0f %7.2f%% %9llu %12s %12s %12s %7.2f\n", s->stage.name, s->offered_rate,
			s->achieved_rate, s->missed * 100, (unsigned long long)ab_report_acked(&s->report),
			time_text((double)ab_latency_ns(&s->report.late, 990) / 1e6, late),
			time_text((double)ab_latency_ns(&s->report.commit, 990) / 1e6, commit),
			time_text((double)ab_latency_ns(&s->report.service, 990) / 1e6, service), s->engine_cpu);
		if (s->invalid != NULL)
			fprintf(to, "%-10s NOT AS PLANNED: %s\n", "", s->invalid);
	}
}

static void times(FILE *to, const struct ab_times *t)
{
	char cell[CELL];
	for (int p = 0; p < AB_PERCENTILES; p++)
		fprintf(to, " %9s", time_text(t->ms[p], cell));
}

static void sink_stages(FILE *to, const struct ab_result *r, uint32_t sink)
{
	const struct ab_sink_result *all = &r->sink[sink];
	fprintf(to, "\n%-14s freshness: committed to %s\n", all->name,
		all->by == AB_SEEN_BY_READER ? "seen in the sink, of marked rows" : "acknowledged by the sink, by counting");
	fprintf(to, "%-10s %9s %8s %8s %9s %9s %9s %9s %9s %9s %9s\n", "", "arrived", "rate/s", "behind", "by", "p50", "p90", "p99",
		"p99.9", "max", "from plan");
	for (uint32_t i = 0; i < r->stages; i++) {
		const struct ab_stage_sink *s = &r->stage[i].sink[sink];
		char behind[CELL], plan[CELL];
		fprintf(to, "%-10s %9llu %8.0f %8lld %9s", r->stage[i].stage.name, (unsigned long long)s->arrived, s->rate,
			(long long)s->behind, time_text(s->behind_ms, behind));
		times(to, &s->freshness);
		fprintf(to, " %9s\n", time_text(s->response.ms[AB_P99], plan));
		if (s->unseen > 0)
			fprintf(to, "%-10s %llu marked rows were never seen\n", "", (unsigned long long)s->unseen);
	}
	char drain[CELL];
	fprintf(to, "%-10s %9llu %27s", "all", (unsigned long long)all->arrived, "");
	times(to, &all->freshness);
	fprintf(to, "\n%-10s after the last row %s", "", all->drain_ms < 0 ? "it did not get all of them in time"
								       : "it had all of them ");
	fprintf(to, "%s%s\n", all->drain_ms < 0 ? "" : "within ", all->drain_ms < 0 ? "" : time_text(all->drain_ms, drain));
	if (all->searchable.count > 0) {
		fprintf(to, "%-10s searchable %26s", "", "");
		times(to, &all->searchable);
		fputc('\n', to);
	}
	if (all->look_errors > 0)
		fprintf(to, "%-10s looking failed %llu times: %s\n", "", (unsigned long long)all->look_errors, all->look_error);
	if (all->rejected + all->errors > 0)
		fprintf(to, "%-10s %llu rejected, %llu errors\n", "", (unsigned long long)all->rejected,
			(unsigned long long)all->errors);
}

static void proof(FILE *to, const struct ab_result *r)
{
	if (r->verify.state != AB_VERIFIED) {
		fprintf(to, "\nVERIFIER NOT RUN: %s. Nothing here says that nothing was lost.\n", r->verify.why);
		return;
	}
	fprintf(to, "\n%-14s %12s %8s %11s %10s\n", "verified", "expected", "lost", "duplicated", "differing");
	for (uint32_t i = 0; i < r->verify.sinks; i++) {
		const struct ab_verify_sink_result *s = &r->verify.sink[i];
		if (!s->compared)
			fprintf(to, "%-14s could not be compared\n", s->name);
		else
			fprintf(to, "%-14s %12lld %8lld %11lld %10lld\n", s->name, (long long)s->expected, (long long)s->lost,
				(long long)s->duplicated, (long long)s->differing);
	}
}

void ab_output_text(FILE *to, const struct ab_result *r, const char *page)
{
	fprintf(to, "stress test, %s: %s\n", r->ended,
		!r->passed  ? "FAILED, a threshold was crossed"
		: !r->valid ? "FAILED, the load was not the one that was planned"
		: r->verify.state != AB_VERIFIED ? "passed, but not verified"
						 : "passed");
	thresholds(to, r);
	stages(to, r);
	for (uint32_t i = 0; i < r->sinks; i++)
		sink_stages(to, r, i);
	proof(to, r);
	if (r->scrape->restarts > 0)
		fprintf(to, "\nThe engine started anew %u times meanwhile: what it was given twice counts twice in \"arrived\".\n",
			r->scrape->restarts);
	if (r->marks_dropped > 0)
		fprintf(to, "\n%llu marks were dropped, as a reader was too slow.\n", (unsigned long long)r->marks_dropped);
	fprintf(to, "\n%s/results.json\n", r->arguments->out);
	if (page != NULL)
		fprintf(to, "%s\n", page);
	else
		fputs("no report.html: this build was made without Node\n", to);
}
