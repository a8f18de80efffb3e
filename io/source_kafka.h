/* io/source_kafka.h — inside of io/source: a consumer of librdkafka, and who fetches for it.
 *
 * Threads: control's, but for what is marked.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "io/fetcher.h"
#include "io/source.h"

/* The longest a question to the broker may take. */
#define AB_SOURCE_ANSWER_MAX_MS 5000

struct ab_source {
	rd_kafka_t *rk;				/* the group, every question, and the records when nobody fetches them */
	struct ab_source_callbacks callbacks;
	char topic[AB_TOPIC_MAX_BYTES + 1];
	bool member;
	bool assigned;
	int worker_count;
	struct ab_park *park[AB_WORKERS_MAX];
	rd_kafka_queue_t *worker[AB_WORKERS_MAX];
	struct ab_fetcher *fetcher[AB_WORKERS_MAX];	/* or NULL, all of them: records come by librdkafka */
	struct ab_leaders leaders;
	rd_kafka_queue_t *admin;
	int commits_under_way;
	char cluster[128];
	int64_t looked_ns;
	_Atomic int64_t retention_ms;			/* written by control, read by views [S1] */
	_Atomic int64_t log_start[AB_PARTITIONS_MAX];	/* likewise */
};

/* source_ask.c: whether an event is the answer to ab_source_look; if so it is taken in. */
bool ab_source_take_look(struct ab_source *source, rd_kafka_event_t *event);
