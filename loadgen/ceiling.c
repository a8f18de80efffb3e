/* loadgen/ceiling.c — see ceiling.h. */
#include "loadgen/ceiling.h"

#include <sys/resource.h>

#include "loadgen/clock.h"
#include "loadgen/follow.h"

#define DURATION_DEFAULT_MS 5000
#define PACED_SHARE 0.8
/* A topic is there when its leaders are elected; producing before that only waits. */
#define SETTLE_NS INT64_C(500000000)

struct phase {
	struct ab_report report;
	double seconds, rate, cpu_s;
};

struct ceiling {
	struct ab_arguments arguments;
	struct ab_settings settings;
	struct ab_sender sender;
	struct phase highest, paced;
	char error[1024];
};

static double cpu_seconds(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static enum ab_target_result measure(struct ceiling *c, struct phase *phase, struct ab_plan plan)
{
	struct ab_follow follow = {.sender = &c->sender, .plan = &plan, .report = &phase->report,
		.start_ns = ab_lg_now_ns(), .unpaced_ns = c->arguments.duration_ms * 1000000};
	double cpu = cpu_seconds();
	enum ab_target_result result = ab_follow(&follow);
	if (result == AB_TARGET_OK)
		result = ab_sender_finish(&c->sender);
	phase->seconds = (double)(ab_sender_last_ack_ns(&c->sender) - follow.start_ns) / 1e9;
	if (plan.period_ns > 0 && phase->seconds < (double)c->arguments.duration_ms / 1e3)
		phase->seconds = (double)c->arguments.duration_ms / 1e3;
	phase->cpu_s = cpu_seconds() - cpu;
	phase->rate = phase->seconds <= 0 ? 0 : (double)ab_report_acked(&phase->report) / phase->seconds;
	return result;
}

static enum ab_target_result both(struct ceiling *c)
{
	enum ab_target_result result = ab_sender_begin(&c->sender);
	int64_t settled = ab_lg_now_ns() + SETTLE_NS;
	while (result == AB_TARGET_OK && ab_lg_now_ns() < settled)
		result = ab_sender_wait(&c->sender, settled);
	if (result == AB_TARGET_OK)
		result = measure(c, &c->highest, ab_plan_unpaced(AB_PLAN_RATE_BATCH_ROWS_MAX));
	if (result != AB_TARGET_OK || ab_sender_stop_asked())
		return result;
	struct ab_plan plan = ab_plan_by_rate((int64_t)(c->highest.rate * PACED_SHARE * 1000) + 1);
	ab_plan_end_after_time(&plan, c->arguments.duration_ms * 1000000);
	c->paced.report.rate_planned = ab_plan_rate(&plan);
	return measure(c, &c->paced, plan);
}

static enum ab_target_result work(struct ceiling *c)
{
	int kafka = c->arguments.target == AB_TO_KAFKA;
	uint64_t inserted;
	enum ab_target_result result = AB_TARGET_OK;
	if (kafka) {
		result = ab_kafka_make_scratch(c->settings.brokers, c->error, sizeof c->error);
		snprintf(c->settings.topic, sizeof c->settings.topic, "%s", AB_KAFKA_SCRATCH_TOPIC);
		if (result != AB_TARGET_OK)
			return result;
	}
	result = ab_sender_open(&c->sender, &c->arguments, &c->settings, 0);
	if (result == AB_TARGET_OK)
		result = ab_sender_seed_contents(&c->sender, &inserted);
	if (result == AB_TARGET_OK && !kafka)
		result = ab_pg_make_scratch(&c->sender.pg);
	if (result == AB_TARGET_OK)
		result = both(c);
	snprintf(c->error, sizeof c->error, "%s", c->sender.error);
	return result;
}

/* After the sender was closed, whose connections are pipelines: a connection of its own. */
static enum ab_target_result clean_up(struct ceiling *c)
{
	if (c->arguments.target == AB_TO_KAFKA)
		return ab_kafka_drop_scratch(c->settings.brokers, c->error, sizeof c->error);
	enum ab_target_result result = ab_pg_open(&c->sender.pg, &c->settings, 1, 0, 0);
	if (result == AB_TARGET_OK)
		result = ab_pg_drop_scratch(&c->sender.pg);
	if (result != AB_TARGET_OK)
		snprintf(c->error, sizeof c->error, "%.1000s", c->sender.pg.error);
	ab_pg_close(&c->sender.pg);
	return result;
}

static double late_percent(const struct ab_report *r)
{
	return r->rows_sent == 0 ? 0 : 100.0 * (double)r->rows_late / (double)r->rows_sent;
}

static void show(const struct ceiling *c)
{
	const struct ab_report *paced = &c->paced.report;
	uint64_t rows = ab_report_acked(&c->highest.report);
	double us_per_row = rows == 0 ? 0 : c->highest.cpu_s * 1e6 / (double)rows;
	const char *target = c->arguments.target == AB_TO_KAFKA ? "kafka" : "postgres";
	if (c->arguments.format == AB_FORMAT_JSON) {
		printf("{\"schema_version\": 1, \"target\": \"%s\", \"ceiling_per_s\": %.1f, \"cpu_us_per_row\": %.3f, "
		       "\"paced_per_s\": %.1f, \"paced_achieved\": %.5f, \"late_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, "
		       "\"late_share\": %.6f}\n",
			target, c->highest.rate, us_per_row, paced->rate_planned, c->paced.rate / paced->rate_planned,
			(double)ab_latency_ns(&paced->late, 500) / 1e6, (double)ab_latency_ns(&paced->late, 990) / 1e6,
			(double)paced->late.max_ns / 1e6, late_percent(paced) / 100);
		return;
	}
	printf("%s\n", target);
	printf("  ceiling                %12.0f rows/s acknowledged, %llu in %.1f s\n", c->highest.rate,
		(unsigned long long)rows, c->highest.seconds);
	printf("  the generator's part   %12.2f us of processor time a row\n", us_per_row);
	printf("  accuracy at %.0f %%      %12.0f rows/s planned, %.2f %% of them achieved\n", PACED_SHARE * 100,
		paced->rate_planned, 100 * c->paced.rate / paced->rate_planned);
	printf("  late                   %12.3f ms p50, %.3f ms p99, %.3f ms at most; %.3f %% more than %d ms\n",
		(double)ab_latency_ns(&paced->late, 500) / 1e6, (double)ab_latency_ns(&paced->late, 990) / 1e6,
		(double)paced->late.max_ns / 1e6, late_percent(paced), (int)(AB_LATE_NS / 1000000));
}

enum ab_exit ab_ceiling(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct ceiling *c = calloc(1, sizeof *c);
	AB_ASSERT(c != NULL);
	c->arguments = *arguments;
	c->arguments.pace = AB_PACE_RATE;
	c->settings = *settings;
	if (c->arguments.duration_ms < 0)
		c->arguments.duration_ms = DURATION_DEFAULT_MS;
	enum ab_target_result result = work(c);
	if (result != AB_TARGET_OK)
		fprintf(stderr, "error: %s\n", c->error);
	ab_sender_close(&c->sender);
	int stopped = ab_sender_stop_asked();
	enum ab_target_result cleaned = clean_up(c);
	if (cleaned != AB_TARGET_OK && result == AB_TARGET_OK)
		fprintf(stderr, "error: %s\n", c->error);
	if (result == AB_TARGET_OK && !stopped)
		show(c);
	result = result == AB_TARGET_OK ? cleaned : result;
	free(c);
	return result == AB_TARGET_UNREACHABLE ? AB_EXIT_UNREACHABLE
	       : result == AB_TARGET_REFUSED   ? AB_EXIT_REFUSED
	       : stopped		       ? AB_EXIT_CUT_SHORT
					       : AB_EXIT_OK;
}
