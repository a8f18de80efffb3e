/* tests/stress/stress_loop_wake.c — no wake is lost while other threads wake a loop that steps. Run it under TSan too.
 *
 * Each waker hands over a number and waits until the loop's thread has seen it; the loop waits without a time-out, so
 * a lost wake is a hang, which the alarm ends. What is handed over is plain memory: the wake itself must order it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "io/loop.h"

#define WAKERS 3
#define ROUNDS 20000
#define HANG_S 120

struct box {
	_Atomic int full;
	int value;
};

static struct ab_loop *loop;
static struct box box[WAKERS];

static void *waker(void *arg)
{
	struct box *mine = arg;

	for (int i = 1; i <= ROUNDS; i++) {
		mine->value = i;
		atomic_store_explicit(&mine->full, 1, memory_order_release);	/* [T1] */
		ab_loop_wake(loop);
		while (atomic_load_explicit(&mine->full, memory_order_acquire))	/* [T2] */
			sched_yield();
	}
	return NULL;
}

static void run(enum ab_io_backend backend)
{
	pthread_t thread[WAKERS];
	int seen = 0;
	char error[256] = "";

	loop = ab_loop_create(backend, 1, error);
	if (loop == NULL) {
		printf("left out: %s\n", error);
		return;
	}
	for (int w = 0; w < WAKERS; w++)
		AB_ASSERT(pthread_create(&thread[w], NULL, waker, &box[w]) == 0);
	while (seen < WAKERS * ROUNDS) {
		ab_loop_step(loop, -1);
		for (int w = 0; w < WAKERS; w++) {
			if (!atomic_load_explicit(&box[w].full, memory_order_acquire))	/* [T1] */
				continue;
			AB_ASSERT(box[w].value > 0 && box[w].value <= ROUNDS);
			seen++;
			atomic_store_explicit(&box[w].full, 0, memory_order_release);	/* [T2] */
		}
	}
	for (int w = 0; w < WAKERS; w++)
		pthread_join(thread[w], NULL);
	struct ab_loop_counts counts = ab_loop_counts(loop);
	printf("%s: %d hand-overs, %llu steps, %llu waits\n", ab_loop_backend(loop, NULL), seen,
	       (unsigned long long)counts.steps, (unsigned long long)counts.waits);
	ab_loop_destroy(loop);
}

int main(void)
{
	alarm(HANG_S);
	run(AB_IO_URING);
	run(AB_IO_EPOLL);
	return 0;
}
