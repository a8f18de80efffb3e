/* core/worker_readers.c — see worker_readers.h. */
#include "core/worker_readers.h"

#include <string.h>

#include "core/clock.h"
#include "core/worker_seal.h"

/* While the shared reader has more to do, a private one gets one step for so many of its: a ninth of the time. */
#define SHARED_STEPS 8
/* And so many when the shared one has nothing to do: 50 us, before it is looked at again. */
#define PRIVATE_STEPS 4
/* Records of all partitions that a private reader may be behind when the shared one is held for it: 3 ms of work. */
#define JOIN_RECORDS 10000
/* How long the shared reader is held at most, and how long it is not held again after that was in vain. */
#define HOLD_NS       (20 * AB_NS_PER_MS)
#define HOLD_AGAIN_NS AB_NS_PER_S
/* A lane that has no more chunks waiting than this keeps up. */
#define LOW_MARK_CHUNKS 1

/* A sink that could take more than it gets. */
static bool has_nothing_to_do(struct ab_worker_sink *sink)
{
	for (uint32_t l = 0; l < sink->lanes; l++) {
		struct ab_link *link = &sink->link[l];
		if (ab_ring_count(&link->full) > 0 || (link->open != NULL && link->open->record_count > 0))
			return false;
		if (sink->busy[l] != NULL && ab_count_get(sink->busy[l]) > 0)
			return false;
	}
	return true;
}

/* Who of the shared reader's sinks holds the others up? */
static void observe(struct ab_worker *worker, int64_t now_ns)
{
	int64_t after_ns = worker->config->detach_after_ms * AB_NS_PER_MS;
	struct ab_link **blocked = worker->reader[0].blocked;
	bool any = false, idle = false;

	for (int s = 0; s < worker->sink_count; s++)
		any |= blocked[s] != NULL;
	for (int s = 0; s < worker->sink_count && any && !idle; s++)
		idle = worker->sink[s].reader == 0 && blocked[s] == NULL && has_nothing_to_do(&worker->sink[s]);
	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->reader != 0)
			continue;
		bool holding = idle && blocked[s] != NULL && ab_ring_count(&blocked[s]->empty) == 0;
		bool leave = ab_starve_observe(&sink->starve, holding, now_ns, after_ns) == AB_STARVE_LEAVE;
		atomic_store_explicit(&sink->starving, leave, memory_order_release); /* [W3] */
	}
}

/* Records that sink s has to read before it stands where the shared reader stands. */
static int64_t behind(const struct ab_worker *worker, int s)
{
	int64_t sum = 0;

	for (int i = 0; i < worker->partition_count; i++) {
		uint16_t p = worker->partition[i];
		int64_t one = worker->reader[0].next[p] - worker->reader[1 + s].next[p];
		sum += one > 0 ? one : 0;
	}
	return sum;
}

static void join(struct ab_worker *worker, int s, int64_t now_ns)
{
	struct ab_worker_sink *sink = &worker->sink[s];

	ab_worker_clear_reader(worker, 1 + s);
	sink->reader = 0;
	sink->hold_until_ns = 0;
	ab_starve_reset(&sink->starve, now_ns);
	/* Release [W5]: the reader's source is not touched any more. */
	atomic_store_explicit(&sink->joined, true, memory_order_release);
}

/* With full lanes it would hold the others up at once. */
static bool has_room(struct ab_worker_sink *sink)
{
	for (uint32_t l = 0; l < sink->lanes; l++) {
		if (ab_ring_count(&sink->link[l].full) > LOW_MARK_CHUNKS)
			return false;
	}
	return true;
}

static void try_to_join(struct ab_worker *worker, int s, enum ab_step step, int64_t now_ns)
{
	struct ab_worker_sink *sink = &worker->sink[s];

	if (worker->reader[0].source == NULL || now_ns < sink->hold_again_ns ||
	    !atomic_load_explicit(&sink->may_join, memory_order_relaxed)) /* [W4] */
		return;
	int64_t records = behind(worker, s);
	if (records == 0 && has_room(sink) && ab_worker_seal_close(worker, s, now_ns)) {
		join(worker, s, now_ns);
		return;
	}
	bool in_vain = step == AB_STEP_BLOCKED || !has_room(sink) || (sink->hold_until_ns != 0 && now_ns >= sink->hold_until_ns);
	if (records > JOIN_RECORDS || in_vain) {
		sink->hold_again_ns = sink->hold_until_ns != 0 ? now_ns + HOLD_AGAIN_NS : 0;
		sink->hold_until_ns = 0;
	} else if (sink->hold_until_ns == 0) {
		sink->hold_until_ns = now_ns + HOLD_NS;
	}
}

static bool is_held(const struct ab_worker *worker)
{
	bool held = false;

	for (int s = 0; s < worker->sink_count; s++)
		held |= worker->sink[s].reader == 1 + s && worker->sink[s].hold_until_ns != 0;
	return held;
}

static enum ab_step private_turn(struct ab_worker *worker, enum ab_step step, int64_t now_ns)
{
	int steps = step == AB_STEP_DONE ? 1 : PRIVATE_STEPS;

	for (int s = 0; s < worker->sink_count; s++) {
		if (worker->reader[1 + s].source == NULL)
			continue;
		enum ab_step one = AB_STEP_DONE;
		for (int n = 0; n < steps && one == AB_STEP_DONE; n++)
			one = ab_worker_step(worker, 1 + s, now_ns);
		try_to_join(worker, s, one, now_ns);
		/* One that cannot go on says nothing about the worker: its sink is away. */
		if (one == AB_STEP_DONE || worker->reader[0].source == NULL)
			step = one > step ? one : step;
	}
	return step;
}

enum ab_step ab_worker_turn(struct ab_worker *worker, int64_t now_ns)
{
	enum ab_step step = AB_STEP_IDLE;

	if (worker->reader[0].source != NULL && !is_held(worker)) {
		step = ab_worker_step(worker, 0, now_ns);
		observe(worker, now_ns);
	}
	if (step != AB_STEP_DONE || ++worker->turn % SHARED_STEPS == 0)
		step = private_turn(worker, step, now_ns);
	ab_worker_seal_due(worker, now_ns, step != AB_STEP_DONE);
	return step;
}

bool ab_worker_readers_watch(const struct ab_worker *worker)
{
	bool watch = is_held(worker);

	for (int s = 0; s < worker->sink_count; s++)
		watch |= worker->reader[0].blocked[s] != NULL;
	return watch;
}

void ab_worker_part(struct ab_worker *worker, int s, struct ab_source *source, const int64_t *floor, int64_t *start)
{
	struct ab_worker_sink *sink = &worker->sink[s];
	int64_t now_ns = ab_monotonic_ns(), own[AB_PARTITIONS_MAX];

	/* What a letter that was given up belongs to is dropped and read again. */
	if (sink->reader >= 0 && !ab_worker_seal_close(worker, s, now_ns)) {
		for (uint32_t l = 0; l < sink->lanes; l++)
			ab_link_discard(&sink->link[l]);
	}
	memset(own, 0xff, sizeof own);
	for (int i = 0; i < worker->partition_count; i++) {
		uint16_t p = worker->partition[i];
		int64_t given = ab_worker_given(worker, s, p);
		start[p] = own[p] = given < floor[p] ? floor[p] : given;
	}
	worker->reader[0].blocked[s] = NULL;
	ab_worker_clear_reader(worker, 1 + s);
	if (source != NULL)
		ab_worker_set_reader(worker, 1 + s, source, sink->ops->name, own);
	sink->reader = source != NULL ? 1 + s : -1;
	sink->hold_until_ns = 0;
	sink->hold_again_ns = 0;
	ab_starve_reset(&sink->starve, now_ns);
	atomic_store(&sink->starving, false);	/* [W3] */
	atomic_store(&sink->may_join, false);	/* [W4] */
	atomic_store(&sink->joined, false);	/* [W5] */
}
