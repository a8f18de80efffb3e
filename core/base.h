/* core/base.h — what every file may use: assertions, sizes, text slices.
 *
 * Threads: any. Memory: none. This header includes nothing of ours.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two lines: the adjacent-line prefetcher of x86 pulls pairs, so one line between two writers is not enough. */
#define AB_CACHE_LINE_BYTES 64
#define AB_GUARD _Alignas(2 * AB_CACHE_LINE_BYTES)

#define AB_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AB_LIKELY(x) __builtin_expect(!!(x), 1)
#define AB_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AB_MUST_USE __attribute__((warn_unused_result))
#define AB_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* A broken assumption of the program itself, never of its input: says where and stops. Stays on in release builds. */
#define AB_ASSERT(condition)                                                                         \
	do {                                                                                         \
		if (AB_UNLIKELY(!(condition))) {                                                     \
			fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                     \
		}                                                                                    \
	} while (0)

/* Whether a text's next bytes may be read though they are nobody's: they are on the same page, and pages are at least this
 * large everywhere we run. The sanitizers disagree. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define AB_SANITIZED 1
#endif
#endif
#ifndef AB_SANITIZED
#define AB_SANITIZED 0
#endif
#define AB_PAGE_BYTES 4096

static inline int ab_readable(const char *at, size_t len)
{
	return !AB_SANITIZED && ((uintptr_t)at & (AB_PAGE_BYTES - 1)) + len <= AB_PAGE_BYTES;
}

/* Bytes that belong to somebody else. at == NULL: there is no value (JSON null, or the field is missing). */
struct ab_text {
	const char *at;
	uint32_t len;
};

/* Zeroed memory that shares no guarded line with anything else; taken at start, so a lack of it ends the start. */
static inline void *ab_take_lines(size_t bytes)
{
	size_t line = 2 * AB_CACHE_LINE_BYTES, rounded = (bytes + line - 1) / line * line;
	void *p = aligned_alloc(line, rounded);

	AB_ASSERT(p != NULL);
	return memset(p, 0, rounded);
}

static inline uint64_t ab_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t ab_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
