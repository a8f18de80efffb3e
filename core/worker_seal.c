/* core/worker_seal.c — see worker_seal.h. */
#include "core/worker_seal.h"

#include "core/clock.h"

/* How long a busy worker keeps a lane waiting for a chunk that is not full. */
#define BUSY_SEAL_NS (5 * AB_NS_PER_MS)

/* How long a sealed chunk may wait for the wake that the next ones bring: while records come, they come at a few for a
 * microsecond each, so the lane's other chunks are not full before. */
#define WAKE_OWED_NS AB_NS_PER_MS

/* Full chunks of one lane that are worth a wake: the rest of them is what the worker fills until the sink thread is there. */
#define WAKE_CHUNKS (AB_LINK_CHUNKS / 2)

/* No chunk may cover the offset of a record whose letter was never sent. */
static bool may_seal(const struct ab_worker *worker)
{
	return worker->dead_given_up == 0;
}

/* One wake is for all sinks of the thread. */
static void wake(struct ab_worker *worker, struct ab_loop *loop)
{
	for (int s = 0; s < worker->sink_count; s++) {
		if (worker->sink[s].loop == loop)
			worker->sink[s].wake_owed_ns = 0;
	}
	ab_loop_wake(loop);
}

/* A sink thread that has taken the last chunk sleeps before the next one is full: waking it for each costs it and the
 * worker more than the chunk does (PERFORMANCE.md row W-2). It is owed the wake instead. */
bool ab_worker_seal(struct ab_worker *worker, struct ab_worker_sink *sink, struct ab_link *link, int64_t now_ns)
{
	if (!may_seal(worker))
		return false;
	link->open->letters = worker->dead_sent; /* no lane takes it before Kafka has them: core/delivery_lane.c */
	ab_link_seal(link, worker->partition, worker->partition_count, worker->reader[sink->reader].next, now_ns);
	ab_count_add(&worker->counts.chunks, 1);
	if (ab_ring_count(&link->full) >= WAKE_CHUNKS)
		wake(worker, sink->loop);
	else if (sink->wake_owed_ns == 0)
		sink->wake_owed_ns = now_ns;
	return true;
}

static void pay_wakes(struct ab_worker *worker, int64_t now_ns, bool resting)
{
	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		if (sink->wake_owed_ns != 0 && (resting || now_ns - sink->wake_owed_ns >= WAKE_OWED_NS))
			wake(worker, sink->loop);
	}
}

/* The offsets a lane was not told about yet. */
static bool has_uncovered(struct ab_worker *worker, struct ab_worker_sink *sink, struct ab_link *link)
{
	const int64_t *next = worker->reader[sink->reader].next;

	for (int i = 0; i < worker->partition_count; i++) {
		uint16_t p = worker->partition[i];
		if (link->covered[p] >= 0 && next[p] > link->covered[p])
			return true;
	}
	return false;
}

static void seal_link(struct ab_worker *worker, struct ab_worker_sink *sink, struct ab_link *link, int64_t now_ns,
		      bool resting)
{
	bool records = link->open != NULL && link->open->record_count > 0;

	if (records) {
		/* While records keep coming, a chunk is filled: a sink thread woken for every few records pays more for the
		 * waking than for the records (PERFORMANCE.md row W-1). */
		if (resting || (ab_ring_count(&link->full) == 0 && now_ns - link->sealed_ns >= BUSY_SEAL_NS))
			ab_worker_seal(worker, sink, link, now_ns);
		return;
	}
	if (now_ns - link->sealed_ns >= AB_COVER_INTERVAL_NS && has_uncovered(worker, sink, link) &&
	    ab_link_room(link, 0, 1) != NULL)
		ab_worker_seal(worker, sink, link, now_ns);
}

void ab_worker_seal_due(struct ab_worker *worker, int64_t now_ns, bool resting)
{
	for (int s = 0; s < worker->sink_count && may_seal(worker); s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		for (uint32_t l = 0; l < sink->lanes && sink->reader >= 0; l++)
			seal_link(worker, sink, &sink->link[l], now_ns, resting);
	}
	pay_wakes(worker, now_ns, resting);
}

void ab_worker_seal_leave(struct ab_worker *worker)
{
	int64_t now_ns = ab_monotonic_ns();
	bool can = may_seal(worker);

	for (int s = 0; s < worker->sink_count; s++) {
		struct ab_worker_sink *sink = &worker->sink[s];
		for (uint32_t l = 0; l < sink->lanes && sink->reader >= 0; l++) {
			if (!can)
				ab_link_discard(&sink->link[l]);
			else if (has_uncovered(worker, sink, &sink->link[l]) &&
				 ab_link_room(&sink->link[l], 0, UINT32_MAX))
				ab_worker_seal(worker, sink, &sink->link[l], now_ns);
			else
				ab_link_discard(&sink->link[l]);
		}
	}
	pay_wakes(worker, now_ns, true);
	worker->dead_given_up = 0; /* what they held back is dropped and will be read again */
}

bool ab_worker_seal_close(struct ab_worker *worker, int s, int64_t now_ns)
{
	struct ab_worker_sink *sink = &worker->sink[s];

	if (!may_seal(worker))
		return false;
	for (uint32_t l = 0; l < sink->lanes; l++) {
		if (sink->link[l].open != NULL && sink->link[l].open->record_count > 0)
			ab_worker_seal(worker, sink, &sink->link[l], now_ns);
	}
	pay_wakes(worker, now_ns, true);
	return true;
}
