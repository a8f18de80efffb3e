/* loadgen/kafka.h — row changes straight into a Kafka topic, as Debezium would have written them.
 *
 * For loads beyond what a database and a connector carry, and for topics that are full before anybody reads. The topic
 * must exist; a key's partition is the one Kafka's Java producer would choose. "Committed" is what the brokers have
 * acknowledged.
 *
 * Threads: one; librdkafka has its own. Memory: what changes.h says, one record and AB_KAFKA_REFS references, taken at
 * start; librdkafka keeps what the brokers have not taken yet, at most AB_KAFKA_QUEUE records.
 */
#pragma once

#include <signal.h>

#include "core/base.h"
#include "loadgen/arguments.h"
#include "loadgen/changes.h"
#include "loadgen/report.h"
#include "loadgen/settings.h"
#include "loadgen/target.h"

/* Records given to librdkafka and not yet at the broker: its own bound is 100,000, below that there is always room. */
#define AB_KAFKA_QUEUE 90000

/* Batches and marks under way: a batch of one row needs one, and there is no more than AB_KAFKA_QUEUE of anything. */
#define AB_KAFKA_REFS 131072

/* What a delivery report points to: the ordinary changes of one kind of a batch, or one mark. */
struct ab_kafka_ref {
	struct ab_report *report;
	int64_t meant_ns, sent_ns;
	uint32_t left; /* records without a report; 0: free */
	enum ab_mix_kind kind;
	uint8_t is_mark;
	struct ab_mark mark;
};

struct ab_kafka {
	struct rd_kafka_s *producer;
	struct rd_kafka_topic_s *topic;
	int wake_fd; /* readable when there are delivery reports */
	const struct ab_gen_source *source;
	enum ab_shape shape;
	uint32_t poison_ppm;
	struct ab_changes changes;
	uint64_t transaction_records;	 /* 0: no transactions */
	uint64_t in_transaction;
	uint64_t poisoned;
	struct ab_kafka_ref *refs;
	uint32_t next_ref;
	uint64_t in_flight; /* records without a report */
	uint64_t failed;    /* records that did not reach the broker; the first reason is in error */
	char *value;
	size_t value_room;
	ab_mark_taker *take_mark;
	void *take_mark_arg;
	int64_t last_ack_ns;
	char error[1024];
};

/* On a failure ab_kafka_close() is still due. */
enum ab_target_result ab_kafka_open(struct ab_kafka *kafka, const struct ab_settings *settings,
	const struct ab_arguments *arguments, const struct ab_gen_source *source);
void ab_kafka_close(struct ab_kafka *kafka);

/* 0: as much is under way as may be, wait first. */
int ab_kafka_room(const struct ab_kafka *kafka, uint32_t rows);

/* One batch of ab_kafka_room(); mark[i] stands for a create of row mark[i].row, in rising order. */
enum ab_target_result ab_kafka_send(struct ab_kafka *kafka, const struct ab_mix_operation *operations, uint32_t rows,
	int64_t meant_ns, const struct ab_mark *marks, uint32_t mark_count, struct ab_report *report);

/* Takes delivery reports until something happened or the monotonic clock shows until_ns. Signals as in ab_pg_wait(). */
enum ab_target_result ab_kafka_wait(struct ab_kafka *kafka, int64_t until_ns, const sigset_t *open_signals);

/* Ends the transaction under way, if there is one. */
enum ab_target_result ab_kafka_finish(struct ab_kafka *kafka);

/* A topic of four partitions whose records go soon; made and deleted by the ceiling's measurement. In kafka_topic.c. */
#define AB_KAFKA_SCRATCH_TOPIC "anabranch-loadgen.ceiling"
enum ab_target_result ab_kafka_make_scratch(const char *brokers, char *error, size_t room);
enum ab_target_result ab_kafka_drop_scratch(const char *brokers, char *error, size_t room);
