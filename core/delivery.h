/* core/delivery.h — the sink threads: lanes and their connections on one loop.
 *
 *     link ══chunk══▶ lane ──batch──▶ sink.request() ──bytes──▶ connection ──answer──▶ sink.reply() ──▶ lane
 *
 * A delivery is a thread with a loop that hosts the lanes of any number of sinks: one for all sinks on hosts below
 * four cores, one per sink otherwise. It never decides anything by itself: what happens next is the lane's to say
 * (core/lane.h), what an answer means the sink's (sinks/sink.h).
 *
 * Threads: the delivery's own; functions below are control's, while it stands still, but for create, start and stop.
 * Memory:  taken at creation.
 */
#pragma once

#include <pthread.h>

#include "core/lane.h"
#include "core/link.h"
#include "core/pause.h"
#include "core/stats.h"
#include "io/conn.h"
#include "sinks/dead_letter.h"
#include "sinks/sink.h"

struct ab_worker;
struct ab_delivery;

/* What a sink needs of control. Written by the sink thread, and by control when the breaker opens; read by control [D1]. */
enum ab_sink_call {
	AB_CALL_NONE,
	AB_CALL_REWIND,		/* its stored position is behind: read again from there */
	AB_CALL_STOP,		/* it cannot go on: words are in error */
};

/* Connections are the loop thread's alone, so control leaves a wish. */
enum ab_conn_wish { AB_WISH_NONE, AB_WISH_OPEN, AB_WISH_CLOSE, AB_WISH_REOPEN };

struct ab_lane_counts {
	ab_count acked, rejected, repeated, retries, duplicates, requests, bytes, outages, ambiguous, connects, failures;
	ab_count in_flight, held;
	ab_count waiting_ns, answers;	/* from a request sent to its answer, added up */
	ab_count oldest_ms;		/* commit time in PostgreSQL of the oldest record it holds; 0: none, or not known */
	struct ab_hist freshness;	/* commit in PostgreSQL to acknowledged */
	struct ab_hist request;		/* sent to answered */
};

struct ab_delivery_lane {
	struct ab_delivery *delivery;
	struct ab_delivery_sink *owner;
	int index;
	struct ab_lane lane;
	struct ab_sink_lane *sink_lane;
	struct ab_conn *conn;
	enum ab_conn_wish wish;		/* what control wants of the connection; done by this thread */
	bool greeting;			/* hello is under way */
	bool greeted;			/* this connection may take requests */
	int64_t sent_ns;
	int next_worker;		/* which link is looked at first: nobody is always first */
	struct ab_sink_counts sink_counts;	/* the sink's own, this thread's; published into counts */
	struct ab_lane_counts counts;
};

struct ab_delivery_sink {
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	int index;			/* among the engine's sinks: which of a worker's sinks feeds it */
	int lane_count;
	struct ab_delivery_lane *lane;
	bool running;			/* its lanes take chunks and send */
	_Atomic int call;		/* [D1] enum ab_sink_call */
	/* A connection was lost, so the host's name may stand for another server: set by the sink thread, taken by the courier
	 * [D2: relaxed, a hint]. */
	_Atomic bool resolve;
	char error[AB_SINK_ERROR_MAX_BYTES];	/* the last one; under error_mutex */
	pthread_mutex_t error_mutex;
	ab_count errors;
	/* The lanes' side of the ledger (core/worker.h), since the sink last began. */
	ab_count acked[AB_PARTITIONS_MAX], dead[AB_PARTITIONS_MAX];
};

struct ab_delivery {
	int index, cpu;
	const struct ab_config *config;
	struct ab_loop *loop;
	struct ab_dead_letters *letters;
	struct ab_worker *worker;	/* all of them */
	int worker_count;
	int sink_count;
	struct ab_delivery_sink *sink[AB_SINKS_MAX];
	struct ab_pause pause;
	pthread_t thread;
	_Atomic bool stop;
	ab_count busy_ns, idle_ns;
};

/* Limits of a sink's lanes from the configuration. */
struct ab_lane_limits ab_delivery_limits(const struct ab_config *config, const struct ab_sink_ops *ops);
size_t ab_delivery_lane_bytes(void);
int ab_delivery_lanes(const struct ab_config *config, const struct ab_sink_ops *ops);
/* Where its lanes connect to, and for how long they wait; the jitter is the caller's. */
void ab_delivery_conn_config(const struct ab_config *config, const struct ab_sink_ops *ops, struct ab_conn_config *to);

/* Takes the memory of a sink's lanes; connections are made when the delivery starts. */
void ab_delivery_sink_create(struct ab_delivery_sink *owner, int index, const struct ab_sink_ops *ops,
			     struct ab_sink *sink, const struct ab_config *config);
void ab_delivery_sink_destroy(struct ab_delivery_sink *owner);

/* false with *error (512 bytes): a host cannot be resolved, or the loop cannot be had. */
bool ab_delivery_create(struct ab_delivery *delivery, int index, const struct ab_config *config,
			struct ab_delivery_sink **sink, int sink_count, struct ab_worker *worker, int worker_count,
			struct ab_dead_letters *letters, char *error);
void ab_delivery_destroy(struct ab_delivery *delivery);

/* One turn of its thread, before its loop's: every lane of the sinks that run. Returns when to come again at the latest. */
int64_t ab_delivery_turn(struct ab_delivery *delivery, int64_t now_ns);

void ab_delivery_start(struct ab_delivery *delivery);
void ab_delivery_stop(struct ab_delivery *delivery);
void ab_delivery_pause(struct ab_delivery *delivery);
void ab_delivery_resume(struct ab_delivery *delivery);

/* Standing still. Drops everything in flight and forgets positions; the links are the caller's to reset. */
void ab_delivery_sink_reset(struct ab_delivery_sink *owner);
void ab_delivery_sink_run(struct ab_delivery_sink *owner, bool running);
void ab_delivery_sink_drain(struct ab_delivery_sink *owner);

/* The courier's. Looks the host's name up again when a connection was lost since; blocking. */
void ab_delivery_resolve(void *sink);

/* Any thread. */
void ab_delivery_error(struct ab_delivery_sink *owner, char *to, size_t room);
void ab_delivery_set_error(struct ab_delivery_sink *owner, const char *text);
