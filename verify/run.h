/* verify/run.h — one run of verify: what its parts share. See verify.h for the order.
 *
 * Threads: one.
 */
#pragma once

#include "core/config.h"
#include "verify/contents.h"
#include "verify/http.h"
#include "verify/log.h"
#include "verify/redis.h"
#include "verify/report.h"

enum ab_verify_who {
	AB_VERIFY_POSTGRES,
	AB_VERIFY_REDIS,
	AB_VERIFY_BIGQUERY,
	AB_VERIFY_ELASTICSEARCH,
	AB_VERIFY_WHO,
};

struct ab_verify_scroll;
struct pg_conn;

struct ab_verify {
	const struct ab_config *config;
	int64_t since_ms;		/* 0: all */
	/* Nothing older than this is compared where a record's time is all that is known: the log may not hold it. */
	int64_t whole_from_ms;
	struct ab_verify_sink sink[AB_VERIFY_WHO];
	struct ab_verify_ledger ledger;
	struct ab_verify_contents *contents;
	struct ab_verify_decoder decoder;
	struct ab_verify_log log;
	struct ab_committed_positions committed;
	int64_t letters;
	/* By row id: Elasticsearch's documents, the rows of BigQuery's view, the rows of PostgreSQL. */
	struct ab_verify_table documents, view, rows;
	struct ab_verify_redis redis;
	struct ab_verify_scroll *scroll;
	struct pg_conn *postgres;
};

/* Each says in its sink's report what is wrong; a sink that has failed is left out by all that follows. */
void ab_verify_elasticsearch_begin(struct ab_verify *run);
void ab_verify_elasticsearch_expect(struct ab_verify *run, const struct ab_verify_event *event, uint16_t *mark);
void ab_verify_elasticsearch_compare(struct ab_verify *run);
void ab_verify_elasticsearch_end(struct ab_verify *run);

void ab_verify_bigquery_expect(struct ab_verify *run, const struct ab_verify_event *event, uint16_t *mark);
void ab_verify_bigquery_compare(struct ab_verify *run);

void ab_verify_postgres_begin(struct ab_verify *run);
void ab_verify_postgres_contents(struct ab_verify *run);
void ab_verify_postgres_expect(struct ab_verify *run, const struct ab_verify_event *event);
void ab_verify_postgres_compare(struct ab_verify *run);
void ab_verify_postgres_end(struct ab_verify *run);

/* The event at a place, read from Kafka again, for the words of an example; NULL: it is not there any more, or no
 * event. It belongs to run->decoder until the next call. */
const struct ab_verify_event *ab_verify_reread(struct ab_verify *run, int partition, int64_t offset);

/* What two readings of one row differ in: "device is "ios", not "android"". Empty: nothing that is compared. */
const char *ab_verify_difference(const struct ab_verify_event *is, const struct ab_verify_event *wanted, bool micros,
				 char *to, size_t room);
