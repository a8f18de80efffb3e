/* loadgen/reader.c — see reader.h. What is common to both sinks; reader_redis.c and reader_search.c do the looking. */
#include "loadgen/reader.h"

#include <time.h>

#include "loadgen/clock.h"

#define RECONNECT_NS AB_LG_NS_PER_S
#define IDLE_NS INT64_C(2000000)

static void sleep_until(int64_t ns)
{
	struct timespec at = {.tv_sec = ns / AB_LG_NS_PER_S, .tv_nsec = ns % AB_LG_NS_PER_S};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void take_marks(struct ab_reader *r)
{
	struct ab_mark mark;
	while (r->used < r->room && ab_mark_ring_take(r->ring, &mark)) {
		r->samples[r->used] =
			(struct ab_sample){.mark = mark, .seen_ns = AB_NEVER, .searchable_ns = AB_NEVER};
		if (r->kind->expect != NULL)
			r->kind->expect(r, &r->samples[r->used]);
		r->used++;
	}
}

/* Moves what is complete to the front; the order of the rest stays. */
static void settle(struct ab_reader *r)
{
	for (uint32_t i = r->done; i < r->used; i++) {
		struct ab_sample *s = &r->samples[i];
		if (s->seen_ns == AB_NEVER || (r->kind->has_searchable && s->searchable_ns == AB_NEVER))
			continue;
		struct ab_sample complete = *s;
		memmove(&r->samples[r->done + 1], &r->samples[r->done], (i - r->done) * sizeof *s);
		r->samples[r->done++] = complete;
	}
	atomic_store_explicit(&r->settled, r->done, memory_order_relaxed);
}

/* One look, timed. 0: the connection is gone. */
static int look(struct ab_reader *r)
{
	int64_t begin = ab_lg_now_ns();
	if (!r->kind->look(r)) {
		r->errors++;
		return 0;
	}
	settle(r);
	int64_t took = ab_lg_now_ns() - begin;
	r->looks++;
	if (took > r->look_max_ns)
		r->look_max_ns = took;
	int64_t rest = took + (int64_t)ab_min_u64((uint64_t)took * AB_READER_REST, AB_READER_REST_MAX_NS);
	r->look_due_ns = begin + (rest > r->kind->period_ns ? rest : r->kind->period_ns);
	return 1;
}

static void *work(void *arg)
{
	struct ab_reader *r = arg;
	int connected = 1;
	while (!atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
		take_marks(r);
		if (!connected && !(connected = r->kind->connect(r))) {
			sleep_until(ab_lg_now_ns() + RECONNECT_NS);
			continue;
		}
		int64_t now = ab_lg_now_ns();
		if (r->used == r->done)
			sleep_until(now + IDLE_NS);
		else if (now < r->look_due_ns)
			sleep_until(r->look_due_ns);
		else if (!look(r)) {
			r->kind->disconnect(r);
			connected = 0;
		}
	}
	r->kind->disconnect(r);
	return NULL;
}

int ab_reader_start(struct ab_reader *r, const struct ab_reader_kind *kind, const struct ab_settings *settings,
	uint64_t seed, uint32_t room)
{
	*r = (struct ab_reader){.kind = kind, .settings = settings, .seed = seed, .room = room};
	r->ring = aligned_alloc(128, sizeof *r->ring);
	r->samples = malloc((size_t)room * sizeof *r->samples);
	AB_ASSERT(r->ring != NULL && r->samples != NULL);
	memset(r->ring, 0, sizeof *r->ring);
	if (!kind->connect(r)) {
		ab_reader_free(r);
		return 0;
	}
	AB_ASSERT(pthread_create(&r->thread, NULL, work, r) == 0);
	return 1;
}

void ab_reader_stop(struct ab_reader *r)
{
	if (r->thread == 0)
		return;
	atomic_store_explicit(&r->stopping, 1, memory_order_relaxed);
	pthread_join(r->thread, NULL);
	r->thread = 0;
}

void ab_reader_free(struct ab_reader *r)
{
	free(r->ring);
	free(r->samples);
	r->ring = NULL;
	r->samples = NULL;
}
