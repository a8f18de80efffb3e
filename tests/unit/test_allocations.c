/* tests/unit/test_allocations.c — nothing is allocated after the start on the way from a record to its settled requests.
 *
 * bench/whole.h runs the engine's own code: worker, links, lanes, and the sinks' requests and answers. What takes memory
 * is defined here and counts before it asks libc, so that the calls of every object and library of the program are seen:
 * ours, libstdc++'s, simdjson's, jansson's. Not on this way, and not seen: librdkafka and the sockets.
 *
 * Address sanitizer brings an allocator of its own: then all of it runs, but nothing is counted. Under thread sanitizer
 * Criterion, and so this, does not run.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <execinfo.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/whole.h"
#include "core/json.h"

#if defined(__SANITIZE_ADDRESS__)
#define COUNTING 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTING 0
#endif
#endif
#ifndef COUNTING
#define COUNTING 1
#endif

/* Warm: BigQuery's lanes ask once what their table has, and that answer is read by jansson, which allocates. */
enum { MESSAGES = 10000, WARM_RUNS = 1, RUNS = COUNTING ? 6 : 1 };

/* Every eighth message has a key that no other has, so that no shape fits and simdjson reads it. */
enum { ODD_ONE_IN = 8 };

/* volatile: the compiler knows malloc and its like, and that they touch nothing of ours. */
static volatile bool counting;
static volatile uint64_t allocations;
static void *caller[24];	/* of the first of them, for addr2line */
static int callers;

#if COUNTING
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes);

static void seen(void)
{
	if (counting && allocations++ == 0) {
		counting = false;	/* for backtrace's own */
		callers = backtrace(caller, AB_COUNT(caller));
		counting = true;
	}
}

void *malloc(size_t bytes)
{
	seen();
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	seen();
	return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	seen();
	return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
	seen();
	return __libc_memalign(align, bytes);
}

void *memalign(size_t align, size_t bytes)
{
	seen();
	return __libc_memalign(align, bytes);
}

int posix_memalign(void **to, size_t align, size_t bytes)
{
	seen();
	*to = __libc_memalign(align, bytes);
	return *to != NULL ? 0 : ENOMEM;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	seen();
	return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}
#endif

static void count_from_here(void)
{
	callers = backtrace(caller, AB_COUNT(caller));	/* loads what it needs, once */
	allocations = 0;
	counting = true;
}

static uint64_t counted(void)
{
	counting = false;
	return allocations;
}

/* {"id":… becomes {"odd_17":17,"id":… in front of the row's own keys. */
static void make_odd(struct ab_bench_messages *messages)
{
	static const char key[] = "\"id\":";

	for (uint32_t i = 0; i < messages->count; i += ODD_ONE_IN) {
		struct ab_text *m = &messages->at[i];
		char *to = calloc(1, m->len + 64 + AB_JSON_PADDING_BYTES);
		const char *at = memmem(m->at, m->len, key, sizeof key - 1);
		cr_assert(to != NULL && at != NULL);
		size_t front = (size_t)(at - m->at);
		memcpy(to, m->at, front);
		size_t len = front + (size_t)sprintf(to + front, "\"odd_%u\":%u,", i, i);
		memcpy(to + len, at, m->len - front);
		*m = (struct ab_text){to, (uint32_t)(len + m->len - front)};
	}
}

static void settle_without_allocating(enum ab_shape shape, int sampled_percent)
{
	static struct ab_bench_whole *whole;	/* nobody destroys it, and nothing of it is lost */
	const struct ab_shape_counts *shapes;

	whole = ab_bench_whole_new(shape, AB_BENCH_MIXED, MESSAGES);
	whole->answering = true;
	ab_tap_destroy(&whole->worker.tap);
	ab_tap_create(&whole->worker.tap, sampled_percent);
	shapes = ab_decoder_shapes(whole->worker.decoder);
	make_odd(&whole->messages);
	for (int i = 0; i < WARM_RUNS; i++)
		ab_bench_whole_run(whole);

	uint64_t records = 0, matched = ab_count_get(&shapes->matched), missed = ab_count_get(&shapes->missed);
	count_from_here();
	for (int i = 0; i < RUNS; i++) {
		ab_bench_whole_run(whole);
		records += whole->records;
	}
	uint64_t count = counted();
	if (count > 0)
		backtrace_symbols_fd(caller, callers, STDERR_FILENO);
	cr_assert_eq(count, 0, "%lu allocations for %d events of shape %s, the first as above (addr2line)", count,
		     MESSAGES * RUNS, ab_shape_names[shape]);

	/* Or it was not the way it claims to be. Redis counts neither updates nor deletes. */
	cr_assert_gt(records, UINT64_C(2) * MESSAGES * RUNS);
	cr_assert_geq(ab_count_get(&shapes->missed) - missed, MESSAGES / ODD_ONE_IN * RUNS);
	cr_assert_geq(ab_count_get(&shapes->matched) - matched, MESSAGES / 2 * RUNS);
	cr_assert_eq(ab_count_get(&whole->worker.counts.records), (uint64_t)MESSAGES * (WARM_RUNS + RUNS));
	cr_assert_eq(ab_tap_count(&whole->worker.tap) > 0, sampled_percent > 0);
	cr_assert(sampled_percent < 100 || ab_tap_count(&whole->worker.tap) == (uint64_t)MESSAGES * (WARM_RUNS + RUNS));
}

Test(allocations, none_for_unwrapped_records_with_their_schema)
{
	settle_without_allocating(AB_SHAPE_UNWRAPPED_SCHEMA, 1);
}

Test(allocations, none_for_envelopes_of_which_each_is_sampled)
{
	settle_without_allocating(AB_SHAPE_ENVELOPE, 100);
}

#if COUNTING
/* What counts must see what it is there for. */
Test(allocations, every_way_to_take_memory_is_counted)
{
	void *volatile p[4];
	void *aligned = NULL;
	uint64_t count[6];

	count_from_here();
	p[0] = malloc(1);
	count[0] = allocations;
	p[0] = realloc(p[0], 100);
	count[1] = allocations;
	p[1] = calloc(2, 3);
	count[2] = allocations;
	p[2] = ab_take_lines(1);
	count[3] = allocations;
	int failed = posix_memalign(&aligned, 64, 64);
	count[4] = allocations;
	p[3] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	count[5] = counted();
	for (uint64_t i = 0; i < AB_COUNT(count); i++)
		cr_expect_eq(count[i], i + 1, "after call %lu: %lu", i + 1, count[i]);
	munmap(p[3], 4096);
	cr_expect_eq(failed, 0);
	for (int i = 0; i < 3; i++)
		free(p[i]);
	free(aligned);
}

/* The parser itself is one new of ours, through libstdc++; its buffers are made by simdjson. */
Test(allocations, those_of_the_library_that_reads_json_are_counted)
{
	count_from_here();
	struct ab_json *json = ab_json_create(65536);
	cr_assert_geq(counted(), 3);
	ab_json_destroy(json);
}
#endif
