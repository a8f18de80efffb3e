/* bench/stub/stub.h — three sinks that answer as the real ones do and keep nothing but what tells lost from doubled.
 *
 *     Redis           positions per lane and partition with the script's OK, DUP and MIX; events added up
 *     Elasticsearch   external versions per id: 201, 200 or 409 per item
 *     BigQuery        id and version per (partition, offset) of one topic
 *
 * Whatever is not as expected (not JSON, a position that leaves a gap, a row twice) is counted, and the first is kept in
 * words: a run with any of them has no time.
 *
 * Threads: one, with epoll. Memory: buffers grow to the largest request; ids and offsets are sparse maps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Rows and offsets per partition that can be told apart; address space is all they cost until they are used. */
#define STUB_IDS_MAX	 (UINT64_C(1) << 28)
#define STUB_OFFSETS_MAX (UINT64_C(1) << 26)
#define STUB_PARTITIONS_MAX 64
#define STUB_LANES_MAX	 32
/* insertAll takes 10 MB, _bulk 100; nothing here sends more than this. */
#define STUB_REQUEST_MAX_BYTES (64u * 1024 * 1024)

struct stub_buffer {
	char *at;
	size_t len, room;
};

struct stub_conn {
	int fd;
	int protocol;		/* enum stub_protocol */
	struct stub_buffer in, out;
	size_t in_from, out_from;	/* of in: handled already; of out: sent already */
	size_t need;		/* bytes of `in` without which another look is useless */
	bool blocked;		/* waits for room in the socket */
	int queued;		/* Redis: commands since MULTI; -1: none */
};

enum stub_protocol { STUB_REDIS, STUB_ELASTICSEARCH, STUB_BIGQUERY, STUB_CONTROL, STUB_PROTOCOLS };

struct stub_counts {
	uint64_t redis_requests, redis_events, redis_dup, redis_mix;
	uint64_t es_requests, es_created, es_updated, es_conflicts, es_bytes;
	uint64_t bq_requests, bq_rows, bq_doubled, bq_lookups, bq_bytes;
	uint64_t bad;		/* requests or items that are not as they must be */
	char words[256];	/* of the first of those */
};

struct stub_row {
	int64_t id, version;
	bool there;
};

struct stub {
	struct stub_counts count;
	int64_t *version;		/* by id; 0: no such document */
	struct stub_row *row[STUB_PARTITIONS_MAX];	/* by offset */
	int64_t position[STUB_LANES_MAX][STUB_PARTITIONS_MAX];
	char lanes[16], key[64], run[64];	/* Redis' layout fields */
	bool script_loaded;
	struct stub_buffer template_body;	/* Elasticsearch's */
	bool table_made, view_made, dataset_made;
	int64_t first_ns, last_ns;	/* of the requests with data */
	int64_t now_ns;			/* monotonic, when the bytes being handled came; only kept with one of the files */
	FILE *applied, *items;		/* NULL: nobody wants to know */
};

void stub_put(struct stub_buffer *to, const void *bytes, size_t len);
#define STUB_PUT(to, text) stub_put(to, text, sizeof(text) - 1)
void stub_print(struct stub_buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void stub_bad(struct stub *stub, const char *format, ...) __attribute__((format(printf, 2, 3)));
void stub_begin(struct stub *stub);
/* A request with data came. */
void stub_note(struct stub *stub);

/* Each takes one whole request from the bytes and writes its answer to conn->out; returns the bytes it had, 0 when there
 * are not enough yet (conn->need may say how many there must be). */
size_t stub_redis(struct stub *stub, struct stub_conn *conn, const char *bytes, size_t len);
size_t stub_http(struct stub *stub, struct stub_conn *conn, const char *bytes, size_t len);

struct stub_request {
	const char *line;	/* "POST /_bulk?…" */
	size_t line_len;
	const char *body;
	size_t body_len;
};
void stub_answer(struct stub_conn *conn, int status, const char *body, size_t len);
void stub_elasticsearch(struct stub *stub, struct stub_conn *conn, const struct stub_request *request);
void stub_bigquery(struct stub *stub, struct stub_conn *conn, const struct stub_request *request);
void stub_control(struct stub *stub, struct stub_conn *conn, const struct stub_request *request);
