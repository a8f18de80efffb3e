/* tests/stress/stress_cache.c — one writer fills, changes and deletes contents while readers look them up.
 *
 * A content's length says which type belongs to it, so a reader that met a key without its value, a value without its
 * type, or halves of two values would see it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/cache.h"

enum { CONTENTS = 3000, TYPES = 40, ROUNDS = 60, READERS = 3 };

static struct ab_cache *cache;
static atomic_bool done;

static struct ab_uuid id(uint64_t n)
{
	return (struct ab_uuid){n * UINT64_C(0x9e3779b97f4a7c15), ~n};
}

/* Length and type of content n in a round. */
static int64_t length_of(uint64_t n, uint64_t round)
{
	return (int64_t)((n * 31 + round * 7) % 100000);
}

static int type_of(int64_t length_seconds, char *to)
{
	return sprintf(to, "type-%d\n", (int)(length_seconds % TYPES));
}

static void *read_contents(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg, hits = 0;
	char type[32];
	do {
		for (int i = 0; i < 1000; i++) {
			struct ab_content content;
			random = random * UINT64_C(6364136223846793005) + 1;
			uint64_t n = (random >> 33) % (CONTENTS + 100);
			ab_cache_prefetch(cache, id(n));
			if (ab_cache_get(cache, id(n), &content) == AB_CACHE_MISS)
				continue;
			hits++;
			AB_ASSERT(n < CONTENTS);
			AB_ASSERT(content.has_length && content.type != NULL);
			int len = type_of(content.length_seconds, type);
			AB_ASSERT(content.type->text.len == (uint32_t)len);
			AB_ASSERT(memcmp(content.type->text.at, type, (size_t)len) == 0);
			AB_ASSERT(content.type->json.len ==
				  (uint32_t)len + 7); /* two quotes, and \u000a for the line end */
		}
		AB_ASSERT(ab_cache_count(cache) <= CONTENTS);
	} while (!atomic_load(&done));
	return (void *)(uintptr_t)hits;
}

static void write_contents(void)
{
	char type[32];
	for (uint64_t round = 0; round < ROUNDS; round++) {
		for (uint64_t n = 0; n < CONTENTS; n++) {
			int64_t length_seconds = length_of(n, round);
			size_t len = (size_t)type_of(length_seconds, type);
			AB_ASSERT(ab_cache_put(cache, id(n), type, len, true, length_seconds) == AB_CACHE_STORED);
			if (n % 5 == round % 5)
				ab_cache_delete(cache, id(n));
		}
	}
}

int main(void)
{
	pthread_t reader[READERS];
	uint64_t hits = 0;
	cache = ab_cache_create(CONTENTS);
	AB_ASSERT(cache != NULL);
	for (int i = 0; i < READERS; i++)
		AB_ASSERT(pthread_create(&reader[i], NULL, read_contents, (void *)(uintptr_t)(i + 1)) == 0);
	write_contents();
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++) {
		void *count;
		AB_ASSERT(pthread_join(reader[i], &count) == 0);
		hits += (uintptr_t)count;
	}
	/* Of the last round four fifths are there. */
	AB_ASSERT(ab_cache_count(cache) == CONTENTS / 5 * 4);
	AB_ASSERT(hits > 0);
	printf("%llu hits\n", (unsigned long long)hits);
	ab_cache_destroy(cache);
	return 0;
}
