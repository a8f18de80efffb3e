/* loadgen/run.c — see run.h. The order of a batch: wait for its time, choose its operations, send them, go on. */
#include "loadgen/run.h"

#include <signal.h>

#include "loadgen/clock.h"
#include "loadgen/content.h"
#include "loadgen/event.h"
#include "loadgen/mix.h"
#include "loadgen/pg.h"
#include "loadgen/plan.h"
#include "loadgen/report.h"

#define STATUS_INTERVAL_NS AB_LG_NS_PER_S

struct run {
	const struct ab_arguments *arguments;
	uint64_t contents;
	struct ab_plan plan;
	struct ab_mix mix;
	struct ab_pg pg;
	struct ab_report report;
	struct ab_mix_operation operations[AB_PLAN_BATCH_ROWS_MAX];
	sigset_t open_signals; /* while waiting */
	int64_t start_ns;
	int64_t status_ns;	/* of the last status line */
	uint64_t status_acked;
	int64_t give_up_ns;	/* after a stop; 0: not stopping */
	uint8_t seeding_cut_short;
};

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

/* SA_RESETHAND: the second signal does what it does to any program. */
static void take_signals(void)
{
	struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* From here on they arrive in ppoll() alone, so that none between a look at the flag and the wait is slept over. */
static void block_signals(struct run *run)
{
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &run->open_signals);
}

static void show_status(struct run *run, int64_t now_ns)
{
	uint64_t acked = ab_report_acked(&run->report);
	run->report.elapsed_ns = now_ns - run->start_ns;
	if (!run->arguments->quiet)
		ab_report_status(stderr, &run->report, acked - run->status_acked, now_ns - run->status_ns);
	run->status_ns = now_ns;
	run->status_acked = acked;
}

/* Sends and receives until something happened or until_ns; shows the status line when it is due. */
static enum ab_pg_result wait_until(struct run *run, int64_t until_ns)
{
	int64_t status_due = run->status_ns + STATUS_INTERVAL_NS;
	enum ab_pg_result result = ab_pg_wait(&run->pg, until_ns < status_due ? until_ns : status_due, &run->open_signals);
	int64_t now = ab_lg_now_ns();
	if (now >= status_due)
		show_status(run, now);
	if (stop_asked && run->give_up_ns == 0)
		run->give_up_ns = now + AB_RUN_STOP_MAX_S * AB_LG_NS_PER_S;
	if (result == AB_PG_OK && run->give_up_ns != 0 && now > run->give_up_ns) {
		snprintf(run->pg.error, sizeof run->pg.error, "PostgreSQL %s has not answered for %d s after the stop\n  "
			"What to do: look for locks in pg_stat_activity", run->pg.place, AB_RUN_STOP_MAX_S);
		return AB_PG_UNREACHABLE;
	}
	return result;
}

static enum ab_pg_result wait_for_room(struct run *run, uint32_t connection)
{
	while (!ab_pg_room(&run->pg, connection)) {
		enum ab_pg_result result = wait_until(run, INT64_MAX);
		if (result != AB_PG_OK)
			return result;
	}
	return AB_PG_OK;
}

static enum ab_pg_result wait_for_id(struct run *run, uint64_t row)
{
	while (!ab_pg_knows(&run->pg, row)) {
		enum ab_pg_result result = wait_until(run, INT64_MAX);
		if (result != AB_PG_OK)
			return result;
	}
	return AB_PG_OK;
}

static void put_number(struct ab_array *column, int32_t value, int32_t none)
{
	if (value == none)
		ab_array_put_null(column);
	else
		ab_array_put_i32(column, value);
}

static void put_create(struct run *run, uint64_t row)
{
	struct ab_array *columns = run->pg.insert;
	struct ab_gen_event event;
	ab_gen_event(run->arguments->seed, row, run->contents, &event);
	ab_array_put_bytes(&columns[0], event.content_id, sizeof event.content_id);
	ab_array_put_bytes(&columns[1], event.user_id, sizeof event.user_id);
	ab_array_put_text(&columns[2], event.type);
	if (run->arguments->event_ts_fixed)
		ab_array_put_time(&columns[3], run->arguments->event_ts_us + (int64_t)row * run->arguments->event_ts_step_us);
	else
		ab_array_put_null(&columns[3]);
	put_number(&columns[4], event.duration_ms, AB_GEN_NO_DURATION);
	ab_array_put_text(&columns[5], event.device);
	ab_array_put_jsonb(&columns[6], event.payload, event.payload_len);
}

static void put_update(struct run *run, const struct ab_mix_operation *op)
{
	struct ab_array *columns = run->pg.update;
	struct ab_gen_update update;
	ab_gen_update(run->arguments->seed, op->number, op->row, run->contents, &update);
	ab_array_put_i64(&columns[0], ab_pg_id(&run->pg, op->row));
	put_number(&columns[1], update.duration_ms, AB_GEN_NO_DURATION);
	ab_array_put_text(&columns[2], update.device);
}

static void begin_arrays(struct ab_pg *pg)
{
	static const enum ab_oid insert[] = {
		AB_OID_UUID, AB_OID_UUID, AB_OID_TEXT, AB_OID_TIMESTAMPTZ, AB_OID_INT4, AB_OID_TEXT, AB_OID_JSONB};
	static const enum ab_oid update[] = {AB_OID_INT8, AB_OID_INT4, AB_OID_TEXT};
	for (size_t i = 0; i < AB_COUNT(insert); i++)
		ab_array_begin(&pg->insert[i], insert[i]);
	for (size_t i = 0; i < AB_COUNT(update); i++)
		ab_array_begin(&pg->update[i], update[i]);
	ab_array_begin(&pg->delete, AB_OID_INT8);
}

/* What one connection does for the batch: all creates when it is the batch's own, and changes of rows it created. */
static enum ab_pg_result send_job(struct run *run, uint32_t connection, int creates, uint32_t rows, int64_t meant_ns)
{
	struct ab_pg_job job = {.meant_ns = meant_ns, .first_row = run->mix.batch_first_row};
	begin_arrays(&run->pg);
	for (uint32_t i = 0; i < rows; i++) {
		const struct ab_mix_operation *op = &run->operations[i];
		if (op->kind == AB_MIX_CREATE ? !creates : ab_pg_owner(&run->pg, op->row) != connection)
			continue;
		if (op->kind == AB_MIX_CREATE)
			put_create(run, op->row);
		else {
			enum ab_pg_result result = wait_for_id(run, op->row);
			if (result != AB_PG_OK)
				return result;
			if (op->kind == AB_MIX_UPDATE)
				put_update(run, op);
			else
				ab_array_put_i64(&run->pg.delete, ab_pg_id(&run->pg, op->row));
		}
		job.rows[op->kind]++;
	}
	if (job.rows[AB_MIX_CREATE] + job.rows[AB_MIX_UPDATE] + job.rows[AB_MIX_DELETE] == 0)
		return AB_PG_OK;
	enum ab_pg_result result = wait_for_room(run, connection);
	if (result != AB_PG_OK)
		return result;
	for (int kind = 0; kind < AB_MIX_KINDS; kind++)
		run->report.sent[kind] += job.rows[kind];
	uint64_t sent = job.rows[AB_MIX_CREATE] + job.rows[AB_MIX_UPDATE] + job.rows[AB_MIX_DELETE];
	int64_t late = ab_lg_now_ns() - meant_ns;
	ab_latency_add(&run->report.late, late, sent);
	run->report.rows_late += late > AB_LATE_NS ? sent : 0;
	run->report.rows_sent += sent;
	return ab_pg_send(&run->pg, connection, &job);
}

static enum ab_pg_result send_batch(struct run *run, uint64_t batch, uint32_t rows, int64_t meant_ns)
{
	uint32_t own = (uint32_t)(batch % run->pg.count);
	ab_mix_begin_batch(&run->mix);
	for (uint32_t i = 0; i < rows; i++)
		run->operations[i] = ab_mix_next(&run->mix);
	for (uint32_t i = 0; i < run->pg.count; i++) {
		if (i != own && run->arguments->percent[AB_MIX_CREATE] == 100)
			continue;
		enum ab_pg_result result = send_job(run, i, i == own, rows, meant_ns);
		if (result != AB_PG_OK)
			return result;
	}
	run->report.batches_sent++;
	return AB_PG_OK;
}

/* An unpaced plan has no times, so its end by time is here. */
static int out_of_time(const struct run *run)
{
	return run->plan.period_ns == 0 && run->arguments->duration_ms >= 0 &&
	       ab_lg_now_ns() - run->start_ns >= run->arguments->duration_ms * 1000000;
}

static enum ab_pg_result follow_plan(struct run *run)
{
	enum ab_pg_result result = AB_PG_OK;
	uint32_t rows;
	block_signals(run);
	run->start_ns = run->status_ns = run->pg.last_ack_ns = ab_lg_now_ns();
	for (uint64_t batch = 0; (rows = ab_plan_rows(&run->plan, batch)) > 0; batch++) {
		int64_t meant_ns = run->start_ns + ab_plan_time_ns(&run->plan, batch);
		/* At least one look at sockets and signals, also when every batch is late. */
		do {
			result = wait_until(run, meant_ns);
		} while (result == AB_PG_OK && !stop_asked && ab_lg_now_ns() < meant_ns);
		if (result != AB_PG_OK || stop_asked || out_of_time(run))
			break;
		if (run->plan.period_ns == 0)
			meant_ns = ab_lg_now_ns();
		result = send_batch(run, batch, rows, meant_ns);
		if (result != AB_PG_OK)
			break;
	}
	while (result == AB_PG_OK && ab_pg_in_flight(&run->pg) > 0)
		result = wait_until(run, INT64_MAX);
	return result;
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

static enum ab_pg_result check_contents(struct run *run)
{
	uint64_t missing;
	enum ab_pg_result result = ab_pg_count_missing(&run->pg, run->arguments->seed, run->contents, &missing);
	if (result != AB_PG_OK || missing == 0)
		return result;
	snprintf(run->pg.error, sizeof run->pg.error,
		"%llu of the %llu contents of seed %llu are not in table content, and events must point to contents\n"
		"  What to do: run once with --seed-contents %llu, or set CONTENT_ROWS to what is there",
		(unsigned long long)missing, (unsigned long long)run->contents, (unsigned long long)run->arguments->seed,
		(unsigned long long)run->contents);
	return AB_PG_REFUSED;
}

static enum ab_pg_result work(struct run *run, const struct ab_settings *settings)
{
	const struct ab_arguments *a = run->arguments;
	enum ab_pg_result result =
		ab_pg_open(&run->pg, settings, a->connections, a->percent[AB_MIX_CREATE] < 100, &run->report);
	if (result != AB_PG_OK)
		return result;
	if (a->seed_contents > 0) {
		result = ab_pg_insert_contents(
			&run->pg, a->seed, a->seed_contents, &stop_asked, &run->report.contents_inserted);
		run->seeding_cut_short = result == AB_PG_OK && stop_asked;
	}
	if (result != AB_PG_OK || run->plan.rows == 0 || stop_asked)
		return result;
	result = check_contents(run);
	if (result == AB_PG_OK)
		result = ab_pg_begin(&run->pg);
	return result == AB_PG_OK ? follow_plan(run) : result;
}

/* The plan's time counts to its end: 2 batches of 50 rows in one second each are 50 rows a second, not 100. */
static void close_report(struct run *run)
{
	int64_t planned = ab_plan_time_ns(&run->plan, run->report.batches_sent);
	run->report.elapsed_ns = run->pg.last_ack_ns - run->start_ns;
	if (run->report.elapsed_ns < planned)
		run->report.elapsed_ns = planned;
	run->report.without_row = run->mix.without_row;
}

static enum ab_exit outcome(struct run *run, enum ab_pg_result result)
{
	int planned_end = run->plan.rows != AB_PLAN_ENDLESS || run->arguments->duration_ms >= 0;
	run->report.ended = result != AB_PG_OK ? "failed" : stop_asked ? "stopped" : "complete";
	if (result != AB_PG_OK)
		fprintf(stderr, "error: %s\n", run->pg.error);
	if (result == AB_PG_UNREACHABLE)
		return AB_EXIT_UNREACHABLE;
	if (result == AB_PG_REFUSED)
		return AB_EXIT_REFUSED;
	if (run->seeding_cut_short || (stop_asked && planned_end && run->report.rows_sent < run->plan.rows))
		return AB_EXIT_CUT_SHORT;
	return AB_EXIT_OK;
}

enum ab_exit ab_run(const struct ab_arguments *arguments, const struct ab_settings *settings)
{
	struct run *run = calloc(1, sizeof *run);
	AB_ASSERT(run != NULL);
	run->arguments = arguments;
	run->contents = arguments->seed_contents > 0 ? arguments->seed_contents : settings->content_rows;
	run->plan = make_plan(arguments, settings);
	run->report = (struct ab_report){.seed = arguments->seed,
		.contents = run->contents,
		.connections = arguments->connections,
		.rate_planned = ab_plan_rate(&run->plan),
		.rows_planned = run->plan.rows};
	ab_mix_open(&run->mix, arguments->seed, arguments->percent);
	take_signals();
	enum ab_exit code = outcome(run, work(run, settings));
	close_report(run);
	if (arguments->format == AB_FORMAT_JSON)
		ab_report_json(stdout, &run->report);
	else if (run->pg.last_ack_ns != 0 || code == AB_EXIT_OK || run->report.contents_inserted > 0)
		ab_report_text(stdout, &run->report);
	ab_pg_close(&run->pg);
	ab_mix_close(&run->mix);
	free(run);
	return code;
}
