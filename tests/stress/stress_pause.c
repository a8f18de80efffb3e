/* tests/stress/stress_pause.c — control changes a thread's state while it stands still, ten thousand times. */
#include <sched.h>

#include "core/park.h"
#include "core/pause.h"

#define ROUNDS 10000

static struct ab_pause pause_under_test;
static struct ab_park park;
static _Atomic bool stop;
static int a, b;	/* plain: only the pause orders them; always equal when the thread looks */
static long seen;

static void *run(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		ab_pause_point(&pause_under_test);
		AB_ASSERT(a == b);
		seen++;
		if (seen % 3 == 0)
			ab_park_sleep(&park, 1000);
	}
	return NULL;
}

static void wake(void *arg)
{
	ab_park_wake(arg);
}

int main(void)
{
	pthread_t thread;

	ab_pause_create(&pause_under_test);
	ab_park_create(&park);
	AB_ASSERT(pthread_create(&thread, NULL, run, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		ab_pause_begin(&pause_under_test, wake, &park);
		a++;
		sched_yield();
		b++;
		ab_pause_end(&pause_under_test);
	}
	atomic_store(&stop, true);
	ab_park_wake(&park);
	pthread_join(thread, NULL);
	AB_ASSERT(a == ROUNDS && seen > 0);
	printf("%d pauses, %ld steps between them\n", ROUNDS, seen);
	return 0;
}
