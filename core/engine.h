/* core/engine.h — wires everything, and is control: assignment, readers, commits, absent sinks, the orderly stop.
 *
 *     main thread = control ── pauses, sets up, resumes ──▶ workers, deliveries
 *          │ member source: assignment, commits             contents, dead letters: threads of their own
 *
 * There is one way to change who reads what: pause, change, resume. An assignment by Kafka makes a plan for all sinks
 * (engine_readers.c); afterwards single sinks leave and come back, and the others read on (engine_moves.c).
 *
 *     sink:  ABSENT ──answers──▶ RUNNING ──rewind──▶ ABSENT (positions are read again)
 *               │                   ├────fatal, breaker▶ STOPPED (its position holds the group's offset back)
 *               │                   └──overtaken by retention──▶ LOST
 *               └──refuses / missing──────────────▶ STOPPED
 *
 * Threads: all of it is the main thread's, but for ab_engine_view_* (any thread, under the mutex).
 */
#pragma once

#include <signal.h>

#include "core/bottleneck.h"
#include "core/breaker.h"
#include "core/content.h"
#include "core/courier.h"
#include "core/delivery.h"
#include "core/excuse.h"
#include "core/exit.h"
#include "core/readers.h"
#include "core/worker.h"

enum ab_sink_state {
	AB_STATE_ABSENT,
	AB_STATE_RUNNING,
	AB_STATE_STOPPED,
	AB_STATE_LOST,		/* retention took records before it had them: its lanes finish what they hold */
};

struct ab_engine_sink {
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	struct ab_delivery_sink delivery;
	enum ab_route_key key;
	int lanes;
	enum ab_sink_state state;
	bool fresh;			/* positions are known, its lanes are to be set up from them */
	char why[AB_SINK_ERROR_MAX_BYTES];
	struct ab_courier courier;
	int64_t asked_ns;
	struct ab_source *own;		/* its private reader's, when it has one */
	struct ab_breaker breaker;
	int reader;			/* 0 shared, 1 + index its own, -1 none */
	bool apart;			/* it left, or came late: reads by itself until its workers have joined it */
	struct ab_rejoin rejoin;
	/* Offsets that retention took before it had them: the last gap of each partition, and all of them. */
	int64_t lost_from[AB_PARTITIONS_MAX], lost_whole_from[AB_PARTITIONS_MAX], lost_to[AB_PARTITIONS_MAX];
	uint64_t lost_offsets;
	int64_t floor[AB_PARTITIONS_MAX];	/* it does not read below: the end of a gap it was told of since it began; 0: none */
	int64_t stood;			/* sum of its positions when last looked at */
	bool moves;			/* it has risen since */
	int64_t part_again_ns;		/* after a private reader could not be had */
	struct ab_sink_positions known;	/* as last committed or read; exact positions of running lanes are in the lanes */
};

/* What only grows, added up: two of them tell what happened between. */
struct ab_engine_sums {
	int64_t now_ns;
	uint64_t ticks;
	uint64_t worker_busy, worker_blocked, fetch, decode, encode, records;
	uint64_t sink_busy[AB_SINKS_MAX];	/* by sink thread */
	uint64_t acked;
	uint64_t waiting[AB_SINKS_MAX], answers[AB_SINKS_MAX];
};

struct ab_engine {
	const struct ab_config *config;
	struct ab_content_feed feed;
	struct ab_dead_letters *letters;
	struct ab_source *member;
	int partition_total;		/* of the topic */
	int cores;			/* that it may run on */
	int worker_count, delivery_count, sink_count;
	struct ab_worker *worker;
	struct ab_delivery *delivery;
	struct ab_engine_sink *sink;

	pthread_mutex_t mutex;		/* what views read and control changes: states, assignment */
	bool assigned;
	int64_t assignment;		/* counts them: an answer to a question of another one is void */
	int partition_count;
	uint16_t partition[AB_PARTITIONS_MAX];
	int64_t committed[AB_PARTITIONS_MAX];
	struct ab_fingerprint fingerprint[AB_PARTITIONS_MAX];

	int64_t committed_ns, commit_due_ns, status_ns;
	/* What was last said of each partition, and what is being said: AB_POSITION_TEXT_MAX_BYTES each. */
	char (*said)[AB_POSITION_TEXT_MAX_BYTES], (*saying)[AB_POSITION_TEXT_MAX_BYTES];
	int64_t looked_ns;
	/* Where the log began earlier: how fast retention comes nearer. */
	int64_t began[AB_PARTITIONS_MAX], began_ns;
	struct ab_excuse late[AB_READERS_MAX][AB_PARTITIONS_MAX];	/* refusals of offsets behind which the reader stands already */
	bool commit_under_way;
	bool commit_failed;		/* the last one did not hold: say all of it again */
	ab_count commits, commit_failures, rebalances;
	int exit_code;			/* set with `stop` when something makes going on impossible */
	bool stop;
	bool draining;			/* nothing new is read: partitions given to us now are refused */
	bool stopped;			/* the threads are gone: giving partitions back has nothing to pause */

	/* what the last status line saw, for rates */
	uint64_t seen_records, seen_acked[AB_SINKS_MAX];
	struct ab_engine_sums limit_seen;
	ab_count limit;			/* enum ab_bottleneck_kind, of the last look */
	char limit_text[AB_BOTTLENECK_TEXT_BYTES];	/* and in words; under the mutex */
	int64_t started_ns;
	uint64_t started_ticks;		/* of ab_ticks(), then */
	int64_t started_wall_ms;
};

/* From the first signal, or from a failure, to the end of the program, whatever still waits: Docker grants 10 s between
 * SIGTERM and SIGKILL. */
#define AB_STOP_MAX_S 9

/* Signals received so far; set by main's handler. */
extern volatile sig_atomic_t ab_engine_signals;

/* What main's handler of the alarm ends with: set before the stop begins that the alarm ends. */
extern volatile sig_atomic_t ab_engine_end_code;

/* Runs until a signal or a reason to stop; returns the exit code. */
int ab_engine_run(const struct ab_config *config);

/* One turn of control, and the orderly end; the member source is open. A turn waits for at most timeout_ms. */
bool ab_engine_open_member(struct ab_engine *engine);
void ab_engine_turn(struct ab_engine *engine, int timeout_ms);
void ab_engine_drain(struct ab_engine *engine);

/* engine_parts.c: sinks, workers, deliveries, without their threads. config, cores, partition_total, feed.cache and
 * letters are set. false: ab_engine_fail has said why; what there is still has to be destroyed. */
bool ab_engine_create(struct ab_engine *engine);
void ab_engine_destroy(struct ab_engine *engine);

/* engine_readers.c: the plan for all sinks. */
void ab_engine_on_assign(void *engine, const uint16_t *partition, int count);
void ab_engine_on_revoke(void *engine);
void ab_engine_replan(struct ab_engine *engine);
/* Sets up the lanes and links of a sink from the positions it is known to have. All threads stand still. */
void ab_engine_begin_sink(struct ab_engine *engine, int s);
void ab_engine_fail(struct ab_engine *engine, int exit_code, const char *format, ...) AB_PRINTF(3, 4);
void ab_engine_source_log(void *engine, const char *text);
void ab_engine_pause(struct ab_engine *engine);
void ab_engine_resume(struct ab_engine *engine);

/* engine_moves.c: one sink moves, the others read on. */
struct ab_source *ab_engine_private_source(struct ab_engine *engine, struct ab_engine_sink *sink);
/* A sink that was not there: it begins in a reader of its own, unless nobody else reads. */
void ab_engine_enter(struct ab_engine *engine, int s);
/* It stops, or is asked for its positions again. */
void ab_engine_leave(struct ab_engine *engine, int s);
/* Lets sinks part that hold the others up, and join again that stand where the others stand. */
void ab_engine_tend_readers(struct ab_engine *engine, int64_t now_ns);

/* engine_lost.c: what readers report of the log. */
void ab_engine_tend_troubles(struct ab_engine *engine);

/* engine_sinks.c: the sinks' states. */
void ab_engine_set_state(struct ab_engine *engine, struct ab_engine_sink *sink, enum ab_sink_state state, const char *why);
/* Asks all but the stopped ones, and waits a moment for their answers. */
void ab_engine_meet_sinks(struct ab_engine *engine);
/* Looks at sinks that are absent or that call. */
void ab_engine_tend_sinks(struct ab_engine *engine, int64_t now_ns);
/* engine_breaker.c. Stops sinks whose records are mostly rejected. */
void ab_engine_tend_breakers(struct ab_engine *engine, int64_t now_ns);

/* engine_commit.c */
void ab_engine_commit(struct ab_engine *engine, bool wait);
bool ab_engine_load_committed(struct ab_engine *engine, const uint16_t *partition, int count);

/* engine_limit.c */
/* Looks at what limited the engine since the last look; behind: records in the log that are not delivered. */
void ab_engine_limit_look(struct ab_engine *engine, int64_t now_ns, int64_t behind);
struct ab_text_out;
void ab_engine_limit_metrics(struct ab_text_out *out, const struct ab_engine *engine);

/* engine_behind.c: where a sink stands against the log. -1: not known. */
struct ab_sink_behind {
	int64_t events;		/* records between its positions and the end of the log */
	int64_t bytes;		/* of them, by the mean size of what was read so far */
	int64_t age_ms;		/* of the oldest record its lanes hold, since its commit in PostgreSQL */
	int64_t margin_events;	/* records between the beginning of the log and its positions, the least of any partition */
	int64_t margin_ms;	/* until retention overtakes it; INT64_MAX: never, as things are */
};
void ab_engine_behind(const struct ab_engine *engine, int s, struct ab_sink_behind *out);
/* "live", "catching up", "detached", "absent", "stopped", "lost data". */
const char *ab_engine_state_name(const struct ab_engine_sink *sink);
/* Asks Kafka where the log begins, and notes whether sinks move; at any pace. */
void ab_engine_look(struct ab_engine *engine, int64_t now_ns);

/* engine_view.c */
void ab_engine_view_status(struct ab_engine *engine, int64_t now_ns);
void ab_engine_view_summary(struct ab_engine *engine);
/* Text for GET /metrics, /readyz; the caller frees. *http_status: 200 or 503. */
struct ab_http_asked;
char *ab_engine_view_metrics(void *engine, const struct ab_http_asked *asked, size_t *len, int *http_status);
char *ab_engine_view_ready(void *engine, const struct ab_http_asked *asked, size_t *len, int *http_status);
/* Least position of a sink in a partition; -1: none. */
int64_t ab_engine_view_position(const struct ab_engine *engine, int s, uint16_t p);

/* engine_tap.c: GET /tap, the samples of events (core/tap.h). */
char *ab_engine_tap(void *engine, const struct ab_http_asked *asked, size_t *len, int *http_status);
void ab_engine_tap_metrics(struct ab_text_out *out, const struct ab_engine *engine);
