/* sinks/dead_letter.h — rejected records go to a Kafka topic, with their reason, before any position passes them.
 *
 *     key      <sink>/<topic>/<partition>/<offset>        unique after compaction: a repeat overwrites
 *     value    the record as it came (decode), or as it was written for the sink (sink)
 *     headers  sink, topic, partition, offset, code, reason, timestamp
 *
 *     put ──▶ librdkafka ──acked──▶ noted, the owner is woken
 *                 ▲    └──too large──▶ cut ──┐
 *                 ├──────────────────────────┘
 *                 └──after a second── refused ◀── any other error that will not pass by itself
 *
 * The producer is idempotent with acks=all and no time-out: a letter is delivered or the engine waits. A value that
 * the topic refuses as too large is cut to its beginning, and the header value_cut tells its length: the record itself
 * still is at its topic, partition and offset. While Kafka refuses letters (no right to write, the topic is gone) they
 * are kept and tried again, no more are taken, and the log, /readyz and a gauge say so.
 *
 * Threads: put and the questions from any; acks are noted by a thread of its own, the one writer of every ab_acks [N2].
 * Memory:  librdkafka's producer queue, AB_DEAD_LETTER_QUEUE_MAX letters and AB_DEAD_LETTER_QUEUE_KIB; a full queue is
 *          back-pressure. Errors are off the data path: letters are allocated when they are written.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/acks.h"
#include "core/base.h"
#include "core/config.h"

#define AB_DEAD_LETTER_QUEUE_MAX 10000
_Static_assert(AB_DEAD_LETTER_QUEUE_MAX < AB_ACKS_MAX, "all of them may be one owner's");
/* Two of the largest records (RECORD_MAX_BYTES). */
#define AB_DEAD_LETTER_QUEUE_KIB (128 * 1024)
/* What is kept of a value that the topic does not take: enough to see what it was. */
#define AB_DEAD_LETTER_CUT_BYTES 4096

/* Told of the acknowledgement, in the dead-letter thread. */
struct ab_dead_letter_owner {
	struct ab_acks *acks;
	uint64_t number;		/* the letter's, one after another for each that was TAKEN */
	void (*wake)(void *arg);
	void *wake_arg;
};

struct ab_dead_letter {
	const char *sink;		/* "all" when no sink could have taken it */
	const char *topic;
	int partition;
	int64_t offset;
	int64_t timestamp_ms;
	const char *code;		/* short, for grouping */
	const char *reason;
	size_t reason_len;
	const void *value;
	size_t value_len;
};

enum ab_dead_letter_result {
	AB_DEAD_LETTER_TAKEN,		/* its owner's acks will note it */
	AB_DEAD_LETTER_FULL,		/* the queue is full, or Kafka refuses letters: try again later */
};

struct ab_dead_letters;

/* NULL with *error (512 bytes). on_log: words for a person, from the dead-letter thread. */
struct ab_dead_letters *ab_dead_letters_create(const struct ab_config *config, void (*on_log)(const char *text),
					       char *error);
void ab_dead_letters_destroy(struct ab_dead_letters *letters);

enum ab_dead_letter_result ab_dead_letters_put(struct ab_dead_letters *letters, const struct ab_dead_letter *letter,
					       const struct ab_dead_letter_owner *owner);

/* Letters handed over and not yet acked. */
uint64_t ab_dead_letters_waiting(const struct ab_dead_letters *letters);
/* Of those, the ones that Kafka refuses as things are. words: why; "" without any. */
uint64_t ab_dead_letters_refused(struct ab_dead_letters *letters, char *words, size_t room);
/* Whether the producer has failed for good: only a restart helps. words: why. */
bool ab_dead_letters_failed(struct ab_dead_letters *letters, char *words, size_t room);
