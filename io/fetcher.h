/* io/fetcher.h — one worker's reading of its partitions: a connection to each broker that leads some, used by the worker
 * itself, so that a record is received, checked and decoded on one core and never copied.
 *
 *     connect ─▶ hello ─▶ request ─▶ answer, whole ─▶ next request ─▶ walk through the answer, record by record
 *
 * One request is under way for each broker. The next one is sent before the answer is walked through; what comes meanwhile
 * waits in the socket, and when that is full the broker waits: so a worker that stands still holds nothing but its buffer.
 *
 * A leader that moved is asked for anew (leaders.h). A partition that cannot be read any further is told once and then left
 * alone: it is control's to decide. Everything else is tried again for ever, and said once per trouble.
 *
 * Threads: drain from its worker; create, assign and destroy from control, while that stands still. Bounds from any.
 * Memory:  for each broker an answer: AB_FETCH_ANSWER_BYTES, more only when a single batch is larger; taken at the first
 *          connection. Records lie in it, and are valid until the next drain.
 */
#pragma once

#include "core/park.h"
#include "io/leaders.h"
#include "io/source.h"

/* One answer, of all partitions together: what a socket's buffer takes at KAFKA_RECEIVE_BUFFER_BYTES' default, so that the
 * broker need not wait for us to send it, and what stays in a core's second cache until it is read (PERFORMANCE.md rows P-17,
 * P-20). A broker far away sends no more than this in a round trip. */
#define AB_FETCH_ANSWER_BYTES (512 * 1024)
/* It may be a little more than asked for: the last batch's end, and what is not records. */
#define AB_FETCH_BUFFER_BYTES (AB_FETCH_ANSWER_BYTES + 64 * 1024)
/* A batch may be larger than that (message.max.bytes); above this it is not believed. */
#define AB_FETCH_ANSWER_MAX_BYTES (256 * 1024 * 1024)

struct ab_fetcher;

/* How much it asks for at a time; and the size of its sockets' buffers, 0 for the system's own. */
struct ab_fetcher *ab_fetcher_create(const struct ab_fetch_limits *limits, int receive_bytes, struct ab_leaders *leaders,
				     struct ab_park *park);
void ab_fetcher_destroy(struct ab_fetcher *fetcher);

/* From now on these partitions, from these offsets; count 0: none. Whatever was under way is given up. */
void ab_fetcher_assign(struct ab_fetcher *fetcher, const uint16_t *partition, const int64_t *offset, int count);

/* Up to max records, at once; 0 when there are none. They are valid until the next call. */
int ab_fetcher_drain(struct ab_fetcher *fetcher, struct ab_source_record *record, int max);

/* As in the last answer; -1: not known. */
void ab_fetcher_bounds(const struct ab_fetcher *fetcher, uint16_t partition, int64_t *first, int64_t *next);
