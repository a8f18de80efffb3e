/* bench/whole.h — the whole way in one process: record bytes to three requests and their answers, with a null transport.
 *
 *     messages ─▶ drain ─▶ decode ─▶ enrich ─▶ encode ×3 ─▶ chunks ─▶ lanes ─▶ batches ─▶ request ─▶ reply ─▶ settle
 *
 * It is the engine's own code (core/worker_step.c, core/link.c, core/lane.c, the sinks' encode, request and reply) with
 * the lanes, batch sizes and routes of the default settings. Only Kafka and the connections are replaced: whole.c bears
 * the names of the source and of the dead letters, so it belongs into the program itself and not into a library.
 *
 * Threads: one. Memory: taken at creation, and kept until the program ends.
 */
#pragma once

#include "bench/messages.h"
#include "core/lane.h"
#include "core/worker.h"
#include "core/worker_seal.h"
#include "core/worker_step.h"

enum { AB_BENCH_PARTITIONS = 4, AB_BENCH_SINKS = 3 };

struct ab_bench_lane {
	struct ab_lane lane;
	struct ab_sink_lane *sink_lane;
};

struct ab_bench_whole {
	struct ab_bench_messages messages;
	bool hashing;		/* sum up what is sent */
	bool answering;		/* every request is answered as a server does; else only where the lane needs it */
	/* What stands in for ab_worker_step(); NULL: nothing. */
	enum ab_step (*step)(struct ab_bench_whole *whole, int64_t now_ns);
	void *step_arg;
	struct ab_config config;
	struct ab_cache *cache;
	struct ab_loop *loop;
	struct ab_worker worker;
	struct ab_bench_lane lane[AB_BENCH_SINKS][AB_LANES_MAX];
	char *answer;		/* Elasticsearch's, which names every document */
	size_t answer_room;
	/* the source */
	uint32_t at;
	int64_t offset[AB_BENCH_PARTITIONS];
	/* what came out of one run */
	uint64_t records, bytes, hash;
};

struct ab_bench_whole *ab_bench_whole_new(enum ab_shape shape, enum ab_bench_mix mix, uint32_t count);

/* Every message once, until all that it became is settled; offsets go on where the last run ended. */
void ab_bench_whole_run(struct ab_bench_whole *whole);

/* Lets the lanes take and send what is due; drain: what is not, too. */
void ab_bench_whole_pump(struct ab_bench_whole *whole, int64_t now_ns, bool drain);
