/* loadgen/report.c — see report.h for what the numbers mean. */
#include "loadgen/report.h"

#include <string.h>

static uint64_t sum(const uint64_t kinds[AB_MIX_KINDS])
{
	return kinds[AB_MIX_CREATE] + kinds[AB_MIX_UPDATE] + kinds[AB_MIX_DELETE];
}

uint64_t ab_report_acked(const struct ab_report *r)
{
	return sum(r->acked);
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static double late_percent(const struct ab_report *r)
{
	return r->rows_sent == 0 ? 0 : 100.0 * (double)r->rows_late / (double)r->rows_sent;
}

static double rate(uint64_t rows, int64_t ns)
{
	return ns <= 0 ? 0 : (double)rows * 1e9 / (double)ns;
}

#define NUMBER_BYTES 32

/* 1234567 as 1,234,567. */
static const char *grouped(uint64_t value, char text[NUMBER_BYTES])
{
	char plain[NUMBER_BYTES];
	int len = snprintf(plain, sizeof plain, "%llu", (unsigned long long)value);
	char *at = text;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = plain[i];
	}
	*at = '\0';
	return text;
}

void ab_report_status(FILE *to, const struct ab_report *r, uint64_t acked_since, int64_t interval_ns)
{
	char now[NUMBER_BYTES], total[NUMBER_BYTES], flight[NUMBER_BYTES], plan[NUMBER_BYTES] = "max";
	uint64_t acked = sum(r->acked);
	if (r->rate_planned > 0)
		snprintf(plan, sizeof plan, "%.6g", r->rate_planned);
	fprintf(to, "loadgen %5.0f s  %s/s (plan %s)  acked %s  in flight %s  ", (double)r->elapsed_ns / 1e9,
		grouped((uint64_t)(rate(acked_since, interval_ns) + 0.5), now), plan, grouped(acked, total),
		grouped(r->rows_sent - acked - r->row_gone, flight));
	if (r->rate_planned > 0)
		fprintf(to, "late max %.1f ms, missed %.2f %%  ", ms(r->late.max_ns), late_percent(r));
	fprintf(to, "commit p99 %.1f ms\n", ms(ab_latency_ns(&r->commit, 990)));
	fflush(to);
}

static void line(FILE *to, const char *name, uint64_t value)
{
	char text[NUMBER_BYTES];
	fprintf(to, "  %-22s%14s\n", name, grouped(value, text));
}

void ab_report_text(FILE *to, const struct ab_report *r)
{
	uint64_t acked = sum(r->acked);
	fprintf(to, "anabranch-loadgen: %s, to %s, seed %llu\n", r->ended, r->target, (unsigned long long)r->seed);
	if (r->contents_inserted > 0 || r->rows_sent == 0)
		line(to, "contents inserted", r->contents_inserted);
	line(to, "contents of the seed", r->contents);
	line(to, "rows created", r->acked[AB_MIX_CREATE]);
	line(to, "rows updated", r->acked[AB_MIX_UPDATE]);
	line(to, "rows deleted", r->acked[AB_MIX_DELETE]);
	line(to, "changes in all", acked);
	if (r->row_gone > 0)
		line(to, "row was gone", r->row_gone);
	if (r->poisoned > 0)
		line(to, "unreadable on purpose", r->poisoned);
	if (r->without_row > 0)
		line(to, "created for want of row", r->without_row);
	if (r->rows_sent > acked + r->row_gone)
		line(to, "sent, outcome unknown", r->rows_sent - acked - r->row_gone);
	if (r->rows_planned != AB_PLAN_ENDLESS && r->rows_planned > r->rows_sent)
		line(to, "planned, not sent", r->rows_planned - r->rows_sent);
	if (r->rows_sent == 0)
		return;
	fprintf(to, "  %-22s%14.3f s\n", "time", (double)r->elapsed_ns / 1e9);
	fprintf(to, "  %-22s%14.1f /s", "rate", rate(acked, r->elapsed_ns));
	if (r->rate_planned > 0) {
		fprintf(to, "  (plan %.1f /s)\n", r->rate_planned);
		fprintf(to, "  %-22s%14.3f ms  p50 %.3f  p99 %.3f", "late at most", ms(r->late.max_ns),
			ms(ab_latency_ns(&r->late, 500)), ms(ab_latency_ns(&r->late, 990)));
		fprintf(to, "  rows sent more than %.0f ms late: %.3f %%\n", ms(AB_LATE_NS), late_percent(r));
	} else
		fputs("  (no plan: as fast as taken)\n", to);
	fprintf(to, "  %-22s%14.3f ms  p50 %.3f  p99 %.3f\n", "committed after at most", ms(r->commit.max_ns),
		ms(ab_latency_ns(&r->commit, 500)), ms(ab_latency_ns(&r->commit, 990)));
}

static void json_number(FILE *to, const char *name, uint64_t value)
{
	fprintf(to, "\"%s\": %llu, ", name, (unsigned long long)value);
}

static void json_latency(FILE *to, const char *name, const struct ab_latency *l)
{
	fprintf(to, "\"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ", name, ms(ab_latency_ns(l, 500)),
		ms(ab_latency_ns(l, 990)), ms(l->max_ns));
}

void ab_report_json(FILE *to, const struct ab_report *r)
{
	fprintf(to, "{\"schema_version\": 1, \"ended\": \"%s\", \"target\": \"%s\", ", r->ended, r->target);
	json_number(to, "seed", r->seed);
	json_number(to, "connections", r->connections);
	json_number(to, "contents", r->contents);
	json_number(to, "contents_inserted", r->contents_inserted);
	json_number(to, "created", r->acked[AB_MIX_CREATE]);
	json_number(to, "updated", r->acked[AB_MIX_UPDATE]);
	json_number(to, "deleted", r->acked[AB_MIX_DELETE]);
	json_number(to, "acked", sum(r->acked));
	json_number(to, "row_gone", r->row_gone);
	json_number(to, "without_row", r->without_row);
	json_number(to, "poisoned", r->poisoned);
	json_number(to, "sent", r->rows_sent);
	json_number(to, "batches", r->batches_sent);
	if (r->rows_planned == AB_PLAN_ENDLESS)
		fputs("\"planned\": null, ", to);
	else
		json_number(to, "planned", r->rows_planned);
	if (r->rate_planned > 0) {
		fprintf(to, "\"rate_planned\": %.3f, \"late_share\": %.6f, ", r->rate_planned, late_percent(r) / 100);
		json_latency(to, "late_ms", &r->late);
	} else
		fputs("\"rate_planned\": null, \"late_share\": null, \"late_ms\": null, ", to);
	json_latency(to, "commit_ms", &r->commit);
	fprintf(to, "\"elapsed_s\": %.6f, \"rate\": %.3f}\n", (double)r->elapsed_ns / 1e9,
		rate(sum(r->acked), r->elapsed_ns));
}
