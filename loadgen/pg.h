/* loadgen/pg.h — several connections to PostgreSQL, each a pipeline of jobs.
 *
 * A job is what one connection does for one batch: at most one INSERT, one UPDATE and one DELETE of many rows, closed
 * by a Sync, and so one transaction. A connection holds up to AB_PG_JOBS; more is back-pressure (ab_pg_room()).
 *
 *     job     [insert update delete sync] [insert sync] [update sync]      answers come in this order
 *             oldest ------------------------------------> newest
 *
 * The database gives rows their ids, so an update or delete can only be sent when the answer to the row's INSERT is
 * there (ab_pg_knows()). All operations on one row go over the connection that created it: they happen in the order
 * sent, and no two connections ever wait for each other's locks.
 *
 * Threads: one. Memory: parameters for AB_PLAN_BATCH_ROWS_MAX rows and 9 bytes for each of AB_MIX_ROWS rows, taken at
 * start; libpq keeps what a socket has not taken yet.
 * Source: libpq 15, "Pipeline Mode": a result per statement, then NULL; after a Sync one PGRES_PIPELINE_SYNC.
 */
#pragma once

#include <signal.h>

#include <libpq-fe.h>

#include "core/base.h"
#include "loadgen/arguments.h"
#include "loadgen/array.h"
#include "loadgen/report.h"
#include "loadgen/settings.h"
#include "loadgen/target.h"

/* Jobs of one connection under way: one in work, one in the server's socket, and two to cover a slow wake-up. */
#define AB_PG_JOBS 4

/* Seconds that connecting to one address may take. */
#define AB_PG_CONNECT_TIMEOUT_S 5

/* Contents in one INSERT or look-up. */
#define AB_PG_CONTENTS_BATCH 1000

struct ab_pg_job {
	uint64_t first_row; /* of its creates */
	uint32_t rows[AB_MIX_KINDS];
	int64_t meant_ns, sent_ns;
	struct ab_report *report; /* acked, row_gone and commit are counted here, where they are known */
	uint32_t mark_count;
	struct ab_mark marks[AB_MARKS_BATCH_MAX];
};

struct ab_pg_connection {
	PGconn *wire;
	struct ab_pg_job jobs[AB_PG_JOBS];
	uint32_t oldest, count;
	enum ab_mix_kind step; /* statement of the oldest job whose answer is next; AB_MIX_KINDS: its Sync */
	uint8_t unsent;	       /* libpq still holds bytes that the socket has not taken */
};

struct ab_pg {
	struct ab_pg_connection connections[AB_CONNECTIONS_MAX];
	uint32_t count;
	uint8_t wants_ids;
	int64_t *row_ids;   /* of row % AB_MIX_ROWS; 0: not known yet */
	uint8_t *row_owner; /* the connection that created it */
	struct ab_array insert[7], update[3], delete;
	ab_mark_taker *take_mark; /* NULL: nobody wants them */
	void *take_mark_arg;
	const char *table;
	int64_t last_ack_ns;
	char place[1024]; /* for messages */
	char error[4096];
};

/* Connects. wants_ids: updates and deletes will follow, or there are marks. On a failure ab_pg_close() is still due. */
enum ab_target_result ab_pg_open(struct ab_pg *pg, const struct ab_settings *settings, uint32_t connections, int wants_ids,
	uint32_t payload_bytes);
void ab_pg_close(struct ab_pg *pg);

/* Before the first job: inserts contents first .. first+count-1 where they are missing. *stop != 0 ends it early. */
enum ab_target_result ab_pg_insert_contents(struct ab_pg *pg, uint64_t seed, uint64_t first, uint64_t count,
	const volatile sig_atomic_t *stop, uint64_t *inserted);
/* A table like engagement_events, with its indexes and its foreign key, that belongs to no publication: for measuring
 * how fast rows go in without loading the pipeline. Later jobs go there. */
enum ab_target_result ab_pg_make_scratch(struct ab_pg *pg);
enum ab_target_result ab_pg_drop_scratch(struct ab_pg *pg);
/* How many of contents 0 .. count-1 are not in the table. */
enum ab_target_result ab_pg_count_missing(struct ab_pg *pg, uint64_t seed, uint64_t count, uint64_t *missing);
/* After these: statements are prepared, the connections become pipelines. */
enum ab_target_result ab_pg_begin(struct ab_pg *pg);

/* What a failed statement means, in words: unreachable when the connection is gone with it, refused otherwise. */
enum ab_target_result ab_pg_failed(struct ab_pg *pg, PGconn *wire, const PGresult *result, const char *doing);

/* 0: the connection holds AB_PG_JOBS jobs, wait first. */
int ab_pg_room(const struct ab_pg *pg, uint32_t connection);
int ab_pg_knows(const struct ab_pg *pg, uint64_t row);
/* Of a row that ab_pg_knows(). */
int64_t ab_pg_id(const struct ab_pg *pg, uint64_t row);
uint32_t ab_pg_owner(const struct ab_pg *pg, uint64_t row);
uint64_t ab_pg_in_flight(const struct ab_pg *pg);

/* Sends what lies in the parameter arrays that job->rows names as not empty; they are ended here. */
enum ab_target_result ab_pg_send(struct ab_pg *pg, uint32_t connection, const struct ab_pg_job *job);

/* Sends, receives and counts until something happened or the monotonic clock shows until_ns (in the past: only looks).
 * Signals are open only while it waits, so none is overlooked; one ends the wait. */
enum ab_target_result ab_pg_wait(struct ab_pg *pg, int64_t until_ns, const sigset_t *open_signals);
