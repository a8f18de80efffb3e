/* core/replay_lane.h — one lane into one sink, driven from one thread: batch by batch until each record has its outcome.
 *
 *     records ─▶ batch, full ─▶ request ─▶ reply ─▶ outcomes (again, later, anew, as the sink says) ─▶ next batch
 *
 * It uses the sink's own encode, request and reply, as core/delivery_lane.c does, and knows no positions: the engine's
 * are not touched, and one that runs is not noticed.
 *
 * Threads: main. Memory: one batch and one connection, taken at open.
 */
#pragma once

#include <stdbool.h>

#include "core/config.h"
#include "io/conn.h"
#include "sinks/sink.h"

/* A sink that takes nothing for so long is away. */
#define AB_REPLAY_PATIENCE_S 120

struct ab_replay_lane {
	const struct ab_sink_ops *ops;
	struct ab_sink *sink;
	struct ab_sink_lane *lane;
	struct ab_loop *loop;
	struct ab_conn *conn;
	struct ab_batch batch;
	uint32_t batch_size;
	struct ab_sink_counts counts;
	uint64_t acked, rejected;
	/* of the request in flight */
	bool in_flight, settled;
	enum ab_reply_result result;
	char error[AB_SINK_ERROR_MAX_BYTES];
	char told[AB_SINK_ERROR_MAX_BYTES];	/* the last trouble that was printed */
	void (*on_rejected)(void *arg, int partition, int64_t offset, const char *reason);
	void *arg;
};

/* Asks the sink whether it is fit, and connects. AB_SINK_OK, or lane->error says why not. */
enum ab_sink_status ab_replay_lane_open(struct ab_replay_lane *lane, const struct ab_config *config,
					const struct ab_sink_ops *ops, int partitions);
void ab_replay_lane_close(struct ab_replay_lane *lane);

/* Takes one encoded record; sends the batch first when there is no room. false: the sink has failed, lane->error. */
bool ab_replay_lane_put(struct ab_replay_lane *lane, int partition, int64_t offset, const void *bytes, size_t len);
/* Sends what is left. */
bool ab_replay_lane_flush(struct ab_replay_lane *lane);
