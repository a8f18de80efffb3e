/* sinks/dead_letter.h — rejected records go to a Kafka topic, with their reason, before any position passes them.
 *
 *     key      <sink>/<topic>/<partition>/<offset>        unique after compaction: a repeat overwrites
 *     value    the record as it came (decode), or as it was written for the sink (sink)
 *     headers  sink, topic, partition, offset, code, reason, timestamp
 *
 * The producer is idempotent with acks=all and no time-out: a letter is delivered or the engine waits. A value that
 * the topic refuses as too large is left out, and the header value_omitted says so: the record itself still is at its
 * topic, partition and offset.
 *
 * Threads: put from any; acks are counted by a thread of its own, the one writer of every `acked` [N2].
 * Memory:  librdkafka's producer queue, AB_DEAD_LETTER_QUEUE_MAX letters; a full queue is back-pressure.
 */
#pragma once

#include <stdatomic.h>

#include "core/base.h"
#include "core/config.h"

#define AB_DEAD_LETTER_QUEUE_MAX 10000

/* Told when the ack count moved, in the dead-letter thread. */
struct ab_dead_letter_owner {
	_Atomic uint64_t *acked;
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
	AB_DEAD_LETTER_TAKEN,		/* acked will count it */
	AB_DEAD_LETTER_FULL,		/* the queue is full: try again later */
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
