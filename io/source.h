/* io/source.h — where records come from: the records of partition p from position x, and nothing more.
 *
 * One implementation: Kafka. A source is one consumer of librdkafka (io/source_kafka.c), for the group and for every
 * question. Records of the events topic are fetched by the workers themselves (io/fetcher.h), which takes 0.6 of the engine's
 * CPU (PERFORMANCE.md row P-16); librdkafka does it where it is told to, and for everybody else.
 *
 * The member source belongs to the consumer group and learns from it which partitions are ours; another is told. None ever
 * decides an offset: they start where the caller says, and a missing offset is an error, not a default.
 *
 *     control:  ab_source_poll ──▶ on_assign / on_revoke ──▶ ab_source_assign(offsets) / ab_source_unassign
 *     worker w: ab_source_drain(w) ──▶ records ──▶ ab_source_release
 *
 * Threads: drain and release from worker w for its own index; everything else from the control thread.
 * Memory:  an answer a worker (io/fetcher.h), or librdkafka's queue, bounded by AB_SOURCE_QUEUE_KBYTES for each source.
 * Source:  librdkafka's rdkafka.h; KIP-98 (control records leave holes in the offsets).
 */
#pragma once

#include <stdbool.h>

#include "core/base.h"
#include "core/config.h"
#include "core/limits.h"
#include "core/park.h"

/* What librdkafka may hold per consumer before it stops fetching. Its threshold is checked between fetches, so one
 * answer of a broker may come on top; each record in the queue costs it an operation of 304 bytes. */
#define AB_SOURCE_QUEUE_KBYTES 16384
#define AB_SOURCE_QUEUE_RECORDS 20000
#define AB_SOURCE_OPERATION_BYTES 304
/* One answer, whatever the number of partitions: four of them at KAFKA_MAX_PARTITION_FETCH_BYTES' default. */
#define AB_SOURCE_ANSWER_BYTES (8 * 1024 * 1024)
#define AB_SOURCE_ERROR_MAX_BYTES 512

enum ab_record_kind {
	AB_RECORD_DATA,
	AB_RECORD_END,		/* the partition has nothing more now; offset is the next one there will be */
	AB_RECORD_LOST,		/* the offset is not in the log (any more), or cannot be read there: error says which */
	AB_RECORD_ERROR,	/* anything else: error says what; reading goes on by itself. offset -1: of the whole, not the partition */
};

struct ab_source_record {
	enum ab_record_kind kind;
	uint16_t partition;
	int64_t offset;
	int64_t timestamp_ms;
	const void *key, *value;	/* NULL: none */
	size_t key_len, value_len;
	const char *error;
	void *handle;
};

struct ab_source;

/* A private source needs on_log alone. */
struct ab_source_callbacks {
	/* Run inside ab_source_poll(), member source only. on_assign must call ab_source_assign (or unassign) before it
	 * returns; on_revoke must have stopped all draining when it returns. */
	void (*on_assign)(void *arg, const uint16_t *partition, int count);
	void (*on_revoke)(void *arg);
	/* A commit begun by ab_source_commit is done; error NULL: it holds. */
	void (*on_commit)(void *arg, const char *error);
	/* The consumer will never read again. fenced: somebody else has joined the group with our INSTANCE_ID. */
	void (*on_fatal)(void *arg, bool fenced, const char *text);
	/* Something a person should know; once per kind and second. */
	void (*on_log)(void *arg, const char *text);
	void *arg;
};

struct ab_commit {
	uint16_t partition;
	int64_t offset;
	const char *metadata;
};

/* park[w] is what worker w sleeps in: it is woken when there are records for it. NULL with *error. */
struct ab_source *ab_source_open_member(const struct ab_config *config, const struct ab_source_callbacks *callbacks,
					struct ab_park *const *park, int worker_count, char *error);
/* A sink's own reading of the events topic, by the workers. */
struct ab_source *ab_source_open_reader(const struct ab_config *config, const char *group,
					const struct ab_source_callbacks *callbacks, struct ab_park *const *park,
					int worker_count, char *error);
/* Any topic, for one thread, as worker 0. Always by librdkafka. */
struct ab_source *ab_source_open_private(const struct ab_config *config, const char *topic, const char *group,
					 const struct ab_source_callbacks *callbacks, struct ab_park *park, char *error);
void ab_source_close(struct ab_source *source);

/* Serves callbacks for at most timeout_ms. */
void ab_source_poll(struct ab_source *source, int timeout_ms);

/* Reads these partitions from these offsets; partition p goes to worker p % worker_count. Replaces the last ones. */
bool ab_source_assign(struct ab_source *source, const uint16_t *partition, const int64_t *offset, int count,
		      char *error);
void ab_source_unassign(struct ab_source *source);

/* Worker w: up to max records, at once; 0 when there are none. Each must be released, before the next call. */
int ab_source_drain(struct ab_source *source, int worker, struct ab_source_record *record, int max);
void ab_source_release(struct ab_source_record *record);

/* Begins a commit for the member's group; on_commit tells. wait: blocks until it is done (at most 2 s). */
bool ab_source_commit(struct ab_source *source, const struct ab_commit *commit, int count, bool wait);

/* What is committed for the member's group. offset -1: nothing. metadata is owned by the caller (free). */
struct ab_committed {
	uint16_t partition;
	int64_t offset;
	char *metadata;
};
bool ab_source_committed(struct ab_source *source, struct ab_committed *committed, int count, char *error);

/* Commits for a group that has no members (a mirror for lag tools). Fire and forget: a failure is logged. */
void ab_source_commit_group(struct ab_source *source, const char *group, const struct ab_commit *commit, int count);

/* How many partitions the topic has; 0: no such topic; -1: not known now. */
int ab_source_partitions(struct ab_source *source);

/* First and next offset of a partition; false when they are not known now. */
bool ab_source_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next);
/* The first offset of a record not older than time_ms, or the end when there is none; -1: not known now. */
int64_t ab_source_offset_at(struct ab_source *source, uint16_t partition, int64_t time_ms);
/* As librdkafka saw them in its last fetch: free of cost; -1 when unknown. */
void ab_source_cached_bounds(struct ab_source *source, uint16_t partition, int64_t *first, int64_t *next);

/* Asks where the log begins and how old its records may get, at most every ten seconds, and waits for nothing: the
 * answers come with a later ab_source_poll. -1: not known; retention -1 also: no limit. */
void ab_source_look(struct ab_source *source, const uint16_t *partition, int count);
int64_t ab_source_log_start(const struct ab_source *source, uint16_t partition);
int64_t ab_source_retention_ms(const struct ab_source *source);

/* "" when unknown. */
const char *ab_source_cluster(struct ab_source *source);

/* Whether workers fetch by themselves; else librdkafka does it for them. */
bool ab_source_workers_fetch(const struct ab_config *config);

/* Bytes that wait to be read, for the memory bound: contents in librdkafka's queue; for the shared reader and one of each
 * sink an answer of one broker a worker, or again librdkafka's queue. */
size_t ab_source_bytes(const struct ab_config *config, int sinks, int workers);
