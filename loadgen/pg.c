/* loadgen/pg.c — see pg.h for connections, pipelines and jobs. */
#include "loadgen/pg.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "loadgen/clock.h"
#include "loadgen/event.h"

/* The names and devices of event.c are far below this. */
#define WORD_MAX_BYTES 32

/* PostgreSQL 15, appendix A. */
#define UNDEFINED_TABLE "42P01"

#define TABLE "engagement_events"
#define SCRATCH_TABLE "anabranch_loadgen_ceiling"

/* %s: the table, and RETURNING id where ids are wanted. */
static const char INSERT[] =
	"INSERT INTO %s (content_id, user_id, event_type, event_ts, duration_ms, device, raw_payload) "
	"SELECT content_id, user_id, event_type, coalesce(event_ts, now()), duration_ms, device, raw_payload "
	"FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::jsonb[]) "
	"AS t (content_id, user_id, event_type, event_ts, duration_ms, device, raw_payload)%s";
static const char UPDATE[] =
	"UPDATE %s AS e SET duration_ms = t.duration_ms, device = t.device "
	"FROM unnest($1::bigint[], $2::int[], $3::text[]) AS t (id, duration_ms, device) WHERE e.id = t.id%s";
static const char DELETE[] = "DELETE FROM %s WHERE id = ANY ($1::bigint[])%s";

static const char *const STATEMENTS[AB_MIX_KINDS] = {"ab_insert", "ab_update", "ab_delete"};

static enum ab_target_result fail(struct ab_pg *pg, enum ab_target_result result, const char *format, ...) AB_PRINTF(3, 4);

static enum ab_target_result fail(struct ab_pg *pg, enum ab_target_result result, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(pg->error, sizeof pg->error, format, args);
	va_end(args);
	return result;
}

/* libpq's words end with a newline, and some have more within. */
static const char *one_line(const char *words, char *to, size_t room)
{
	size_t len = 0;
	for (; *words != '\0' && len + 1 < room; words++)
		if (*words != '\n' && *words != '\t')
			to[len++] = *words;
		else if (len > 0 && to[len - 1] != ' ')
			to[len++] = ' ';
	while (len > 0 && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
	return to;
}

static enum ab_target_result unreachable(struct ab_pg *pg, PGconn *wire)
{
	char words[2048];
	return fail(pg, AB_TARGET_UNREACHABLE,
		"PostgreSQL %s: %s\n  What to do: start it, or correct POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, "
		"POSTGRES_USER or POSTGRES_PASSWORD in .env",
		pg->place, one_line(wire != NULL ? PQerrorMessage(wire) : "out of memory", words, sizeof words));
}

enum ab_target_result ab_pg_failed(struct ab_pg *pg, PGconn *wire, const PGresult *result, const char *doing)
{
	if (result == NULL || PQstatus(wire) != CONNECTION_OK)
		return unreachable(pg, wire);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	int no_table = state != NULL && strcmp(state, UNDEFINED_TABLE) == 0;
	return fail(pg, AB_TARGET_REFUSED, "PostgreSQL %s refused to %s: %s%s%s%s", pg->place, doing,
		words != NULL ? words : PQresultErrorMessage(result), detail != NULL ? ": " : "", detail != NULL ? detail : "",
		no_table ? "\n  What to do: create the tables; ./run.sh start does it" : "");
}

static enum ab_target_result connect_one(struct ab_pg *pg, struct ab_pg_connection *c, const struct ab_settings *settings)
{
	char timeout[16];
	snprintf(timeout, sizeof timeout, "%d", AB_PG_CONNECT_TIMEOUT_S);
	const char *const keys[] = {"host", "port", "dbname", "user", "password", "connect_timeout", "application_name",
		"client_encoding", NULL};
	const char *const values[] = {settings->host, settings->port, settings->database, settings->user,
		settings->password.value, timeout, "anabranch-loadgen", "UTF8", NULL};
	c->wire = PQconnectdbParams(keys, values, 0);
	if (c->wire == NULL || PQstatus(c->wire) != CONNECTION_OK)
		return unreachable(pg, c->wire);
	return AB_TARGET_OK;
}

/* The statements are constants above; only the table's name and RETURNING are put in. */
static enum ab_target_result prepare_one(struct ab_pg *pg, PGconn *wire, enum ab_mix_kind kind)
{
	char text[1024];
	const char *returning = pg->wants_ids ? " RETURNING id" : "";
	switch (kind) {
	case AB_MIX_CREATE: snprintf(text, sizeof text, INSERT, pg->table, returning); break;
	case AB_MIX_UPDATE: snprintf(text, sizeof text, UPDATE, pg->table, ""); break;
	case AB_MIX_DELETE: snprintf(text, sizeof text, DELETE, pg->table, ""); break;
	}
	PGresult *result = PQprepare(wire, STATEMENTS[kind], text, 0, NULL);
	enum ab_target_result outcome = AB_TARGET_OK;
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		outcome = ab_pg_failed(pg, wire, result, "prepare statements");
	PQclear(result);
	return outcome;
}

static enum ab_target_result prepare(struct ab_pg *pg, struct ab_pg_connection *c)
{
	enum ab_target_result result = AB_TARGET_OK;
	for (int kind = 0; kind < AB_MIX_KINDS && result == AB_TARGET_OK; kind++)
		result = prepare_one(pg, c->wire, (enum ab_mix_kind)kind);
	return result;
}

static enum ab_target_result command(struct ab_pg *pg, const char *sql, const char *doing)
{
	PGconn *wire = pg->connections[0].wire;
	PGresult *result = PQexec(wire, sql);
	enum ab_target_result outcome = AB_TARGET_OK;
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		outcome = ab_pg_failed(pg, wire, result, doing);
	PQclear(result);
	return outcome;
}

enum ab_target_result ab_pg_make_scratch(struct ab_pg *pg)
{
	enum ab_target_result result = ab_pg_drop_scratch(pg);
	if (result == AB_TARGET_OK)
		result = command(pg, "CREATE TABLE " SCRATCH_TABLE " (LIKE " TABLE " INCLUDING ALL, FOREIGN KEY (content_id) "
			"REFERENCES content (id))", "create the table " SCRATCH_TABLE);
	pg->table = SCRATCH_TABLE;
	return result;
}

enum ab_target_result ab_pg_drop_scratch(struct ab_pg *pg)
{
	return command(pg, "SET client_min_messages = warning; DROP TABLE IF EXISTS " SCRATCH_TABLE,
		"drop the table " SCRATCH_TABLE);
}

static void open_arrays(struct ab_pg *pg, uint32_t payload_bytes)
{
	uint32_t payload = (uint32_t)ab_max_u64(payload_bytes, AB_GEN_PAYLOAD_PLAIN_BYTES) + 1;
	const uint32_t insert[] = {16, 16, WORD_MAX_BYTES, 8, 4, WORD_MAX_BYTES, payload};
	static const uint32_t update[] = {8, 4, WORD_MAX_BYTES};
	_Static_assert(AB_COUNT(insert) == AB_COUNT(((struct ab_pg *)0)->insert), "an array per column");
	_Static_assert(AB_COUNT(update) == AB_COUNT(((struct ab_pg *)0)->update), "an array per column");
	for (size_t i = 0; i < AB_COUNT(insert); i++)
		ab_array_open(&pg->insert[i], AB_PLAN_BATCH_ROWS_MAX, insert[i]);
	for (size_t i = 0; i < AB_COUNT(update); i++)
		ab_array_open(&pg->update[i], AB_PLAN_BATCH_ROWS_MAX, update[i]);
	ab_array_open(&pg->delete, AB_PLAN_BATCH_ROWS_MAX, 8);
}

enum ab_target_result ab_pg_open(struct ab_pg *pg, const struct ab_settings *settings, uint32_t connections, int wants_ids,
	uint32_t payload_bytes)
{
	AB_ASSERT(connections > 0 && connections <= AB_CONNECTIONS_MAX);
	*pg = (struct ab_pg){.wants_ids = wants_ids != 0, .table = TABLE};
	snprintf(pg->place, sizeof pg->place, "at %.200s:%.16s (database %.200s, user %.200s)", settings->host,
		settings->port, settings->database, settings->user);
	open_arrays(pg, payload_bytes);
	pg->row_ids = calloc(AB_MIX_ROWS, sizeof *pg->row_ids);
	pg->row_owner = calloc(AB_MIX_ROWS, sizeof *pg->row_owner);
	AB_ASSERT(pg->row_ids != NULL && pg->row_owner != NULL);
	while (pg->count < connections) {
		enum ab_target_result result = connect_one(pg, &pg->connections[pg->count++], settings);
		if (result != AB_TARGET_OK)
			return result;
	}
	return AB_TARGET_OK;
}

void ab_pg_close(struct ab_pg *pg)
{
	for (uint32_t i = 0; i < pg->count; i++)
		PQfinish(pg->connections[i].wire);
	for (size_t i = 0; i < AB_COUNT(pg->insert); i++)
		ab_array_close(&pg->insert[i]);
	for (size_t i = 0; i < AB_COUNT(pg->update); i++)
		ab_array_close(&pg->update[i]);
	ab_array_close(&pg->delete);
	free(pg->row_ids);
	free(pg->row_owner);
	pg->count = 0;
}

enum ab_target_result ab_pg_begin(struct ab_pg *pg)
{
	for (uint32_t i = 0; i < pg->count; i++) {
		struct ab_pg_connection *c = &pg->connections[i];
		enum ab_target_result result = prepare(pg, c);
		if (result != AB_TARGET_OK)
			return result;
		if (PQsetnonblocking(c->wire, 1) != 0 || PQenterPipelineMode(c->wire) != 1)
			return unreachable(pg, c->wire);
	}
	return AB_TARGET_OK;
}

int ab_pg_room(const struct ab_pg *pg, uint32_t connection)
{
	return pg->connections[connection].count < AB_PG_JOBS;
}

int ab_pg_knows(const struct ab_pg *pg, uint64_t row)
{
	return pg->row_ids[row & (AB_MIX_ROWS - 1)] != 0;
}

int64_t ab_pg_id(const struct ab_pg *pg, uint64_t row)
{
	AB_ASSERT(ab_pg_knows(pg, row));
	return pg->row_ids[row & (AB_MIX_ROWS - 1)];
}

uint32_t ab_pg_owner(const struct ab_pg *pg, uint64_t row)
{
	return pg->row_owner[row & (AB_MIX_ROWS - 1)];
}

uint64_t ab_pg_in_flight(const struct ab_pg *pg)
{
	uint64_t jobs = 0;
	for (uint32_t i = 0; i < pg->count; i++)
		jobs += pg->connections[i].count;
	return jobs;
}

static enum ab_target_result send_statement(struct ab_pg *pg, PGconn *wire, enum ab_mix_kind kind)
{
	struct ab_array *arrays = kind == AB_MIX_CREATE ? pg->insert : kind == AB_MIX_UPDATE ? pg->update : &pg->delete;
	int count = kind == AB_MIX_CREATE ? AB_COUNT(pg->insert) : kind == AB_MIX_UPDATE ? AB_COUNT(pg->update) : 1;
	const char *values[AB_COUNT(pg->insert)];
	int lengths[AB_COUNT(pg->insert)], formats[AB_COUNT(pg->insert)];
	for (int i = 0; i < count; i++) {
		ab_array_end(&arrays[i]);
		values[i] = arrays[i].at;
		lengths[i] = (int)arrays[i].len;
		formats[i] = 1;
	}
	if (PQsendQueryPrepared(wire, STATEMENTS[kind], count, values, lengths, formats, 1) != 1)
		return unreachable(pg, wire);
	return AB_TARGET_OK;
}

static enum ab_target_result flush(struct ab_pg *pg, struct ab_pg_connection *c)
{
	int left = PQflush(c->wire);
	if (left < 0)
		return unreachable(pg, c->wire);
	c->unsent = left > 0;
	return AB_TARGET_OK;
}

enum ab_target_result ab_pg_send(struct ab_pg *pg, uint32_t connection, const struct ab_pg_job *job)
{
	struct ab_pg_connection *c = &pg->connections[connection];
	AB_ASSERT(c->count < AB_PG_JOBS);
	for (int kind = 0; kind < AB_MIX_KINDS; kind++) {
		if (job->rows[kind] == 0)
			continue;
		enum ab_target_result result = send_statement(pg, c->wire, (enum ab_mix_kind)kind);
		if (result != AB_TARGET_OK)
			return result;
	}
	if (PQpipelineSync(c->wire) != 1)
		return unreachable(pg, c->wire);
	c->jobs[(c->oldest + c->count++) % AB_PG_JOBS] = *job;
	for (uint32_t i = 0; i < job->rows[AB_MIX_CREATE]; i++) {
		pg->row_ids[(job->first_row + i) & (AB_MIX_ROWS - 1)] = 0;
		pg->row_owner[(job->first_row + i) & (AB_MIX_ROWS - 1)] = (uint8_t)connection;
	}
	return flush(pg, c);
}

/* The ids of an INSERT's rows, in the order of its parameters. */
static enum ab_target_result keep_ids(struct ab_pg *pg, const struct ab_pg_job *job, const PGresult *result)
{
	if (PQntuples(result) != (int)job->rows[AB_MIX_CREATE] || !PQfformat(result, 0) || PQgetlength(result, 0, 0) != 8)
		return fail(pg, AB_TARGET_REFUSED, "PostgreSQL %s: an INSERT of %u rows returned %d ids", pg->place,
			job->rows[AB_MIX_CREATE], PQntuples(result));
	int64_t last = 0;
	for (int i = 0; i < PQntuples(result); i++) {
		const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, i, 0);
		uint64_t id = 0;
		for (int b = 0; b < 8; b++)
			id = id << 8 | bytes[b];
		/* The sequence is drawn row by row, so rising ids prove that the rows are in the order sent. */
		if ((int64_t)id <= last)
			return fail(pg, AB_TARGET_REFUSED, "PostgreSQL %s: ids of one INSERT do not rise; is id a bigserial?",
				pg->place);
		last = (int64_t)id;
		pg->row_ids[(job->first_row + (uint64_t)i) & (AB_MIX_ROWS - 1)] = last;
	}
	return AB_TARGET_OK;
}

static enum ab_target_result take_answer(struct ab_pg *pg, struct ab_pg_connection *c, PGresult *result)
{
	static const char *const doing[] = {"insert events", "update events", "delete events"};
	struct ab_pg_job *job = &c->jobs[c->oldest];
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		return ab_pg_failed(pg, c->wire, result, doing[c->step]);
	uint64_t rows = strtoull(PQcmdTuples(result), NULL, 10);
	if (c->step == AB_MIX_CREATE && pg->wants_ids) {
		enum ab_target_result kept = keep_ids(pg, job, result);
		if (kept != AB_TARGET_OK)
			return kept;
	}
	/* Counted when the Sync is answered: before that the transaction is not committed. */
	AB_ASSERT(rows <= job->rows[c->step]);
	job->report->row_gone += job->rows[c->step] - rows;
	job->rows[c->step] = (uint32_t)rows;
	c->step++;
	return AB_TARGET_OK;
}

static void finish_job(struct ab_pg *pg, struct ab_pg_connection *c)
{
	struct ab_pg_job *job = &c->jobs[c->oldest];
	int64_t now = ab_lg_now_ns();
	uint64_t rows = 0;
	for (int kind = 0; kind < AB_MIX_KINDS; kind++) {
		job->report->acked[kind] += job->rows[kind];
		rows += job->rows[kind];
	}
	ab_latency_add(&job->report->commit, now - job->meant_ns, rows);
	ab_latency_add(&job->report->service, now - job->sent_ns, rows);
	pg->last_ack_ns = now;
	for (uint32_t i = 0; i < job->mark_count && pg->take_mark != NULL; i++) {
		job->marks[i].id = ab_pg_id(pg, job->marks[i].row);
		job->marks[i].commit_ns = now;
		pg->take_mark(pg->take_mark_arg, &job->marks[i]);
	}
	c->oldest = (c->oldest + 1) % AB_PG_JOBS;
	c->count--;
	c->step = AB_MIX_CREATE;
}

/* Statements of the job that were not sent have no answer. */
static void skip_unsent(struct ab_pg_connection *c)
{
	while (c->count > 0 && c->step < AB_MIX_KINDS && c->jobs[c->oldest].rows[c->step] == 0)
		c->step++;
}

static enum ab_target_result receive(struct ab_pg *pg, struct ab_pg_connection *c)
{
	if (PQconsumeInput(c->wire) != 1)
		return unreachable(pg, c->wire);
	while (c->count > 0 && !PQisBusy(c->wire)) {
		PGresult *result = PQgetResult(c->wire);
		if (result == NULL)
			continue; /* the end of one statement's answer */
		enum ab_target_result outcome = AB_TARGET_OK;
		skip_unsent(c);
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			AB_ASSERT(c->step == AB_MIX_KINDS);
			finish_job(pg, c);
		} else {
			AB_ASSERT(c->step < AB_MIX_KINDS);
			outcome = take_answer(pg, c, result);
		}
		PQclear(result);
		if (outcome != AB_TARGET_OK)
			return outcome;
	}
	return flush(pg, c);
}

enum ab_target_result ab_pg_wait(struct ab_pg *pg, int64_t until_ns, const sigset_t *open_signals)
{
	struct pollfd fds[AB_CONNECTIONS_MAX];
	for (uint32_t i = 0; i < pg->count; i++) {
		struct ab_pg_connection *c = &pg->connections[i];
		fds[i].fd = PQsocket(c->wire);
		fds[i].events = (short)(POLLIN | (c->unsent ? POLLOUT : 0));
	}
	int64_t left = until_ns - ab_lg_now_ns();
	if (left < 0)
		left = 0;
	struct timespec timeout = {.tv_sec = left / AB_LG_NS_PER_S, .tv_nsec = left % AB_LG_NS_PER_S};
	int ready = ppoll(fds, pg->count, &timeout, open_signals);
	if (ready < 0) {
		AB_ASSERT(errno == EINTR);
		return AB_TARGET_OK;
	}
	for (uint32_t i = 0; ready > 0 && i < pg->count; i++) {
		if (fds[i].revents == 0)
			continue;
		enum ab_target_result result = receive(pg, &pg->connections[i]);
		if (result != AB_TARGET_OK)
			return result;
	}
	return AB_TARGET_OK;
}
