/* sinks/sink.h — what a sink is: how records are written for it, what is sent, what an answer means.
 *
 * A sink has lanes; a lane has one connection and one batch in flight. Core drives lanes and connections; a sink is
 * the pure part between them, so that it can be tested with bytes alone:
 *
 *     worker:       encode(event) -> bytes                                  pure
 *     sink thread:  hello() -> bytes -> reply()          once per connection, where the protocol has a greeting
 *                   request(batch) -> bytes -> reply(bytes) -> outcomes     one at a time per lane
 *     courier:      probe, init, positions, warnings, tend: blocking, over the sink's own short-lived connection
 *
 * Threads: said per function. Memory: a sink and its lanes take everything at creation.
 */
#pragma once

#include <sys/uio.h>

#include "core/batch.h"
#include "core/config.h"
#include "core/event.h"

#define AB_SINK_ERROR_MAX_BYTES 512
#define AB_REQUEST_PIECES_MAX 4

/* What becomes of one event at one sink, decided by the worker. */
enum ab_encode_result {
	AB_ENCODE_RECORD,	/* *len bytes were written */
	AB_ENCODE_SKIPPED,	/* this operation means nothing to this sink: counted, the position passes */
	AB_ENCODE_REJECTED,	/* *reason (static text) says why: dead-letter topic */
};

/* What a sink thread should do next about the request it has in flight. */
enum ab_reply_result {
	AB_REPLY_MORE,		/* the answer is not complete */
	AB_REPLY_DONE,		/* every item that was sent has its outcome */
	AB_REPLY_AGAIN,		/* call request() again at once for the same batch: a second step */
	AB_REPLY_OUTAGE,	/* the sink as a whole refuses (busy, read-only, blocked, 5xx): all sent items stay
				 * pending, back off, send again; error says what */
	AB_REPLY_RECONNECT,	/* the same, and this connection will go on refusing (a master that became a replica): close
				 * it, and connect to whoever has the name now */
	AB_REPLY_AMBIGUOUS,	/* protocol broken or cut: close the connection, tell the sink by lost(), send again */
	AB_REPLY_REWIND,	/* the sink's stored position is behind ours: control must re-read from there */
	AB_REPLY_FATAL,		/* cannot go on (authentication, wrong key type, missing position): stop this sink, loudly */
};

struct ab_sink;
struct ab_sink_lane;	/* the sink's own per-lane state: parser, scratch, request head */

struct ab_request {
	struct iovec piece[AB_REQUEST_PIECES_MAX];	/* valid until the reply is done or the connection is lost */
	int piece_count;
	bool needs_reply;	/* false: nothing has to be sent; positions may move (nothing pending) */
};

/* Counters of one lane: the sink thread's; core publishes copies of them. */
struct ab_sink_counts {
	uint64_t requests, acked, rejected, duplicates, outages, ambiguous, bytes;
};

/* How a sink's reply code hands a rejected item over: the caller sends it to the dead-letter topic. */
typedef void ab_reject_fn(void *arg, struct ab_batch *batch, uint32_t item, const char *reason, size_t reason_len);

struct ab_reply {
	ab_reject_fn *reject;	/* called once for every item that gets AB_OUTCOME_REJECTED */
	void *reject_arg;
	struct ab_sink_counts *counts;
	char *error;		/* AB_SINK_ERROR_MAX_BYTES: what happened, in words, for OUTAGE, AMBIGUOUS, REWIND, FATAL */
};

/* Result of a control call. */
enum ab_sink_status {
	AB_SINK_OK,
	AB_SINK_ABSENT,		/* cannot be reached now: try again later */
	AB_SINK_MISSING,	/* reachable, but what init creates (positions, table, template) is not there */
	AB_SINK_REFUSED,	/* reachable, and it will not work like this: error says what to change */
};

/* What else a sink knows of itself, for /metrics. */
struct ab_sink_gauge {
	const char *name, *help;	/* without the anabranch_ before it */
	int64_t value;
};
#define AB_SINK_GAUGES_MAX 4

struct ab_sink_positions {
	int lanes;
	/* Of the Kafka whose offsets these are, as a sink that stores them noted it; "": not said. */
	char cluster[AB_CLUSTER_ID_MAX_BYTES];
	/* position[lane][partition], -1: none stored */
	int64_t position[AB_LANES_MAX][AB_PARTITIONS_MAX];
};

struct ab_sink_ops {
	const char *name;		/* "redis", "bigquery", "elasticsearch" */
	bool connectionless;		/* sends nothing: its lanes have no connection (null) */
	bool stores_positions;		/* its positions live in the sink itself (Redis), not in Kafka's commit metadata */

	/* main thread, at start. Sets *error on failure and returns NULL. */
	struct ab_sink *(*create)(const struct ab_config *config, char *error);
	void (*destroy)(struct ab_sink *sink);
	struct ab_sink_lane *(*lane_create)(struct ab_sink *sink, int lane, uint32_t item_max, uint32_t bytes_max);
	void (*lane_destroy)(struct ab_sink_lane *lane);
	/* Bytes that create and lane_create of all lanes take, for the memory bound. */
	size_t (*bytes)(const struct ab_config *config, size_t lanes, uint32_t item_max, uint32_t bytes_max);

	/* worker thread: pure. room: what core/worker_step.c reckons for this event, at least 2 KiB and its texts. */
	enum ab_encode_result (*encode)(const struct ab_sink *sink, const struct ab_event *event, uint8_t *to,
					size_t room, size_t *len, const char **reason);

	/* any thread. What encode wrote, as JSON in one line, for people; allocates, the caller frees. May be NULL. */
	char *(*show)(const uint8_t *bytes, size_t len);

	/* sink thread. hello may be NULL. After a connect: hello() fills *out and reply() is fed until it is not MORE.
	 * request(): writes the next request for the pending items of the batch (outcome PENDING). */
	void (*hello)(struct ab_sink_lane *lane, struct ab_request *out);
	void (*request)(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out);
	/* Takes all len bytes. batch == NULL while hello is being answered. */
	enum ab_reply_result (*reply)(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				      const struct ab_reply *to);
	/* The connection is gone. in_flight: a request was under way, and its effect is unknown; batch is what it was for.
	 * batch == NULL and in_flight: the lane begins anew, perhaps elsewhere, and its batch is forgotten. */
	void (*lost)(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight);

	/* The courier's thread (core/courier.h), or a command's; blocking, bounded by the sink's connection and read time-outs.
	 * error: AB_SINK_ERROR_MAX_BYTES. */
	enum ab_sink_status (*probe)(struct ab_sink *sink, char *error);
	enum ab_sink_status (*init)(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
				    const char *run_id, char *note, char *error);
	/* Positions of a sink that stores them; others return AB_SINK_OK and leave all at -1. Called before lanes start;
	 * a sink that must look up what a crash left behind (BigQuery) does so here, given the committed positions. */
	enum ab_sink_status (*positions)(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error);
	/* These may be NULL. What is unwise about this sink but no reason to refuse it, one a line, "" when nothing; asked
	 * once, when it is met. And what has to be done about once a second, whether records come or not; words in
	 * error are logged, whatever it returns. */
	void (*warnings)(struct ab_sink *sink, char *out, size_t size);
	enum ab_sink_status (*tend)(struct ab_sink *sink, char *error);
	/* Any thread. Returns how many. */
	int (*gauges)(const struct ab_sink *sink, struct ab_sink_gauge *out);
};

extern const struct ab_sink_ops ab_redis_ops;
extern const struct ab_sink_ops ab_elasticsearch_ops;
extern const struct ab_sink_ops ab_bigquery_ops;
extern const struct ab_sink_ops ab_null_ops;
