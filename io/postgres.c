/* io/postgres.c — see postgres.h. */
#include "io/postgres.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <string.h>

#define CONNECT_TIMEOUT_S "5"

static PGconn *connect_to(const struct ab_config *config, char *error)
{
	char port[16];
	const char *const names[] = {
	    "host", "port", "dbname", "user", "password", "connect_timeout", "application_name", NULL};
	const char *const values[] = {config->postgres_host,
				      port,
				      config->postgres_db,
				      config->postgres_user,
				      config->postgres_password,
				      CONNECT_TIMEOUT_S,
				      "anabranch",
				      NULL};

	snprintf(port, sizeof port, "%" PRId64, (int64_t)config->postgres_port);
	PGconn *conn = PQconnectdbParams(names, values, 0);
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	snprintf(error, AB_POSTGRES_ERROR_MAX_BYTES, "%s", PQerrorMessage(conn));
	error[strcspn(error, "\n")] = 0;
	PQfinish(conn);
	return NULL;
}

static enum ab_postgres_result fail(PGconn *conn, PGresult *result, char *error)
{
	snprintf(error, AB_POSTGRES_ERROR_MAX_BYTES, "%s", PQerrorMessage(conn));
	error[strcspn(error, "\n")] = 0;
	PQclear(result);
	PQfinish(conn);
	return AB_POSTGRES_FAILED;
}

enum ab_postgres_result ab_postgres_content_count(const struct ab_config *config, int64_t *count, char *error)
{
	PGconn *conn = connect_to(config, error);
	if (conn == NULL)
		return AB_POSTGRES_ABSENT;

	PGresult *result = PQexec(conn, "SELECT count(*) FROM public.content");
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return fail(conn, result, error);
	*count = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	return AB_POSTGRES_OK;
}

enum ab_postgres_result ab_postgres_contents(const struct ab_config *config, ab_postgres_row_fn *row, void *arg,
					     char *error)
{
	PGconn *conn = connect_to(config, error);
	PGresult *result = NULL;
	if (conn == NULL)
		return AB_POSTGRES_ABSENT;

	/* Row by row: millions of contents must not be in memory twice. */
	if (!PQsendQuery(conn, "SELECT id::text, content_type, length_seconds FROM public.content") ||
	    !PQsetSingleRowMode(conn))
		return fail(conn, NULL, error);
	while ((result = PQgetResult(conn)) != NULL) {
		ExecStatusType status = PQresultStatus(result);
		if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
			return fail(conn, result, error);
		for (int i = 0; i < PQntuples(result); i++)
			row(arg, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1),
			    PQgetisnull(result, i, 2) ? NULL : PQgetvalue(result, i, 2));
		PQclear(result);
	}
	PQfinish(conn);
	return AB_POSTGRES_OK;
}
