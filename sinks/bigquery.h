/* sinks/bigquery.h — the BigQuery sink's own: what its files and its tests share. See bigquery.c for the whole.
 *
 * Threads: struct ab_sink is constant after creation, but for its atomics, which the courier writes and the sink thread
 *          reads when a batch begins, and for what is the courier's alone. A lane is the sink thread's.
 * Memory:  taken at creation.
 * Source:  BigQuery's REST reference v2: tabledata.insertAll, jobs.query, tables, datasets; "Quotas and limits".
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "sinks/http_admin.h"
#include "sinks/http_lane.h"

/* insertAll takes 10 MB. A batch above this would be refused whole; core's batches are smaller. */
#define AB_BQ_REQUEST_MAX_BYTES (9 * 1024 * 1024)

/* A longer insertId is refused by the service. */
#define AB_BQ_INSERT_ID_MAX_BYTES 128

/* How wide a lookup is: offsets from the lowest to the highest, over all partitions. Rows of other lanes lie between
 * ours and come too; 8,192 take about 650 KB. */
#define AB_BQ_LOOKUP_SPAN 8192
/* Rows of one answer: a table that holds rows of an older topic of the same name may have two for an offset. */
#define AB_BQ_LOOKUP_ROWS_MAX (2 * AB_BQ_LOOKUP_SPAN)

#define AB_BQ_ROW_ANSWER_BYTES   256 /* one row's insertErrors */
#define AB_BQ_ANSWER_FLOOR_BYTES (1024 * 1024) /* a lookup's rows */

/* A 500 says nothing about what it met. After this many for one batch it is taken for a row's fault, and halves are
 * sent, quickly: the server has answered every time. */
#define AB_BQ_REFUSALS_BEFORE_HALVES 3
#define AB_BQ_HALVES_WAIT_MS         100

/* A request whose connection was cut may still be at work in the server: looked up once at once, and once after this. */
#define AB_BQ_LATE_MS 2000

/* A quota comes back in minutes to hours, a rate within seconds: the lane's own backoff is for the latter. */
#define AB_BQ_QUOTA_WAIT_MS 30000

/* Rows that are there twice are counted so long after the last doubt, and not more often than the other: the service
 * bills the whole of four columns for it. */
#define AB_BQ_COUNT_AFTER_NS (10 * INT64_C(1000000000))
#define AB_BQ_COUNT_EVERY_NS (600 * INT64_C(1000000000))
/* The table is looked at this often: whether it is still there, and still the same; and not for more than this part of the
 * time. goccy's emulator counts all rows for each look: 9 s at 250,000 of them, in which it answers nobody else. */
#define AB_BQ_TABLE_EVERY_NS (5 * INT64_C(1000000000))
#define AB_BQ_TABLE_PART 20

#define AB_BQ_NAME_MAX_BYTES  512
#define AB_BQ_QUERY_MAX_BYTES (2048 + AB_PARTITIONS_MAX * 96)

struct ab_sink {
	char host[256];
	int port;
	char project[AB_BQ_NAME_MAX_BYTES], dataset[AB_BQ_NAME_MAX_BYTES], table[AB_BQ_NAME_MAX_BYTES];
	char topic[AB_TOPIC_MAX_BYTES + 1];
	char row_head[AB_BQ_INSERT_ID_MAX_BYTES + 16]; /* {"insertId":"<topic>- */
	size_t topic_len, row_head_len;
	char insert_head[AB_HTTP_REQUEST_HEAD_MAX_BYTES], query_head[AB_HTTP_REQUEST_HEAD_MAX_BYTES];
	int64_t read_timeout_ms;
	struct ab_http_admin admin;
	/* [B1] What the courier found when it met the sink: rows below bound[p] may be there already. bound is written first,
	 * epoch says so (release); a lane reads epoch (acquire), then bound. */
	_Atomic int64_t bound[AB_PARTITIONS_MAX];
	_Atomic uint32_t epoch;
	/* [B2] Doubts so far: the sink thread writes, the courier reads. What the courier found: it writes, metrics reads.
	 * Relaxed: the numbers stand for themselves. */
	_Atomic uint64_t doubts;
	_Atomic int64_t rows_twice, tables_lost;
	/* the courier's */
	uint64_t doubts_seen, doubts_counted;
	int64_t doubt_ns, count_ns, table_due_ns;
	char created[32];		/* the table's creationTime; "": not known */
};

enum ab_bq_phase { AB_BQ_QUIET, AB_BQ_INSERT, AB_BQ_LOOKUP };

struct ab_bq_row {
	int64_t partition, offset, id, version;
};

struct ab_sink_lane {
	struct ab_sink *sink;
	struct ab_http_lane http;
	enum ab_bq_phase phase;

	/* which rows may be there although nobody told us */
	uint32_t epoch;
	int64_t doubt_next[AB_PARTITIONS_MAX]; /* below it: look before inserting */
	int64_t sent_next[AB_PARTITIONS_MAX]; /* below it: was sent at some time */
	bool unsettled[AB_PARTITIONS_MAX]; /* since the lane began here no lookup has come back empty yet */

	/* the batch under way */
	bool begun;
	bool must_look;
	bool late; /* a cut request may still be at work: an empty lookup is not believed at once */
	uint32_t look_from, look_to; /* items: looked up are those below look_from; in flight up to look_to */
	uint32_t refusals; /* answers 500 */
	bool gives_up; /* the item `given_up` is rejected unless the lookup finds it */
	uint32_t given_up;
	char refusal[256]; /* what the last refusal said */

	uint32_t span; /* of the next lookup; halved when an answer is too large */
	uint32_t present[AB_PARTITIONS_MAX], absent[AB_PARTITIONS_MAX];
	struct ab_bq_row *row; /* AB_BQ_LOOKUP_ROWS_MAX */
	char query[AB_BQ_QUERY_MAX_BYTES];
};

/* --- lookup: which of the items are in the table? ------------------------------------------------------------------ */

/* Writes the query for the items from look_from on; sets look_to. There is at least one open item. */
struct iovec ab_bq_lookup_write(struct ab_sink_lane *lane, const struct ab_batch *batch);

enum ab_bq_lookup {
	AB_BQ_LOOKUP_DONE, /* found items are ACKED, look_from has moved */
	AB_BQ_LOOKUP_WIDE, /* more rows than one answer has: the span was halved, ask again */
	AB_BQ_LOOKUP_FAILED, /* nothing is known: *words says why */
};
enum ab_bq_lookup ab_bq_lookup_read(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_sink_counts *counts,
				    char *words);

/* Marks what was sent as possibly there, in this batch and beyond it. */
void ab_bq_doubt(struct ab_sink_lane *lane);

bool ab_bq_is_open(const struct ab_item *item);

enum ab_reply_result ab_bq_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				 const struct ab_reply *to);

enum ab_sink_status ab_bq_probe(struct ab_sink *sink, char *error);
enum ab_sink_status ab_bq_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
			       const char *run_id, char *note, char *error);
/* Runs a query. *root gets the answer; the caller frees it. */
enum ab_sink_status ab_bq_query(struct ab_sink *sink, const char *what, const char *sql, json_t **root, char *error);
/* MISSING: it is not there. *root gets its description. */
enum ab_sink_status ab_bq_table(struct ab_sink *sink, json_t **root, char *error);
enum ab_sink_status ab_bq_tend(struct ab_sink *sink, char *error);
/* When the table is looked at again after a look from begin_ns to end_ns: the slower its server, the later. */
int64_t ab_bq_next_look_ns(int64_t begin_ns, int64_t end_ns);
int ab_bq_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out);
enum ab_sink_status ab_bq_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error);
