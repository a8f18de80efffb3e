/* monitor/parts_postgres.c — what PostgreSQL says of the source table and Debezium's slot. See parts.h.
 *
 * libpq's blocking calls wait for a server that hangs as long as it hangs, so every wait here is a poll with an end.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>

#include "core/clock.h"
#include "monitor/parts.h"

#define ANSWER_MS 1500

/* Views and functions that any user may read. A replication slot that is gone shows as -1. */
static const char query[] =
    "SELECT coalesce((SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
    "                 WHERE relname = 'engagement_events'), 0),"
    "       coalesce((SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) FROM pg_replication_slots"
    "                 WHERE slot_type = 'logical' AND database = current_database() LIMIT 1), -1),"
    "       coalesce((SELECT active FROM pg_replication_slots"
    "                 WHERE slot_type = 'logical' AND database = current_database() LIMIT 1), false),"
    "       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())";

static bool wait_for(int fd, short events, int64_t end_ns)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t left_ms = (end_ns - ab_monotonic_ns()) / AB_NS_PER_MS;

	return left_ms > 0 && poll(&wait, 1, (int)left_ms) > 0;
}

static PGconn *open_connection(const struct ab_config *config, int64_t end_ns)
{
	char port[16];
	const char *const names[] = {"host", "port", "dbname", "user", "password", "application_name", NULL};
	const char *const values[] = {
	    config->postgres_host, port, config->postgres_db, config->postgres_user, config->postgres_password,
	    "anabranch-monitor",   NULL};

	snprintf(port, sizeof port, "%" PRId64, config->postgres_port);
	PGconn *conn = PQconnectStartParams(names, values, 0);
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	while (PQstatus(conn) != CONNECTION_BAD && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		if (!wait_for(PQsocket(conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT, end_ns))
			break;
		status = PQconnectPoll(conn);
	}
	return conn;
}

/* The one row, or NULL when there was no answer in time. */
static PGresult *ask(PGconn *conn, int64_t end_ns)
{
	PGresult *result = NULL, *next;

	if (!PQsendQuery(conn, query))
		return NULL;
	for (;;) {
		while (PQisBusy(conn)) {
			if (!wait_for(PQsocket(conn), POLLIN, end_ns) || !PQconsumeInput(conn)) {
				PQclear(result);
				return NULL;
			}
		}
		next = PQgetResult(conn);
		if (next == NULL)
			return result;
		PQclear(result);
		result = next;
	}
}

static enum ab_watch_result give_up(struct ab_asker *asker, const char *instead, char *error)
{
	const char *said = PQerrorMessage(asker->handle);

	snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%s", said != NULL && said[0] ? said : instead);
	error[strcspn(error, "\n")] = 0;
	ab_asker_close_postgres(asker);
	return AB_WATCH_FAILED;
}

enum ab_watch_result ab_ask_postgres(void *self, void *to, char *error)
{
	struct ab_asker *asker = self;
	struct ab_postgres_answer *answer = to;
	int64_t end_ns = ab_monotonic_ns() + ANSWER_MS * AB_NS_PER_MS;

	if (asker->handle == NULL)
		asker->handle = open_connection(asker->config, end_ns);
	if (PQstatus(asker->handle) != CONNECTION_OK)
		return give_up(asker, "no connection within 1.5 s", error);
	PGresult *result = ask(asker->handle, end_ns);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		PQclear(result);
		return give_up(asker, "no answer within 1.5 s", error);
	}
	answer->at_ns = ab_monotonic_ns();
	answer->changed_rows = strtod(PQgetvalue(result, 0, 0), NULL);
	answer->slot_lag_bytes = strtod(PQgetvalue(result, 0, 1), NULL);
	answer->slot_active = PQgetvalue(result, 0, 2)[0] == 't';
	answer->backends = strtod(PQgetvalue(result, 0, 3), NULL);
	PQclear(result);
	return AB_WATCH_ANSWERED;
}

void ab_asker_close_postgres(struct ab_asker *asker)
{
	if (asker->handle != NULL)
		PQfinish(asker->handle);
	asker->handle = NULL;
}
