/* verify/log.h — reading a topic from here to there, and what the engine's group has committed.
 *
 * A consumer of its own (group GROUP_ID.verify, read_committed) that never subscribes and never commits: the engine's
 * group does not notice it.
 *
 * Threads: one. Memory: librdkafka's queue (io/source.h).
 */
#pragma once

#include "core/park.h"
#include "io/source.h"
#include "verify/lane.h"
#include "verify/report.h"

struct ab_verify_log {
	struct ab_source *source;
	struct ab_park park;
	int partition_count;		/* 0: the topic does not exist */
};

/* false with error (512 bytes). */
bool ab_verify_log_open(struct ab_verify_log *log, const struct ab_config *config, const char *topic, const char *group,
			char *error);
void ab_verify_log_close(struct ab_verify_log *log);

bool ab_verify_log_bounds(struct ab_verify_log *log, int64_t *first, int64_t *next, char *error);

/* Hands over every record of [from, to) of each partition, in order within a partition. A partition that ends before
 * `to` for a committed reader is read to its end. false: error says why. what: for the progress line. */
typedef void ab_verify_on_record(void *arg, const struct ab_source_record *record);
bool ab_verify_log_read(struct ab_verify_log *log, const int64_t *from, const int64_t *to,
			ab_verify_on_record *on_record, void *arg, const char *what, char *error);

struct ab_committed_positions {
	bool committed[AB_PARTITIONS_MAX];
	struct ab_verify_positions bigquery, elasticsearch;
};
bool ab_verify_committed(const struct ab_config *config, int partition_count, struct ab_committed_positions *positions,
			 char *error);
