/* verify/postgres.c — the table's rows against the newest change of each in the log.
 *
 * The rows are read in one snapshot that is older than the log's end. What is in the table and not in the log, or
 * otherwise, may be under way through Debezium: the log's tail is followed for a while to tell.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "verify/run.h"
#include "verify/time.h"

/* Rows that are looked for in the tail; more are told as they are. */
#define CANDIDATES_MAX 1000000
/* How long: Debezium needs a second at most when it runs. */
#define UNDER_WAY_NS (10 * AB_NS_PER_S)
#define NAP_MS       300

#define ROWS_SQL                                                                                                       \
	"SELECT id, content_id::text, user_id::text, event_type, duration_ms, device, "                                \
	"CASE WHEN isfinite(event_ts) THEN (extract(epoch FROM event_ts) * 1000000)::bigint END "                      \
	"FROM public.engagement_events"

struct pg_conn {
	PGconn *conn;
	int64_t lsn; /* of the log when the snapshot was taken */
	/* Rows that differ from the log: extra is the row's digest, or 0 for one that is gone; version says how. */
	struct ab_verify_table candidates;
};

enum how { ONLY_IN_TABLE = 1, ONLY_IN_LOG, OTHER };

static struct ab_verify_sink *report_of(struct ab_verify *run)
{
	return &run->sink[AB_VERIFY_POSTGRES];
}

static PGresult *ask(struct ab_verify *run, const char *sql)
{
	PGresult *result = PQexec(run->postgres->conn, sql);

	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	ab_verify_fail(report_of(run), "%s", PQerrorMessage(run->postgres->conn));
	PQclear(result);
	return NULL;
}

void ab_verify_postgres_begin(struct ab_verify *run)
{
	const struct ab_config *config = run->config;
	char port[16];
	const char *const names[] = {
	    "host", "port", "dbname", "user", "password", "connect_timeout", "application_name", NULL};
	const char *const values[] = {config->postgres_host,     port, config->postgres_db, config->postgres_user,
				      config->postgres_password, "5",  "anabranch verify",  NULL};
	struct pg_conn *postgres = calloc(1, sizeof *postgres);

	AB_ASSERT(postgres != NULL);
	snprintf(port, sizeof port, "%" PRId64, config->postgres_port);
	run->postgres = postgres;
	postgres->conn = PQconnectdbParams(names, values, 0);
	if (PQstatus(postgres->conn) != CONNECTION_OK) {
		ab_verify_fail(report_of(run), "%s", PQerrorMessage(postgres->conn));
		return;
	}
	PQclear(ask(run, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
	PGresult *result =
	    report_of(run)->failed ? NULL : ask(run, "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint");
	if (result != NULL)
		postgres->lsn = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
}

void ab_verify_postgres_end(struct ab_verify *run)
{
	if (run->postgres == NULL)
		return;
	PQfinish(run->postgres->conn);
	ab_verify_table_destroy(&run->postgres->candidates);
	free(run->postgres);
	run->postgres = NULL;
}

static struct ab_text cell(const PGresult *result, int column)
{
	if (PQgetisnull(result, 0, column))
		return (struct ab_text){NULL, 0};
	return (struct ab_text){PQgetvalue(result, 0, column), (uint32_t)PQgetlength(result, 0, column)};
}

/* Row by row, so that the table is never in memory. false: the report says why. */
static bool each_row(struct ab_verify *run, const char *sql, void (*on_row)(struct ab_verify *run, const PGresult *row))
{
	PGconn *conn = run->postgres->conn;
	PGresult *result;

	if (!PQsendQuery(conn, sql) || !PQsetSingleRowMode(conn)) {
		ab_verify_fail(report_of(run), "%s", PQerrorMessage(conn));
		return false;
	}
	while ((result = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
			on_row(run, result);
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
			ab_verify_fail(report_of(run), "%s", PQerrorMessage(conn));
		PQclear(result);
	}
	return !report_of(run)->failed;
}

static void take_content(struct ab_verify *run, const PGresult *row)
{
	struct ab_text length = cell(row, 2);

	ab_verify_contents_now(run->contents, cell(row, 0), cell(row, 1), length.at != NULL,
			       length.at != NULL ? strtoll(length.at, NULL, 10) : 0);
}

void ab_verify_postgres_contents(struct ab_verify *run)
{
	each_row(run, "SELECT id::text, content_type, length_seconds FROM public.content", take_content);
}

static uint64_t digest(const struct ab_verify_event *event)
{
	/* 0 stands for a row that is not there. */
	return ab_verify_mix(ab_verify_row_digest(event), ab_verify_micros(event->event_us)) | 1;
}

void ab_verify_postgres_expect(struct ab_verify *run, const struct ab_verify_event *event)
{
	ab_verify_table_add(&run->rows, event->id, event->op == 'd' ? 0 : digest(event),
			    event->has_lsn ? event->lsn : -1, ab_place(event->partition, event->offset), true);
}

/* --- comparing ------------------------------------------------------------------------------------------------------ */

static void report_one(struct ab_verify *run, int64_t id, enum how how)
{
	struct ab_verify_sink *report = report_of(run);
	const struct ab_verify_entry *entry = ab_verify_table_find(&run->rows, id, 0);
	char place[64] = "";

	if (entry != NULL)
		snprintf(place, sizeof place, " (partition %d offset %" PRId64 ")",
			 ab_place_partition(ab_entry_place(entry)), ab_place_offset(ab_entry_place(entry)));
	if (how == ONLY_IN_TABLE)
		ab_verify_found(report, AB_VERIFY_LOST, "id %" PRId64 "%s: the row is in the table, %s", id, place,
				entry ? "the log says it was deleted" : "and in no record of the log");
	else
		ab_verify_found(report, AB_VERIFY_DIFFERS, "id %" PRId64 "%s: %s", id, place,
				how == ONLY_IN_LOG ? "the log has the row, the table has not"
						   : "the table's row is another than the newest change's");
	if (entry != NULL)
		*ab_verify_mark(&run->ledger, ab_place_partition(ab_entry_place(entry)),
				ab_place_offset(ab_entry_place(entry))) |=
		    how == ONLY_IN_TABLE ? AB_MARK_LOST : AB_MARK_DIFFERS;
}

static void consider(struct ab_verify *run, int64_t id, uint64_t row_digest, enum how how)
{
	struct ab_verify_table *table = &run->postgres->candidates;

	if (table->slots == 0)
		ab_verify_table_create(table, CANDIDATES_MAX, false);
	if (table->count >= CANDIDATES_MAX)
		report_one(run, id, how);
	else
		ab_verify_table_add(table, id, row_digest, (int64_t)how, 0, true);
}

static void compare_row(struct ab_verify *run, const PGresult *row)
{
	struct ab_verify_sink *report = report_of(run);
	struct ab_text duration = cell(row, 4), time = cell(row, 6);
	struct ab_verify_event event = {.op = 'c',
					.id = strtoll(PQgetvalue(row, 0, 0), NULL, 10),
					.content_id = cell(row, 1),
					.user_id = cell(row, 2),
					.event_type = cell(row, 3),
					.device = cell(row, 5),
					.has_duration = duration.at != NULL};

	ab_verify_progress("postgres: rows", report->present + 1, 0, false);
	event.duration_ms = duration.at != NULL ? strtoll(duration.at, NULL, 10) : 0;
	event.event_us = time.at != NULL ? strtoll(time.at, NULL, 10) : 0;
	struct ab_verify_entry *entry = ab_verify_table_find(&run->rows, event.id, 0);
	if (entry == NULL && (time.at == NULL || event.event_us / 1000 < run->whole_from_ms))
		return; /* before what is looked at, or a row that can only be rejected */
	report->present++;
	if (entry == NULL) {
		report->expected++;
		consider(run, event.id, digest(&event), ONLY_IN_TABLE);
		return;
	}
	ab_entry_set(entry, AB_ENTRY_FOUND);
	if (entry->version > run->postgres->lsn) {
		report->in_flight++; /* changed after the snapshot */
		report->present--;
		return;
	}
	report->expected++;
	if (entry->extra != digest(&event))
		consider(run, event.id, digest(&event), entry->extra == 0 ? ONLY_IN_TABLE : OTHER);
}

static void look_for_gone(struct ab_verify *run)
{
	struct ab_verify_sink *report = report_of(run);

	for (size_t i = 0; i < run->rows.slots; i++) {
		const struct ab_verify_entry *entry = &run->rows.slot[i];
		unsigned flags = ab_entry_flags(entry);
		if (flags == 0 || flags & AB_ENTRY_FOUND || entry->extra == 0)
			continue;
		if (entry->version > run->postgres->lsn) {
			report->in_flight++;
			continue;
		}
		report->expected++;
		consider(run, entry->id, 0, ONLY_IN_LOG);
	}
}

/* --- under way ------------------------------------------------------------------------------------------------------ */

struct tail {
	struct ab_verify *run;
	int64_t left, records;
};

static void on_tail(void *arg, const struct ab_source_record *record)
{
	struct tail *tail = arg;
	struct ab_verify *run = tail->run;
	struct ab_verify_event event;

	tail->records++;
	if (ab_verify_decode(&run->decoder, record->value, record->value_len, &event) != AB_VERIFY_EVENT)
		return;
	struct ab_verify_entry *entry = ab_verify_table_find(&run->postgres->candidates, event.id, 0);
	if (entry == NULL || ab_entry_flags(entry) & AB_ENTRY_FOUND)
		return;
	if (entry->extra == (event.op == 'd' ? 0 : digest(&event))) {
		ab_entry_set(entry, AB_ENTRY_FOUND);
		tail->left--;
		report_of(run)->in_flight++;
	}
}

/* Whether somebody reads PostgreSQL's log for us; words gets how far behind the readers are. */
static bool is_read(struct ab_verify *run, char *words, size_t room)
{
	PGresult *result =
	    ask(run, "SELECT slot_name, active, "
		     "coalesce((pg_current_wal_lsn() - confirmed_flush_lsn)::bigint, 0) FROM pg_replication_slots "
		     "WHERE slot_type = 'logical' AND database = current_database() ORDER BY active DESC LIMIT 1");
	bool active = false;

	snprintf(words, room, "there is no replication slot");
	if (result != NULL && PQntuples(result) == 1) {
		active = PQgetvalue(result, 0, 1)[0] == 't';
		snprintf(words, room, "replication slot %.60s is %sread, %s bytes behind", PQgetvalue(result, 0, 0),
			 active ? "" : "not ", PQgetvalue(result, 0, 2));
	}
	PQclear(result);
	return active;
}

static void follow_tail(struct ab_verify *run, struct tail *tail)
{
	int64_t from[AB_PARTITIONS_MAX], to[AB_PARTITIONS_MAX], first[AB_PARTITIONS_MAX];
	int64_t end_ns = ab_monotonic_ns() + UNDER_WAY_NS;
	char error[AB_SOURCE_ERROR_MAX_BYTES];

	for (int p = 0; p < run->ledger.partition_count; p++)
		from[p] = run->ledger.partition[p].next;
	while (tail->left > 0 && ab_monotonic_ns() < end_ns) {
		ab_verify_progress("postgres: rows under way", tail->left, 0, false);
		if (!ab_verify_log_bounds(&run->log, first, to, error))
			break;
		tail->records = 0;
		if (!ab_verify_log_read(&run->log, from, to, on_tail, tail, "kafka: tail", error))
			break;
		memcpy(from, to, sizeof from);
		nanosleep(&(struct timespec){.tv_nsec = NAP_MS * AB_NS_PER_MS}, NULL);
	}
}

static void settle_candidates(struct ab_verify *run)
{
	const struct ab_verify_table *table = &run->postgres->candidates;
	struct tail tail = {.run = run, .left = (int64_t)table->count};
	char words[200];

	if (tail.left == 0)
		return;
	follow_tail(run, &tail);
	if (tail.left == 0)
		return;
	bool active = is_read(run, words, sizeof words);
	ab_verify_note(report_of(run), "%s", words);
	/* Records still come after ten seconds: Debezium is behind, not done. */
	if (!active || tail.records > 0) {
		report_of(run)->in_flight += tail.left;
		report_of(run)->expected -= tail.left;
		ab_verify_note(report_of(run), "%" PRId64 " changes of the table are under way: not in the log yet",
			       tail.left);
		return;
	}
	for (size_t i = 0; i < table->slots; i++) {
		unsigned flags = ab_entry_flags(&table->slot[i]);
		if (flags != 0 && !(flags & AB_ENTRY_FOUND))
			report_one(run, table->slot[i].id, (enum how)table->slot[i].version);
	}
}

void ab_verify_postgres_compare(struct ab_verify *run)
{
	if (!each_row(run, ROWS_SQL, compare_row))
		return;
	ab_verify_progress("postgres: rows", 0, 0, true);
	look_for_gone(run);
	settle_candidates(run);
}
