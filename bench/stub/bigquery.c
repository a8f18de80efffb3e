/* bench/stub/bigquery.c — insertAll with one bit per (partition, offset); dataset, table and view are there once made. */
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

static uint64_t *bits_of(struct stub *stub, int64_t partition)
{
	if (stub->seen[partition] == NULL) {
		stub->seen[partition] = mmap(NULL, STUB_OFFSETS_MAX / 8, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (stub->seen[partition] == MAP_FAILED)
			abort();
	}
	return stub->seen[partition];
}

static void insert_one(struct stub *stub, const struct stub_pick *row)
{
	int64_t partition = stub_pick_number(&row[0]), offset = stub_pick_number(&row[1]);

	if (partition < 0 || partition >= STUB_PARTITIONS_MAX || offset < 0 || offset >= (int64_t)STUB_OFFSETS_MAX ||
	    row[2].at == NULL) {
		stub_bad(stub, "bigquery: a row without partition, offset or insertId");
		return;
	}
	uint64_t *word = &bits_of(stub, partition)[offset / 64], bit = UINT64_C(1) << (offset % 64);
	if (*word & bit)
		stub->count.bq_doubled++;
	else
		stub->count.bq_rows++;
	*word |= bit;
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
					  {.key = "insertId", .key_len = 8}};
		at = stub_json_value(at, end, row, 3);
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

/* Whether a row with one of the offsets that the lookup names was inserted: no row's id is kept to answer with. */
static bool any_seen(struct stub *stub, const struct stub_request *request)
{
	static const char mark[] = "kafka_partition = ";
	const char *at = request->body, *end = request->body + request->body_len;

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
			if (bits_of(stub, partition)[i / 64] >> (i % 64) & 1)
				return true;
		}
	}
	return false;
}

static void take_query(struct stub *stub, struct stub_conn *conn, const struct stub_request *request)
{
	static const char none[] = "{\"kind\":\"bigquery#queryResponse\",\"jobComplete\":true,\"totalRows\":\"0\",\"rows\":[]}";

	stub->count.bq_lookups++;
	if (any_seen(stub, request))
		stub_bad(stub, "bigquery: rows that are there are looked up, which only a restarted engine does");
	stub_answer(conn, 200, none, sizeof none - 1);
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
