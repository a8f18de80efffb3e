/* core/cache.h — the content table in memory: UUID to content type and length.
 *
 * Open addressing with linear probing, keyed by the 16 bytes of the UUID. Entries are never moved or freed: a deleted
 * content keeps its slot and reads as a miss, so a reader never meets a half-moved entry.
 *
 * Threads: one writer (the content thread; main before it starts), any number of readers (workers), lock-free.
 *          A key is written before its value is published [C1]; the value is one atomic word.
 * Memory:  capacity is fixed at creation (CONTENT_CAPACITY); a full table refuses the row, loudly.
 */
#pragma once

#include "core/event.h"

struct ab_cache;

struct ab_content {
	const struct ab_content_type *type;	/* NULL: it found no place, see AB_CACHE_TYPES_FULL */
	bool has_length;
	int64_t length_seconds;
};

enum ab_cache_put_result {
	AB_CACHE_STORED,
	AB_CACHE_FULL,		/* nothing was stored: capacity reached, raise CONTENT_CAPACITY */
	AB_CACHE_TYPES_FULL,	/* stored, but reads as a hit of unknown type: AB_CONTENT_TYPES_MAX different types are
				 * there already, or this one is longer than AB_CONTENT_TYPE_MAX_BYTES */
};

enum ab_cache_result { AB_CACHE_HIT, AB_CACHE_MISS };

struct ab_cache *ab_cache_create(size_t capacity);
void ab_cache_destroy(struct ab_cache *cache);

/* Bytes a cache of this capacity takes, for the memory bound. */
size_t ab_cache_bytes(size_t capacity);

/* Writer only. type is UTF-8. length_seconds comes from an int32 column, and more is the caller's to refuse;
 * has_length says whether there is one. A deleted content keeps its slot, and counts towards the capacity. */
enum ab_cache_put_result ab_cache_put(struct ab_cache *cache, struct ab_uuid id, const char *type, size_t type_len,
				      bool has_length, int64_t length_seconds) AB_MUST_USE;
void ab_cache_delete(struct ab_cache *cache, struct ab_uuid id);

/* Readers. Prefetch a batch of ids first, then get them: that hides the memory latency. */
void ab_cache_prefetch(const struct ab_cache *cache, struct ab_uuid id);
enum ab_cache_result ab_cache_get(const struct ab_cache *cache, struct ab_uuid id, struct ab_content *out);

/* Contents that can be hit. Any thread. */
size_t ab_cache_count(const struct ab_cache *cache);
