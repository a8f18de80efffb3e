/* tests/sim/warehouse.c — a BigQuery that appends whatever comes, as often as it comes, and answers lookups. See sim.h. */
#include <string.h>

#include "sinks/bigquery.h"
#include "tests/sim/sim.h"

static const char failed[] = "{\"error\":{\"errors\":[{\"reason\":\"backendError\"}],\"message\":\"failed\"}}";
static const char limited[] = "{\"error\":{\"errors\":[{\"reason\":\"rateLimitExceeded\"}],\"message\":\"slow down\"}}";

static const char *after(const char *at, const char *end, const char *what)
{
	const char *found = memmem(at, (size_t)(end - at), what, strlen(what));

	return found == NULL ? NULL : found + strlen(what);
}

/* One row, anywhere in the request: its partition and record, and whether it is a bad one. */
static const char *next_row(const char *at, const char *end, int *p, int *i, bool *bad)
{
	const char *row = after(at, end, "{\"insertId\":\"");

	if (row == NULL)
		return NULL;
	const char *stop = after(row, end, "{\"insertId\":\"");
	stop = stop == NULL ? end : stop;
	*p = (int)strtol(after(row, stop, "\"kafka_partition\":\""), NULL, 10);
	*i = sim_log_index(*p, strtoll(after(row, stop, "\"kafka_offset\":\""), NULL, 10));
	*bad = after(row, stop, "\"not-for-bigquery\"") != NULL;
	AB_ASSERT(*i >= 0);
	return row;
}

static void append(int p, int i, bool late)
{
	sim_trace("bigquery: a row for %d:%lld%s", p, (long long)sim.log[p].record[i].offset, late ? ", late" : "");
	sim.warehouse.copies[p][i]++;
	sim.warehouse.late[p][i] = (uint8_t)(sim.warehouse.late[p][i] + late);
}

/* As the service does: with a row that is invalid none goes in, and the others are named as stopped. */
static void insert(const char *at, const char *end, bool late, struct sim_request *to)
{
	static char body[SIM_REPLY_BYTES - 256];
	const char *row = at;
	int p, i, index = 0;
	bool bad, any_bad = false;

	while ((row = next_row(row, end, &p, &i, &bad)) != NULL)
		any_bad |= bad;
	size_t used = (size_t)snprintf(body, sizeof body, "{\"kind\":\"bigquery#tableDataInsertAllResponse\"%s",
				       any_bad ? ",\"insertErrors\":[" : "");
	for (row = at; (row = next_row(row, end, &p, &i, &bad)) != NULL; index++) {
		if (!any_bad) {
			append(p, i, late);
			continue;
		}
		used += (size_t)snprintf(body + used, sizeof body - used,
					 "%s{\"index\":%d,\"errors\":[{\"reason\":\"%s\",\"location\":\"\",\"message\":\"\"}]}",
					 index ? "," : "", index, bad ? "invalid" : "stopped");
	}
	snprintf(body + used, sizeof body - used, "%s}", any_bad ? "]" : "");
	sim_http_answer(to, 200, body);
}

static void look_up(const char *at, const char *end, struct sim_request *to)
{
	static char rows[SIM_REPLY_BYTES - 512], body[SIM_REPLY_BYTES - 256];
	size_t used = 0;
	int count = 0;

	rows[0] = 0;
	while ((at = after(at, end, "(kafka_partition = ")) != NULL) {
		int p = (int)strtol(at, NULL, 10);
		char *then;
		int64_t low = strtoll(after(at, end, "BETWEEN "), &then, 10);
		int64_t high = strtoll(then + strlen(" AND "), NULL, 10);
		for (int i = 0; i < sim.log[p].produced; i++) {
			const struct sim_record *record = &sim.log[p].record[i];
			if (record->offset < low || record->offset > high || sim.warehouse.copies[p][i] == 0)
				continue;
			used += (size_t)snprintf(rows + used, sizeof rows - used,
						 "%s{\"f\":[{\"v\":\"%d\"},{\"v\":\"%lld\"},{\"v\":\"%d\"},{\"v\":\"%lld\"}]}",
						 count++ ? "," : "", p, (long long)record->offset, record->id,
						 (long long)record->lsn);
			AB_ASSERT(used < sizeof rows - 128);
		}
	}
	snprintf(body, sizeof body, "{\"jobComplete\":true,\"totalRows\":\"%d\",\"rows\":[%s]}", count, rows);
	sim_http_answer(to, 200, body);
}

void sim_warehouse_serve(const char *bytes, size_t len, bool late, struct sim_request *to)
{
	const struct sim_server *server = &sim.server[SIM_BIGQUERY];
	const char *body = sim_http_body(bytes, len), *end = bytes + len;
	bool is_lookup = after(bytes, bytes + 100 < end ? bytes + 100 : end, "/queries?") != NULL;

	if (sim_chance((uint32_t)server->refuse_percent * 10)) {
		sim.tally.refused++;
		sim_http_answer(to, sim_chance(500) ? 403 : 429, limited);
		return;
	}
	if (is_lookup)
		look_up(body, end, to);
	else
		insert(body, end, late, to);
	/* Applied, and the answer says that it failed: nobody can know. */
	if (sim_chance((uint32_t)server->refuse_percent * 5))
		sim_http_answer(to, sim_chance(500) ? 503 : 500, failed);
}
