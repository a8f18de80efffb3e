/* monitor/watch.c — see watch.h. */
#include "monitor/watch.h"

#include <time.h>

#include "core/clock.h"

/* An answer older than this many intervals, and than SILENT_MIN_NS, is no answer: the part hangs. */
#define SILENT_INTERVALS 2
#define SILENT_MIN_NS    (2 * AB_NS_PER_S)

/* Until the next question, or until told to stop. */
static bool rest(struct ab_watch *watch)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t end_ns = until.tv_sec * AB_NS_PER_S + until.tv_nsec + watch->interval_ns;
	until = (struct timespec){.tv_sec = end_ns / AB_NS_PER_S, .tv_nsec = end_ns % AB_NS_PER_S};
	pthread_mutex_lock(&watch->mutex);
	while (!watch->stop && pthread_cond_timedwait(&watch->stop_asked, &watch->mutex, &until) == 0)
		continue;
	bool stop = watch->stop;
	pthread_mutex_unlock(&watch->mutex);
	return !stop;
}

static void *run(void *arg)
{
	struct ab_watch *watch = arg;
	char error[AB_WATCH_ERROR_MAX_BYTES];

	do {
		error[0] = 0;
		enum ab_watch_result result = watch->ask(watch->self, watch->scratch, error);
		pthread_mutex_lock(&watch->mutex);
		watch->failed = result == AB_WATCH_FAILED;
		memcpy(watch->error, error, sizeof error);
		if (result == AB_WATCH_ANSWERED) {
			memcpy(watch->answer, watch->scratch, watch->answer_bytes);
			watch->answered_ns = ab_monotonic_ns();
			watch->answers++;
		}
		pthread_mutex_unlock(&watch->mutex);
	} while (rest(watch));
	return NULL;
}

void ab_watch_start(struct ab_watch *watch, const char *name, ab_watch_ask *ask, void *self, size_t answer_bytes,
		    int64_t interval_ns)
{
	pthread_condattr_t monotonic;

	memset(watch, 0, sizeof *watch);
	watch->name = name;
	watch->ask = ask;
	watch->self = self;
	watch->answer_bytes = answer_bytes;
	watch->interval_ns = interval_ns;
	watch->answer = calloc(1, answer_bytes);
	watch->scratch = calloc(1, answer_bytes);
	AB_ASSERT(watch->answer != NULL && watch->scratch != NULL);
	AB_ASSERT(pthread_mutex_init(&watch->mutex, NULL) == 0);
	AB_ASSERT(pthread_condattr_init(&monotonic) == 0);
	AB_ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	AB_ASSERT(pthread_cond_init(&watch->stop_asked, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	AB_ASSERT(pthread_create(&watch->thread, NULL, run, watch) == 0);
}

void ab_watch_stop(struct ab_watch *watch)
{
	pthread_mutex_lock(&watch->mutex);
	watch->stop = true;
	pthread_cond_signal(&watch->stop_asked);
	pthread_mutex_unlock(&watch->mutex);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->stop_asked);
	pthread_mutex_destroy(&watch->mutex);
	free(watch->answer);
	free(watch->scratch);
}

struct ab_watch_state ab_watch_copy(struct ab_watch *watch, void *answer)
{
	struct ab_watch_state state = {.age_ns = -1};
	int64_t silent_ns = SILENT_INTERVALS * watch->interval_ns;

	if (silent_ns < SILENT_MIN_NS)
		silent_ns = SILENT_MIN_NS;
	pthread_mutex_lock(&watch->mutex);
	memcpy(answer, watch->answer, watch->answer_bytes);
	state.count = watch->answers;
	if (watch->answered_ns > 0)
		state.age_ns = ab_monotonic_ns() - watch->answered_ns;
	state.waiting = watch->answered_ns == 0 && !watch->failed;
	state.answers = state.age_ns >= 0 && !watch->failed && state.age_ns < silent_ns;
	memcpy(state.error, watch->error, sizeof state.error);
	pthread_mutex_unlock(&watch->mutex);
	if (!state.answers && state.error[0] == 0)
		snprintf(state.error, sizeof state.error, state.waiting ? "no answer yet" : "silent for %lld s",
			 (long long)(state.age_ns / AB_NS_PER_S));
	return state;
}
