/* tests/stress/stress_link.c — one thread fills chunks, another checks every byte of them. Run it under TSan too.
 *
 * Counters of the rings start just below their wrap, so that it happens early.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/link.h"
#include "core/park.h"

#define RECORDS 200000

static struct ab_link link_under_test;
static struct ab_park reader_park, writer_park;

static uint8_t pattern(int64_t offset, uint32_t i)
{
	return (uint8_t)(offset * 31 + i * 7);
}

static void *reader(void *arg)
{
	int64_t expected = 0, covered = 0;

	(void)arg;
	while (covered < RECORDS) {
		struct ab_chunk *chunk = ab_link_peek(&link_under_test);
		if (chunk == NULL) {
			ab_park_sleep(&reader_park, 100000000);
			continue;
		}
		AB_ASSERT(chunk->range_count == 1 && chunk->range[0].first == covered);
		struct ab_record *record = (struct ab_record *)chunk->bytes;
		for (uint32_t r = 0; r < chunk->record_count; r++, record = ab_record_next(record)) {
			AB_ASSERT(record->offset == expected);
			for (uint32_t i = 0; i < record->len; i++)
				AB_ASSERT(ab_record_bytes(record)[i] == pattern(record->offset, i));
			expected++;
		}
		covered = chunk->range[0].next;
		if (ab_link_release(&link_under_test))
			ab_park_wake(&writer_park);
	}
	AB_ASSERT(expected == RECORDS);
	return NULL;
}

static void write_one(int64_t offset)
{
	static const uint16_t zero = 0;
	struct ab_chunk *chunk;
	uint32_t len = (uint32_t)(offset % 97);

	while ((chunk = ab_link_room(&link_under_test, ab_record_size(len), 64)) == NULL) {
		if (link_under_test.open != NULL) {
			ab_link_seal(&link_under_test, &zero, 1, &offset, 0);
			ab_park_wake(&reader_park);
		} else {
			ab_park_sleep(&writer_park, -1); /* a wake that was lost is a test that does not end */
		}
	}
	struct ab_record *record = ab_link_record(chunk);
	*record = (struct ab_record){.offset = offset, .len = len};
	for (uint32_t i = 0; i < len; i++)
		ab_record_bytes(record)[i] = pattern(offset, i);
	ab_link_append(chunk, record);
}

int main(void)
{
	static const uint16_t zero = 0;
	const uint32_t near_wrap = UINT32_MAX - 100;
	int64_t end = RECORDS;
	pthread_t thread;

	ab_park_create(&reader_park);
	ab_park_create(&writer_park);
	ab_link_create(&link_under_test);
	link_under_test.covered[0] = 0;
	/* Move both rings to just below the wrap, slots included. */
	struct ab_ring *rings[] = {&link_under_test.full, &link_under_test.empty};
	for (int r = 0; r < 2; r++) {
		void *kept[AB_RING_SLOTS];
		uint32_t count = 0;
		while ((kept[count] = ab_ring_pop(rings[r])) != NULL)
			count++;
		memset(rings[r], 0, sizeof *rings[r]);
		rings[r]->head = rings[r]->tail = rings[r]->head_seen = rings[r]->tail_seen = near_wrap;
		for (uint32_t i = 0; i < count; i++)
			AB_ASSERT(ab_ring_push(rings[r], kept[i]) == AB_RING_OK);
	}
	AB_ASSERT(pthread_create(&thread, NULL, reader, NULL) == 0);
	for (int64_t offset = 0; offset < RECORDS; offset++)
		write_one(offset);
	if (link_under_test.open != NULL)
		ab_link_seal(&link_under_test, &zero, 1, &end, 0);
	ab_park_wake(&reader_park);
	pthread_join(thread, NULL);
	ab_link_destroy(&link_under_test);
	ab_park_destroy(&reader_park);
	ab_park_destroy(&writer_park);
	printf("%d records, every byte as written\n", RECORDS);
	return 0;
}
