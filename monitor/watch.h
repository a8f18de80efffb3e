/* monitor/watch.h — asks one part of the pipeline again and again, in a thread of its own, and keeps its last answer.
 *
 *     thread:  ask() ──▶ answer ──mutex──▶ ab_watch_copy()  :screen
 *
 * A part that hangs holds up nobody but its own thread: its answer grows old, and its age is what a person is shown.
 *
 * Threads: one per watch; copy from any. Memory: two answers, taken at start.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "core/base.h"

#define AB_WATCH_ERROR_MAX_BYTES 200

enum ab_watch_result {
	AB_WATCH_ANSWERED, /* *answer is filled */
	AB_WATCH_FAILED, /* error says why; *answer is kept as it was */
};

/* Blocking, for a second or two at most. self is the asker's own: connections it keeps. */
typedef enum ab_watch_result ab_watch_ask(void *self, void *answer, char *error);

struct ab_watch {
	const char *name;
	ab_watch_ask *ask;
	void *self;
	size_t answer_bytes;
	int64_t interval_ns;

	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t stop_asked;
	bool stop;
	void *answer; /* under the mutex, as all below */
	void *scratch; /* the thread's own */
	int64_t answered_ns; /* monotonic; 0: never */
	uint64_t answers;
	bool failed; /* the last one */
	char error[AB_WATCH_ERROR_MAX_BYTES];
};

struct ab_watch_state {
	bool answers; /* it answers now: the last question was answered, and not long ago */
	bool waiting; /* the first question is under way: nothing is known yet */
	uint64_t count; /* answers so far: a new one has another count */
	int64_t age_ns; /* of the last answer; -1: there was none */
	char error[AB_WATCH_ERROR_MAX_BYTES];
};

void ab_watch_start(struct ab_watch *watch, const char *name, ab_watch_ask *ask, void *self, size_t answer_bytes,
		    int64_t interval_ns);
/* Waits for the question under way. */
void ab_watch_stop(struct ab_watch *watch);

/* Copies the last answer (zeroes when there was none) and says how old it is. */
struct ab_watch_state ab_watch_copy(struct ab_watch *watch, void *answer);
