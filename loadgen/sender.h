/* loadgen/sender.h — gives batches to PostgreSQL or Kafka: whoever has a plan asks this to send what is due.
 *
 *     plan (run, stress, ceiling) ──batch──▶ sender ──▶ mix, event ──▶ pg or kafka ──▶ report, marks
 *
 * The sender owns the way: contents, operations, waiting, and the orderly stop. A plan owns the time.
 *
 * Threads: one, which owns the process' SIGINT and SIGTERM. The first ends the plan after the batch under way, the
 * second kills. Memory: what mix.h, pg.h and kafka.h say, taken at start.
 */
#pragma once

#include <signal.h>

#include "loadgen/arguments.h"
#include "loadgen/kafka.h"
#include "loadgen/mix.h"
#include "loadgen/pg.h"
#include "loadgen/settings.h"

/* After a stop, the answers under way may take this long: a pipeline of jobs is answered within a second. */
#define AB_SENDER_STOP_MAX_S 10

/* How often the owner of the plan is called while it waits. */
#define AB_SENDER_TICK_NS INT64_C(100000000)

struct ab_sender {
	const struct ab_arguments *arguments;
	struct ab_gen_source source;
	struct ab_mix mix;
	struct ab_pg pg;
	struct ab_kafka kafka;
	uint8_t pg_open, kafka_open;
	struct ab_mix_operation operations[AB_PLAN_BATCH_ROWS_MAX];
	struct ab_mark marks[AB_MARKS_BATCH_MAX]; /* of the batch under way */
	uint32_t mark_count;
	sigset_t open_signals; /* while waiting */
	void (*tick)(void *arg, int64_t now_ns); /* may be NULL */
	void *tick_arg;
	int64_t tick_ns; /* of the last one */
	int64_t blocked_ns; /* waited because the target took no more */
	int64_t give_up_ns; /* after a stop; 0: not stopping */
	const char *error;
};

/* Signals are taken here. On a failure ab_sender_close() is still due. */
enum ab_target_result ab_sender_open(struct ab_sender *sender, const struct ab_arguments *arguments,
	const struct ab_settings *settings, int with_marks);
void ab_sender_close(struct ab_sender *sender);
int ab_sender_stop_asked(void);

/* --seed-contents, when they are to be inserted. */
enum ab_target_result ab_sender_seed_contents(struct ab_sender *sender, uint64_t *inserted);
/* Contents of marks; PostgreSQL must be there for either target. */
enum ab_target_result ab_sender_seed_marks(struct ab_sender *sender, uint64_t count, uint64_t *inserted);

/* Before the first batch: contents are there (PostgreSQL), pipelines begin. */
enum ab_target_result ab_sender_begin(struct ab_sender *sender);

/* Chooses the operations of the next batch; rows created by it are sender->mix.batch_first_row and on. */
void ab_sender_choose(struct ab_sender *sender, uint32_t rows);
/* The k-th create of the chosen batch becomes a mark; k rises from call to call. Nothing, when there are fewer. */
void ab_sender_mark(struct ab_sender *sender, uint32_t create, const struct ab_mark *mark);
/* Sends what was chosen; counted in the report, which must live until nothing is in flight. */
enum ab_target_result ab_sender_send(struct ab_sender *sender, uint64_t batch, uint32_t rows, int64_t meant_ns,
	struct ab_report *report);

/* Sends, receives, ticks, until something happened or until_ns. */
enum ab_target_result ab_sender_wait(struct ab_sender *sender, int64_t until_ns);
/* Until nothing is in flight. */
enum ab_target_result ab_sender_finish(struct ab_sender *sender);
uint64_t ab_sender_in_flight(const struct ab_sender *sender);
int64_t ab_sender_last_ack_ns(const struct ab_sender *sender);
