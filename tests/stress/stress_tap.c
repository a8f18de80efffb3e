/* tests/stress/stress_tap.c — a sample that is read is whole, however fast others overwrite it; none is read twice. */
#include <pthread.h>
#include <string.h>

#include "core/tap.h"

#define SAMPLES 400000

static struct ab_tap tap;
static _Atomic int ended;

/* Every byte of sample n says n, and so does its length. */
static uint32_t length(uint64_t n)
{
	return (uint32_t)(n * 37 % 1500);
}

static void *put(void *arg)
{
	uint8_t bytes[1500];

	(void)arg;
	for (uint64_t n = 0; n < SAMPLES; n++) {
		const struct ab_event event = {.id = (int64_t)n, .offset = (int64_t)n * 3};
		memset(bytes, (int)(n % 251), sizeof bytes);
		ab_tap_begin(&tap, &event, "all", bytes, length(n));
		ab_tap_to_sink(&tap, (int)(n % AB_SINKS_MAX), AB_TAP_GIVEN, 1, bytes, 8, NULL);
		ab_tap_end(&tap);
	}
	atomic_store(&ended, 1);
	return NULL;
}

static void check(const struct ab_tap_sample *sample, uint64_t n)
{
	AB_ASSERT(sample->id == (int64_t)n && sample->offset == (int64_t)n * 3);
	AB_ASSERT(sample->record_kept == length(n) && sample->used == length(n) + 8);
	for (int s = 0; s < AB_SINKS_MAX; s++)
		AB_ASSERT(sample->sink[s].outcome == (s == (int)(n % AB_SINKS_MAX) ? AB_TAP_GIVEN : AB_TAP_NOT_READ));
	for (uint32_t i = 0; i < sample->used; i++)
		AB_ASSERT(sample->bytes[i] == n % 251);
}

int main(void)
{
	struct ab_tap_sample sample;
	uint64_t next = 0, taken = 0, missed = 0;
	pthread_t thread;

	ab_tap_create(&tap, 100);
	AB_ASSERT(pthread_create(&thread, NULL, put, NULL) == 0);
	for (;;) {
		int over = atomic_load(&ended);
		uint64_t count = ab_tap_count(&tap);
		if (count > next + AB_TAP_SLOTS) {
			missed += count - AB_TAP_SLOTS - next;
			next = count - AB_TAP_SLOTS;
		}
		enum ab_tap_read read = ab_tap_read(&tap, next, &sample);
		AB_ASSERT(read != AB_TAP_NOT_YET || next >= count);
		if (read == AB_TAP_READ) {
			check(&sample, next);
			taken++;
		} else if (read == AB_TAP_GONE) {
			missed++;
		}
		next += read != AB_TAP_NOT_YET;
		if (over && next == SAMPLES)
			break;
	}
	pthread_join(thread, NULL);
	AB_ASSERT(taken + missed == SAMPLES && taken > 0);
	printf("%llu read, %llu overwritten\n", (unsigned long long)taken, (unsigned long long)missed);
	ab_tap_destroy(&tap);
	return 0;
}
