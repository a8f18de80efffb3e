/* tests/stress/stress_mark_ring.c — marks pass from one thread to another in order, whole, and dropped ones are counted. */
#include <pthread.h>

#include "loadgen/ring.h"

#define MARKS 2000000

static struct ab_mark_ring ring;
static _Atomic int ended;

static void *put(void *arg)
{
	(void)arg;
	for (int64_t n = 1; n <= MARKS; n++) {
		struct ab_mark mark = {.id = n, .commit_ns = 3 * n, .stage = (uint32_t)n};
		ab_mark_ring_put(&ring, &mark);
	}
	atomic_store(&ended, 1);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	struct ab_mark mark;
	int64_t last = 0, taken = 0;
	AB_ASSERT(pthread_create(&thread, NULL, put, NULL) == 0);
	for (;;) {
		int over = atomic_load(&ended);
		if (ab_mark_ring_take(&ring, &mark)) {
			AB_ASSERT(mark.id > last && mark.commit_ns == 3 * mark.id && mark.stage == (uint32_t)mark.id);
			last = mark.id;
			taken++;
		} else if (over)
			break;
	}
	pthread_join(thread, NULL);
	AB_ASSERT((uint64_t)taken + ring.dropped == MARKS);
	printf("%lld taken, %llu dropped\n", (long long)taken, (unsigned long long)ring.dropped);
	return 0;
}
