/* core/courier.c — see courier.h. */
#include "core/courier.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

/* The end of the program does not wait for a silent sink. */
#define STOP_WAIT_NS (AB_NS_PER_S / 2)

static void *run(void *arg)
{
	struct ab_courier *courier = arg;

	pthread_mutex_lock(&courier->mutex);
	while (!courier->stop) {
		if (courier->where != AB_COURIER_AWAY) {
			pthread_cond_wait(&courier->changed, &courier->mutex);
			continue;
		}
		pthread_mutex_unlock(&courier->mutex);
		if (courier->before != NULL)
			courier->before(courier->before_arg);
		ab_errand_run(&courier->errand, courier->ops, courier->sink, courier->partition_total);
		pthread_mutex_lock(&courier->mutex);
		courier->where = AB_COURIER_BACK;
		pthread_cond_broadcast(&courier->changed);
	}
	courier->ended = true;
	pthread_cond_broadcast(&courier->changed);
	pthread_mutex_unlock(&courier->mutex);
	return NULL;
}

void ab_courier_start(struct ab_courier *courier, const struct ab_sink_ops *ops, struct ab_sink *sink, int partition_total)
{
	pthread_condattr_t attributes;
	char name[16];

	memset(courier, 0, sizeof *courier);
	courier->ops = ops;
	courier->sink = sink;
	courier->partition_total = partition_total;
	AB_ASSERT(pthread_condattr_init(&attributes) == 0);
	AB_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	AB_ASSERT(pthread_mutex_init(&courier->mutex, NULL) == 0);
	AB_ASSERT(pthread_cond_init(&courier->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	AB_ASSERT(pthread_create(&courier->thread, NULL, run, courier) == 0);
	snprintf(name, sizeof name, "ab-ask-%s", ops->name);
	pthread_setname_np(courier->thread, name);
}

/* Waits until *done, under the mutex; until end_ns at most. */
static void wait_for(struct ab_courier *courier, int64_t end_ns, bool (*done)(const struct ab_courier *courier))
{
	struct timespec end = {.tv_sec = end_ns / AB_NS_PER_S, .tv_nsec = end_ns % AB_NS_PER_S};

	while (!done(courier)) {
		if (pthread_cond_timedwait(&courier->changed, &courier->mutex, &end) == ETIMEDOUT)
			return;
	}
}

static bool has_ended(const struct ab_courier *courier)
{
	return courier->ended;
}

static bool is_not_away(const struct ab_courier *courier)
{
	return courier->where != AB_COURIER_AWAY;
}

void ab_courier_end(struct ab_courier *courier)
{
	pthread_mutex_lock(&courier->mutex);
	courier->stop = true;
	courier->stop_by_ns = ab_monotonic_ns() + STOP_WAIT_NS;
	pthread_cond_broadcast(&courier->changed);
	pthread_mutex_unlock(&courier->mutex);
}

bool ab_courier_stop(struct ab_courier *courier)
{
	pthread_mutex_lock(&courier->mutex);
	wait_for(courier, courier->stop_by_ns, has_ended);
	bool ended = courier->ended;
	pthread_mutex_unlock(&courier->mutex);
	if (!ended) {
		pthread_detach(courier->thread);
		return false;
	}
	pthread_join(courier->thread, NULL);
	pthread_cond_destroy(&courier->changed);
	pthread_mutex_destroy(&courier->mutex);
	return true;
}

bool ab_courier_ask(struct ab_courier *courier, enum ab_errand_kind kind, const struct ab_sink_positions *positions,
		    int64_t number)
{
	pthread_mutex_lock(&courier->mutex);
	bool here = courier->where == AB_COURIER_HERE;
	if (here) {
		courier->errand.kind = kind;
		courier->errand.number = number;
		if (positions != NULL)
			courier->errand.positions = *positions;
		courier->where = AB_COURIER_AWAY;
		pthread_cond_broadcast(&courier->changed);
	}
	pthread_mutex_unlock(&courier->mutex);
	return here;
}

const struct ab_errand *ab_courier_take(struct ab_courier *courier, int wait_ms)
{
	pthread_mutex_lock(&courier->mutex);
	if (wait_ms > 0)
		wait_for(courier, ab_monotonic_ns() + wait_ms * AB_NS_PER_MS, is_not_away);
	bool back = courier->where == AB_COURIER_BACK;
	if (back)
		courier->where = AB_COURIER_HERE;
	pthread_mutex_unlock(&courier->mutex);
	return back ? &courier->errand : NULL;
}
