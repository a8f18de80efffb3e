/* bench/stub/bigquery.c — insertAll, and lookups answered from what was inserted; dataset, table and view are there once
 * they were made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/stub/json.h"
#include "bench/stub/stub.h"

static bool has(const struct stub_request *request, const char *text)
{
	return memmem(request->line, request->line_len, text, strlen(text)) != NULL;
}

static bool body_has(const struct stub_request *request, const char *text)
{
	return memmem(request->body, request->body_len, text, strlen(text)) != NULL;
}

static struct stub_row *rows_of(struct stub *stub, int64_t partition)
{
	if (stub->row[partition] == NULL) {
		stub->row[partition] = mmap(NULL, STUB_OFFSETS_MAX * sizeof(struct stub_row), PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (stub->row[partition] == MAP_FAILED)
			abort();
	}
	return stub->row[partition];
}

static void insert_one(struct stub *stub, const struct stub_pick *pick)
{
	int64_t partition = stub_pick_number(&pick[0]), offset = stub_pick_number(&pick[1]);
	int64_t id = stub_pick_number(&pick[3]), version = stub_pick_number(&pick[4]);

	if (partition < 0 || partition >= STUB_PARTITIONS_MAX || offset < 0 || offset >= (int64_t)STUB_OFFSETS_MAX ||
	    pick[2].at == NULL || id < 0) {
		stub_bad(stub, "bigquery: a row without partition, offset, id or insertId");
		return;
	}
	struct stub_row *row = &rows_of(stub, partition)[offset];
	if (row->there)
		stub->count.bq_doubled++;
	else
		stub->count.bq_rows++;
	if (!row->there && stub->items != NULL)
		fprintf(stub->items, "bigquery %lld %lld\n", (long long)id, (long long)stub->now_ns);
	*row = (struct stub_row){.id = id, .version = version, .there = true};
}

/* The rows of the array that begins at `at`; NULL when it is not JSON. */
static const char *take_rows(struct stub *stub, const char *at, const char *end)
{
	at = stub_json_blanks(at, end);
	if (at >= end || *at++ != '[')
		return NULL;
	for (;;) {
		struct stub_pick row[] = {{.key = "kafka_partition", .key_len = 15},
					  {.key = "kafka_offset", .key_len = 12},
					  {.key = "insertId", .key_len = 8},
					  {.key = "id", .key_len = 2},
					  {.key = "version", .key_len = 7}};
		at = stub_json_value(at, end, row, 5);
		if (at == NULL)
			return NULL;
		insert_one(stub, row);
		at = stub_json_blanks(at, end);
		if (at >= end || (*at != ',' && *at != ']'))
			return NULL;
		if (*at++ == ']')
			return at;
	}
}

static void take_insert(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static const char good[] = "{\"kind\":\"bigquery#tableDataInsertAllResponse\"}";
	static const char begin[] = "{\"rows\":";
	const char *at = NULL, *end = request->body + request->body_len;

	stub_note(stub);
	stub->count.bq_requests++;
	stub->count.bq_bytes += request->body_len;
	if (request->body_len > sizeof begin && memcmp(request->body, begin, sizeof begin - 1) == 0)
		at = take_rows(stub, request->body + sizeof begin - 1, end);
	if (at == NULL || end - at != 1 || *at != '}') {
		static const char words[] = "{\"error\":{\"code\":400,\"message\":\"not JSON\",\"errors\":[{\"reason\":\"invalid\"}]}}";
		stub_bad(stub, "bigquery: the body of insertAll is not JSON");
		stub_answer(conn, 400, words, sizeof words - 1);
		return;
	}
	stub_answer(conn, 200, good, sizeof good - 1);
}

static void put_found(struct stub_buffer *to, uint64_t *count, int partition, long long offset, const struct stub_row *row)
{
	stub_print(to, "%s{\"f\":[{\"v\":\"%d\"},{\"v\":\"%lld\"},{\"v\":\"%lld\"},", (*count)++ > 0 ? "," : "", partition, offset,
		   (long long)row->id);
	if (row->version >= 0)
		stub_print(to, "{\"v\":\"%lld\"}]}", (long long)row->version);
	else
		STUB_PUT(to, "{\"v\":null}]}");
}

/* The rows of the ranges that a lookup names; other queries name none. */
static uint64_t find_rows(struct stub *stub, const struct stub_request *request, struct stub_buffer *to)
{
	static const char mark[] = "kafka_partition = ";
	const char *at = request->body, *end = request->body + request->body_len;
	uint64_t count = 0;

	while ((at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)) != NULL) {
		char text[128];
		int partition;
		long long low, high;
		snprintf(text, sizeof text, "%.*s", (int)(end - at < 120 ? end - at : 120), at);
		at += sizeof mark;
		if (sscanf(text, "kafka_partition = %d AND kafka_offset BETWEEN %lld AND %lld", &partition, &low, &high) != 3 ||
		    partition < 0 || partition >= STUB_PARTITIONS_MAX)
			continue;
		for (long long i = low; i <= high && i < (long long)STUB_OFFSETS_MAX; i++) {
			if (rows_of(stub, partition)[i].there)
				put_found(to, &count, partition, i, &rows_of(stub, partition)[i]);
		}
	}
	return count;
}

static void take_query(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static struct stub_buffer rows, body;

	rows.len = body.len = 0;
	stub->count.bq_lookups++;
	uint64_t count = find_rows(stub, request, &rows);
	stub_print(&body, "{\"kind\":\"bigquery#queryResponse\",\"jobComplete\":true,\"totalRows\":\"%llu\",\"rows\":[",
		   (unsigned long long)count);
	stub_put(&body, rows.at, rows.len);
	STUB_PUT(&body, "]}");
	stub_answer(conn, 200, body.at, body.len);
}

void stub_bigquery(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static const char made[] = "{\"kind\":\"bigquery#resource\"}";
	static const char missing[] = "{\"error\":{\"code\":404,\"message\":\"Not found\"}}";
	bool *there = has(request, "_exact") || body_has(request, "\"view\"") ? &stub->view_made
		      : has(request, "/tables")				      ? &stub->table_made
									      : &stub->dataset_made;

	if (has(request, "/insertAll")) {
		take_insert(stub, conn, request);
	} else if (has(request, "/queries")) {
		take_query(stub, conn, request);
	} else if (request->line[0] == 'G' && !*there) {
		stub_answer(conn, 404, missing, sizeof missing - 1);
	} else {
		*there = true;
		stub_answer(conn, 200, made, sizeof made - 1);
	}
}
