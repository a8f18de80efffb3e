/* loadgen/sender.c — see sender.h. The order of a batch: choose its operations, wait for room, send them. */
#include "loadgen/sender.h"

#include "loadgen/clock.h"
#include "loadgen/content.h"
#include "loadgen/event.h"

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

int ab_sender_stop_asked(void)
{
	return stop_asked;
}

/* SA_RESETHAND: the second signal does what it does to any program. */
static void take_signals(void)
{
	struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* From here on they arrive in ppoll() alone, so that none between a look at the flag and the wait is slept over. */
static void block_signals(struct ab_sender *s)
{
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &s->open_signals);
}

static enum ab_target_result open_pg(struct ab_sender *s, const struct ab_settings *settings, int wants_ids)
{
	s->pg_open = 1;
	enum ab_target_result result =
		ab_pg_open(&s->pg, settings, s->arguments->connections, wants_ids, s->source.payload_bytes);
	s->error = s->pg.error;
	return result;
}

enum ab_target_result ab_sender_open(struct ab_sender *s, const struct ab_arguments *a,
	const struct ab_settings *settings, int with_marks)
{
	*s = (struct ab_sender){.arguments = a, .error = ""};
	s->source = (struct ab_gen_source){.seed = a->seed, .payload_bytes = a->payload_bytes,
		.contents = a->seed_contents > 0 ? a->seed_contents : settings->content_rows};
	if (a->skew_milli > 0)
		ab_zipf_open(&s->source.skew, s->source.contents, a->skew_milli);
	ab_mix_open(&s->mix, a->seed, a->percent);
	take_signals();
	enum ab_target_result result = AB_TARGET_OK;
	if (a->target == AB_TO_POSTGRES || a->seed_contents > 0 || with_marks)
		result = open_pg(s, settings, with_marks || a->percent[AB_MIX_CREATE] < 100);
	if (result == AB_TARGET_OK && a->target == AB_TO_KAFKA) {
		s->kafka_open = 1;
		result = ab_kafka_open(&s->kafka, settings, a, &s->source);
		s->error = s->kafka.error;
	}
	return result;
}

void ab_sender_close(struct ab_sender *s)
{
	if (s->pg_open)
		ab_pg_close(&s->pg);
	if (s->kafka_open)
		ab_kafka_close(&s->kafka);
	ab_mix_close(&s->mix);
}

enum ab_target_result ab_sender_seed_contents(struct ab_sender *s, uint64_t *inserted)
{
	*inserted = 0;
	if (s->arguments->seed_contents == 0)
		return AB_TARGET_OK;
	s->error = s->pg.error;
	return ab_pg_insert_contents(&s->pg, s->source.seed, 0, s->source.contents, &stop_asked, inserted);
}

enum ab_target_result ab_sender_seed_marks(struct ab_sender *s, uint64_t count, uint64_t *inserted)
{
	s->error = s->pg.error;
	return ab_pg_insert_contents(&s->pg, s->source.seed, AB_GEN_MARK_FIRST, count, &stop_asked, inserted);
}

static enum ab_target_result check_contents(struct ab_sender *s)
{
	uint64_t missing;
	unsigned long long contents = s->source.contents, seed = s->source.seed;
	enum ab_target_result result = ab_pg_count_missing(&s->pg, s->source.seed, s->source.contents, &missing);
	if (result != AB_TARGET_OK || missing == 0)
		return result;
	snprintf(s->pg.error, sizeof s->pg.error,
		"%llu of the %llu contents of seed %llu are not in table content, and events must point to contents\n"
		"  What to do: run once with --seed-contents %llu, or set CONTENT_ROWS to what is there",
		(unsigned long long)missing, contents, seed, contents);
	return AB_TARGET_REFUSED;
}

enum ab_target_result ab_sender_begin(struct ab_sender *s)
{
	enum ab_target_result result = AB_TARGET_OK;
	if (!s->kafka_open) {
		s->error = s->pg.error;
		result = check_contents(s);
		if (result == AB_TARGET_OK)
			result = ab_pg_begin(&s->pg);
		s->pg.last_ack_ns = ab_lg_now_ns();
	} else {
		s->error = s->kafka.error;
		s->kafka.last_ack_ns = ab_lg_now_ns();
	}
	block_signals(s);
	s->tick_ns = ab_lg_now_ns();
	return result;
}

uint64_t ab_sender_in_flight(const struct ab_sender *s)
{
	return s->kafka_open ? s->kafka.in_flight : ab_pg_in_flight(&s->pg);
}

int64_t ab_sender_last_ack_ns(const struct ab_sender *s)
{
	return s->kafka_open ? s->kafka.last_ack_ns : s->pg.last_ack_ns;
}

static enum ab_target_result give_up(struct ab_sender *s)
{
	snprintf(s->pg.error, sizeof s->pg.error,
		"%s has not answered for %d s after the stop\n  What to do: look for locks in pg_stat_activity, or at the broker",
		s->kafka_open ? "Kafka" : s->pg.place, AB_SENDER_STOP_MAX_S);
	s->error = s->pg.error;
	return AB_TARGET_UNREACHABLE;
}

enum ab_target_result ab_sender_wait(struct ab_sender *s, int64_t until_ns)
{
	int64_t due = s->tick_ns + AB_SENDER_TICK_NS, until = until_ns < due ? until_ns : due;
	enum ab_target_result result = s->kafka_open ? ab_kafka_wait(&s->kafka, until, &s->open_signals)
						     : ab_pg_wait(&s->pg, until, &s->open_signals);
	int64_t now = ab_lg_now_ns();
	if (now >= due) {
		s->tick_ns = now;
		if (s->tick != NULL)
			s->tick(s->tick_arg, now);
	}
	if (stop_asked && s->give_up_ns == 0)
		s->give_up_ns = now + AB_SENDER_STOP_MAX_S * AB_LG_NS_PER_S;
	if (result == AB_TARGET_OK && s->give_up_ns != 0 && now > s->give_up_ns)
		return give_up(s);
	return result;
}

static enum ab_target_result wait_for_room(struct ab_sender *s, uint32_t connection, uint32_t rows)
{
	int64_t begin = ab_lg_now_ns();
	enum ab_target_result result = AB_TARGET_OK;
	while (result == AB_TARGET_OK &&
	       !(s->kafka_open ? ab_kafka_room(&s->kafka, rows) : ab_pg_room(&s->pg, connection)))
		result = ab_sender_wait(s, INT64_MAX);
	s->blocked_ns += ab_lg_now_ns() - begin;
	return result;
}

static enum ab_target_result wait_for_id(struct ab_sender *s, uint64_t row)
{
	enum ab_target_result result = AB_TARGET_OK;
	while (result == AB_TARGET_OK && !ab_pg_knows(&s->pg, row))
		result = ab_sender_wait(s, INT64_MAX);
	return result;
}

enum ab_target_result ab_sender_finish(struct ab_sender *s)
{
	enum ab_target_result result = s->kafka_open ? ab_kafka_finish(&s->kafka) : AB_TARGET_OK;
	while (result == AB_TARGET_OK && ab_sender_in_flight(s) > 0)
		result = ab_sender_wait(s, INT64_MAX);
	return result;
}

/* --- what is in a batch --------------------------------------------------------------------------------------------- */

void ab_sender_choose(struct ab_sender *s, uint32_t rows)
{
	s->mark_count = 0;
	ab_mix_begin_batch(&s->mix);
	for (uint32_t i = 0; i < rows; i++)
		s->operations[i] = ab_mix_next(&s->mix);
}

void ab_sender_mark(struct ab_sender *s, uint32_t create, const struct ab_mark *mark)
{
	uint64_t row = s->mix.batch_first_row + create;
	if (row >= s->mix.rows || s->mark_count == AB_MARKS_BATCH_MAX)
		return;
	AB_ASSERT(s->mark_count == 0 || s->marks[s->mark_count - 1].row < row);
	s->marks[s->mark_count] = *mark;
	s->marks[s->mark_count++].row = row;
}

static void put_number(struct ab_array *column, int32_t value, int32_t none)
{
	if (value == none)
		ab_array_put_null(column);
	else
		ab_array_put_i32(column, value);
}

static void put_create(struct ab_sender *s, uint64_t row, const struct ab_mark *mark)
{
	struct ab_array *columns = s->pg.insert;
	const struct ab_arguments *a = s->arguments;
	struct ab_gen_event event;
	ab_gen_event(&s->source, row, &event);
	if (mark != NULL)
		ab_gen_event_mark(&s->source, mark->content, &event);
	ab_array_put_bytes(&columns[0], event.content_id, sizeof event.content_id);
	ab_array_put_bytes(&columns[1], event.user_id, sizeof event.user_id);
	ab_array_put_text(&columns[2], event.type);
	if (mark != NULL)
		ab_array_put_time(&columns[3], mark->event_us);
	else if (a->event_ts_fixed)
		ab_array_put_time(&columns[3], a->event_ts_us + (int64_t)row * a->event_ts_step_us);
	else
		ab_array_put_null(&columns[3]);
	put_number(&columns[4], event.duration_ms, AB_GEN_NO_DURATION);
	ab_array_put_text(&columns[5], event.device);
	ab_array_put_jsonb(&columns[6], event.payload, event.payload_len);
}

static void put_update(struct ab_sender *s, const struct ab_mix_operation *op)
{
	struct ab_array *columns = s->pg.update;
	struct ab_gen_update update;
	ab_gen_update(&s->source, op->number, op->row, &update);
	ab_array_put_i64(&columns[0], ab_pg_id(&s->pg, op->row));
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

static void put_marked_create(struct ab_sender *s, struct ab_pg_job *job, uint64_t row)
{
	const struct ab_mark *mark = NULL;
	if (job->mark_count < s->mark_count && s->marks[job->mark_count].row == row) {
		mark = &s->marks[job->mark_count];
		job->marks[job->mark_count++] = *mark;
	}
	put_create(s, row, mark);
}

/* What one connection does for the batch: all creates when it is the batch's own, and changes of rows it created. */
static enum ab_target_result fill_job(struct ab_sender *s, uint32_t connection, int creates, uint32_t rows,
	struct ab_pg_job *job)
{
	begin_arrays(&s->pg);
	for (uint32_t i = 0; i < rows; i++) {
		const struct ab_mix_operation *op = &s->operations[i];
		if (op->kind == AB_MIX_CREATE ? !creates : ab_pg_owner(&s->pg, op->row) != connection)
			continue;
		if (op->kind == AB_MIX_CREATE)
			put_marked_create(s, job, op->row);
		else {
			enum ab_target_result result = wait_for_id(s, op->row);
			if (result != AB_TARGET_OK)
				return result;
			if (op->kind == AB_MIX_UPDATE)
				put_update(s, op);
			else
				ab_array_put_i64(&s->pg.delete, ab_pg_id(&s->pg, op->row));
		}
		job->rows[op->kind]++;
	}
	return AB_TARGET_OK;
}

/* Now it leaves: how late is that? */
static void count_sent(struct ab_report *report, const uint32_t rows[AB_MIX_KINDS], int64_t late_ns)
{
	uint64_t sent = 0;
	for (int kind = 0; kind < AB_MIX_KINDS; kind++) {
		report->sent[kind] += rows[kind];
		sent += rows[kind];
	}
	ab_latency_add(&report->late, late_ns, sent);
	report->rows_late += late_ns > AB_LATE_NS ? sent : 0;
	report->rows_sent += sent;
}

static enum ab_target_result send_job(struct ab_sender *s, uint32_t connection, int creates, uint32_t rows,
	int64_t meant_ns, struct ab_report *report)
{
	struct ab_pg_job job = {.meant_ns = meant_ns, .first_row = s->mix.batch_first_row, .report = report};
	enum ab_target_result result = fill_job(s, connection, creates, rows, &job);
	if (result != AB_TARGET_OK || job.rows[AB_MIX_CREATE] + job.rows[AB_MIX_UPDATE] + job.rows[AB_MIX_DELETE] == 0)
		return result;
	result = wait_for_room(s, connection, rows);
	if (result != AB_TARGET_OK)
		return result;
	int64_t now = ab_lg_now_ns();
	job.sent_ns = now;
	for (uint32_t i = 0; i < job.mark_count; i++)
		job.marks[i].sent_ns = now;
	count_sent(report, job.rows, now - meant_ns);
	return ab_pg_send(&s->pg, connection, &job);
}

static enum ab_target_result send_to_pg(struct ab_sender *s, uint64_t batch, uint32_t rows, int64_t meant_ns,
	struct ab_report *report)
{
	uint32_t own = (uint32_t)(batch % s->pg.count);
	enum ab_target_result result = AB_TARGET_OK;
	for (uint32_t i = 0; i < s->pg.count && result == AB_TARGET_OK; i++)
		if (i == own || s->arguments->percent[AB_MIX_CREATE] < 100)
			result = send_job(s, i, i == own, rows, meant_ns, report);
	return result;
}

static enum ab_target_result send_to_kafka(struct ab_sender *s, uint32_t rows, int64_t meant_ns,
	struct ab_report *report)
{
	uint32_t kinds[AB_MIX_KINDS] = {0};
	enum ab_target_result result = wait_for_room(s, 0, rows);
	if (result != AB_TARGET_OK)
		return result;
	int64_t now = ab_lg_now_ns();
	for (uint32_t i = 0; i < rows; i++)
		kinds[s->operations[i].kind]++;
	for (uint32_t i = 0; i < s->mark_count; i++)
		s->marks[i].sent_ns = now;
	count_sent(report, kinds, now - meant_ns);
	return ab_kafka_send(&s->kafka, s->operations, rows, meant_ns, s->marks, s->mark_count, report);
}

enum ab_target_result ab_sender_send(struct ab_sender *s, uint64_t batch, uint32_t rows, int64_t meant_ns,
	struct ab_report *report)
{
	enum ab_target_result result = s->kafka_open ? send_to_kafka(s, rows, meant_ns, report)
						     : send_to_pg(s, batch, rows, meant_ns, report);
	if (result == AB_TARGET_OK)
		report->batches_sent++;
	return result;
}
