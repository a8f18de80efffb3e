/* core/courier.h — a thread that goes to one sink with the questions that may take long to answer.
 *
 *     control ──ask──▶ courier ──host's name, probe, positions, tend──▶ sink
 *        ▲               │
 *        └────take───────┘      control looks once a tick and waits for nobody
 *
 * A sink that is silent costs its time-outs, ten seconds and more; commits, the other sinks and Kafka must not wait for
 * that. One courier to a sink, so that a silent one does not keep the others' questions waiting either.
 *
 * An answer may come when the question has lost its meaning (other partitions are assigned since): the number that is
 * given with a question comes back with its answer.
 *
 * Threads: all functions are control's. The mutex hands the errand over, there and back.
 * Memory:  inside the struct.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "core/errand.h"

struct ab_courier {
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	int partition_total;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	enum { AB_COURIER_HERE, AB_COURIER_AWAY, AB_COURIER_BACK } where;	/* under the mutex */
	bool stop, ended;			/* under the mutex */
	int64_t stop_by_ns;			/* longer than until then its end is not waited for */
	/* Done before each errand, when there is one: set before the first question. */
	void (*before)(void *arg);
	void *before_arg;
	struct ab_errand errand;		/* the thread's while it is away, control's else */
};

void ab_courier_start(struct ab_courier *courier, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total);
/* The end of the program: no more errands. All couriers are told before the first is waited for. */
void ab_courier_end(struct ab_courier *courier);
/* After that: waits for it, half a second from ab_courier_end() on at most. false: the sink does not answer, and the courier
 * is still there: neither it nor the sink may be touched any more. */
bool ab_courier_stop(struct ab_courier *courier);

/* false: it is away. positions: for MEET. */
bool ab_courier_ask(struct ab_courier *courier, enum ab_errand_kind kind, const struct ab_sink_positions *positions,
		    int64_t number);
/* The answer, once; valid until the next question. NULL: there is none (yet). Waits at most wait_ms. */
const struct ab_errand *ab_courier_take(struct ab_courier *courier, int wait_ms);
