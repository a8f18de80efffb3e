/* loadgen/run.c — see run.h. */
#include "loadgen/run.h"

#include <time.h>

#include "loadgen/clock.h"
#include "loadgen/follow.h"

#define STATUS_INTERVAL_NS AB_LG_NS_PER_S

struct run {
	struct ab_arguments arguments;
	struct ab_plan plan;
	struct ab_sender sender;
	struct ab_report report;
	int64_t start_ns;
	int64_t status_ns;	/* of the last status line */
	uint64_t status_acked;
	uint8_t seeding_cut_short;
};

static void show_status(void *arg, int64_t now_ns)
{
	struct run *run = arg;
	uint64_t acked = ab_report_acked(&run->report);
	run->report.elapsed_ns = now_ns - run->start_ns;
	if (now_ns - run->status_ns < STATUS_INTERVAL_NS)
		return;
	if (!run->arguments.quiet)
		ab_report_status(stderr, &run->report, acked - run->status_acked, now_ns - run->status_ns);
	run->status_ns = now_ns;
	run->status_acked = acked;
}

static enum ab_target_result follow_plan(struct run *run)
{
	run->start_ns = run->status_ns = ab_lg_now_ns();
	struct ab_follow follow = {.sender = &run->sender, .plan = &run->plan, .report = &run->report,
		.start_ns = run->start_ns,
		.unpaced_ns = run->arguments.duration_ms < 0 ? -1 : run->arguments.duration_ms * 1000000};
	enum ab_target_result result = ab_follow(&follow);
	return result == AB_TARGET_OK ? ab_sender_finish(&run->sender) : result;
}

static struct ab_plan make_plan(const struct ab_arguments *a, const struct ab_settings *settings)
{
	struct ab_plan plan;
	if (a->pace == AB_PACE_RATE)
		plan = ab_plan_by_rate(a->rate_milli);
	else if (a->pace == AB_PACE_UNPACED)
		plan = ab_plan_unpaced(AB_PLAN_RATE_BATCH_ROWS_MAX);
	else
		plan = ab_plan_by_interval(settings->interval_ms * 1000000, settings->batch_rows);
	ab_plan_end_after_rows(&plan, a->count);
	if (a->duration_ms >= 0)
		ab_plan_end_after_time(&plan, a->duration_ms * 1000000);
	return plan;
}

static enum ab_target_result work(struct run *run, const struct ab_settings *settings)
{
	struct ab_sender *s = &run->sender;
	enum ab_target_result result = ab_sender_open(s, &run->arguments, settings, 0);
	if (result != AB_TARGET_OK)
		return result;
	s->tick = show_status;
	s->tick_arg = run;
	result = ab_sender_seed_contents(s, &run->report.contents_inserted);
	run->seeding_cut_short = result == AB_TARGET_OK && run->arguments.seed_contents > 0 && ab_sender_stop_asked();
	if (result != AB_TARGET_OK || run->plan.rows == 0 || ab_sender_stop_asked())
		return result;
	result = ab_sender_begin(s);
	return result == AB_TARGET_OK ? follow_plan(run) : result;
}

/* The plan's time counts to its end: 2 batches of 50 rows in one second each are 50 rows a second, not 100. */
static void close_report(struct run *run)
{
	int64_t planned = ab_plan_time_ns(&run->plan, run->report.batches_sent);
	run->report.elapsed_ns = run->start_ns == 0 ? 0 : ab_sender_last_ack_ns(&run->sender) - run->start_ns;
	if (run->report.elapsed_ns < planned)
		run->report.elapsed_ns = planned;
	run->report.without_row = run->sender.mix.without_row;
	run->report.poisoned = run->sender.kafka.poisoned;
}

static enum ab_exit outcome(struct run *run, enum ab_target_result result)
{
	int planned_end = run->plan.rows != AB_PLAN_ENDLESS || run->arguments.duration_ms >= 0;
	run->report.ended = result != AB_TARGET_OK ? "failed" : ab_sender_stop_asked() ? "stopped" : "complete";
	if (result != AB_TARGET_OK)
		fprintf(stderr, "error: %s\n", run->sender.error);
	if (result == AB_TARGET_UNREACHABLE)
		return AB_EXIT_UNREACHABLE;
	if (result == AB_TARGET_REFUSED)
		return AB_EXIT_REFUSED;
	if (run->seeding_cut_short || (ab_sender_stop_asked() && planned_end && run->report.rows_sent < run->plan.rows))
		return AB_EXIT_CUT_SHORT;
	return AB_EXIT_OK;
}

enum ab_exit ab_run(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct run *run = calloc(1, sizeof *run);
	AB_ASSERT(run != NULL);
	run->arguments = *arguments;
	if (arguments->event_ts_until_now)
		run->arguments.event_ts_us =
			(int64_t)time(NULL) * 1000000 - (int64_t)arguments->count * arguments->event_ts_step_us;
	run->plan = make_plan(arguments, settings);
	run->report = (struct ab_report){.seed = arguments->seed,
		.target = arguments->target == AB_TO_KAFKA ? "kafka" : "postgres",
		.contents = arguments->seed_contents > 0 ? arguments->seed_contents : settings->content_rows,
		.connections = arguments->connections,
		.rate_planned = ab_plan_rate(&run->plan),
		.rows_planned = run->plan.rows};
	enum ab_exit code = outcome(run, work(run, settings));
	close_report(run);
	if (arguments->format == AB_FORMAT_JSON)
		ab_report_json(stdout, &run->report);
	else if (run->start_ns != 0 || code == AB_EXIT_OK || run->report.contents_inserted > 0)
		ab_report_text(stdout, &run->report);
	ab_sender_close(&run->sender);
	free(run);
	return code;
}
