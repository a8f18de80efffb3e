/* core/cache.c — see cache.h.
 *
 *     entry   [ hi | lo | value | spare ]      32 bytes: two to a cache line, none across
 *     value   0: free slot; else bit 0 set     63..32 length, 31..16 type, bit 2 has length, bit 1 alive
 */
#include "core/cache.h"

#include <stdatomic.h>
#include <string.h>

#include "core/limits.h"
#include "core/pages.h"

#define VALUE_TAKEN UINT64_C(1)
#define VALUE_ALIVE UINT64_C(2)
#define VALUE_HAS_LENGTH UINT64_C(4)
#define VALUE_TYPE_SHIFT 16
#define VALUE_LENGTH_SHIFT 32

/* Type of a content whose type found no place. */
#define TYPE_NONE UINT16_MAX

/* A control character becomes \u00XX, and two quotes go around. */
#define TYPE_JSON_MAX_BYTES (6 * AB_CONTENT_TYPE_MAX_BYTES + 2)

/* Slots per content: half of them stay free, so that a look-up ends after one or two entries. */
#define SLOTS_PER_CONTENT 2

_Static_assert(AB_CONTENT_TYPES_MAX < TYPE_NONE, "a type's number must fit its field and leave one free");

struct entry {
	uint64_t hi, lo;
	/* [C1] stored with release after the key and the type, loaded with acquire before either is read */
	_Atomic uint64_t value;
	uint64_t spare;
};
_Static_assert(sizeof(struct entry) == 32, "no entry may lie across two cache lines");

struct type_bytes {
	char text[AB_CONTENT_TYPE_MAX_BYTES];
	char json[TYPE_JSON_MAX_BYTES];
};

struct ab_cache {
	struct entry *entry;
	size_t slots;
	size_t capacity;
	size_t taken;			/* writer only: slots with a key, deleted contents included */
	_Atomic size_t count;		/* [C2] relaxed, single writer: a number for people */
	uint16_t type_count;		/* writer only */
	struct ab_content_type type[AB_CONTENT_TYPES_MAX];
	struct type_bytes bytes[AB_CONTENT_TYPES_MAX];
};

static size_t slot_count(size_t capacity)
{
	return (capacity ? capacity : 1) * SLOTS_PER_CONTENT;
}

size_t ab_cache_bytes(size_t capacity)
{
	return sizeof(struct ab_cache) + ab_pages_bytes(slot_count(capacity) * sizeof(struct entry));
}

struct ab_cache *ab_cache_create(size_t capacity)
{
	struct ab_cache *cache = calloc(1, sizeof *cache);
	if (cache == NULL || slot_count(capacity) > SIZE_MAX / 64 / sizeof(struct entry)) {
		free(cache);
		return NULL;
	}
	cache->capacity = capacity;
	cache->slots = slot_count(capacity);
	cache->entry = ab_pages_take(cache->slots * sizeof(struct entry));
	if (cache->entry == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void ab_cache_destroy(struct ab_cache *cache)
{
	if (cache != NULL)
		ab_pages_give(cache->entry, cache->slots * sizeof(struct entry));
	free(cache);
}

/* Ids of version 7 share their first bits and ids of one batch may share more, so every bit is stirred into the high
 * ones, which choose the slot. */
static size_t slot_of(const struct ab_cache *cache, struct ab_uuid id)
{
	uint64_t h = id.hi ^ (id.lo << 32 | id.lo >> 32);
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return (size_t)(((unsigned __int128)h * cache->slots) >> 64);
}

/* The entry of this id, or the free one where it would go. There always is a free one: half of the slots are. */
static struct entry *find(const struct ab_cache *cache, struct ab_uuid id, uint64_t *value)
{
	for (size_t slot = slot_of(cache, id);; slot = slot + 1 == cache->slots ? 0 : slot + 1) {
		struct entry *entry = &cache->entry[slot];
		*value = atomic_load_explicit(&entry->value, memory_order_acquire);	/* [C1] */
		if (*value == 0 || (entry->hi == id.hi && entry->lo == id.lo))
			return entry;
	}
}

/* Writes a text as a JSON string token and returns its length. The text is UTF-8 already. */
static size_t quote(char *to, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char *at = to;
	*at++ = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20) {
			memcpy(at, "\\u00", 4);
			at[4] = hex[c >> 4];
			at[5] = hex[c & 15];
			at += 6;
			continue;
		}
		if (c == '"' || c == '\\')
			*at++ = '\\';
		*at++ = (char)c;
	}
	*at++ = '"';
	return (size_t)(at - to);
}

/* The number of a type, a new one if need be. Types are few and only the writer looks here. */
static uint16_t intern(struct ab_cache *cache, const char *text, size_t len)
{
	for (uint16_t i = 0; i < cache->type_count; i++)
		if (cache->type[i].text.len == len && memcmp(cache->type[i].text.at, text, len) == 0)
			return i;
	if (len > AB_CONTENT_TYPE_MAX_BYTES || cache->type_count == AB_CONTENT_TYPES_MAX)
		return TYPE_NONE;
	uint16_t id = cache->type_count++;
	struct type_bytes *bytes = &cache->bytes[id];
	memcpy(bytes->text, text, len);
	cache->type[id] = (struct ab_content_type){
		.id = id,
		.text = {bytes->text, (uint32_t)len},
		.json = {bytes->json, (uint32_t)quote(bytes->json, text, len)},
	};
	return id;
}

static void add_to_count(struct ab_cache *cache, size_t difference)
{
	size_t count = atomic_load_explicit(&cache->count, memory_order_relaxed);
	atomic_store_explicit(&cache->count, count + difference, memory_order_relaxed);
}

enum ab_cache_put_result ab_cache_put(struct ab_cache *cache, struct ab_uuid id, const char *type, size_t type_len,
				      bool has_length, int64_t length_seconds)
{
	AB_ASSERT(!has_length || (length_seconds >= INT32_MIN && length_seconds <= INT32_MAX));
	uint64_t old;
	struct entry *entry = find(cache, id, &old);
	if (old == 0 && cache->taken == cache->capacity)
		return AB_CACHE_FULL;

	uint16_t type_id = intern(cache, type, type_len);
	uint64_t value = VALUE_TAKEN | VALUE_ALIVE | (uint64_t)type_id << VALUE_TYPE_SHIFT;
	if (has_length)
		value |= VALUE_HAS_LENGTH | (uint64_t)(uint32_t)length_seconds << VALUE_LENGTH_SHIFT;
	if (old == 0) {
		entry->hi = id.hi;
		entry->lo = id.lo;
		cache->taken++;
	}
	if (!(old & VALUE_ALIVE))
		add_to_count(cache, 1);
	atomic_store_explicit(&entry->value, value, memory_order_release);	/* [C1] */
	return type_id == TYPE_NONE ? AB_CACHE_TYPES_FULL : AB_CACHE_STORED;
}

void ab_cache_delete(struct ab_cache *cache, struct ab_uuid id)
{
	uint64_t old;
	struct entry *entry = find(cache, id, &old);
	if (!(old & VALUE_ALIVE))
		return;
	add_to_count(cache, (size_t)-1);
	atomic_store_explicit(&entry->value, VALUE_TAKEN, memory_order_release);	/* [C1] */
}

void ab_cache_prefetch(const struct ab_cache *cache, struct ab_uuid id)
{
	__builtin_prefetch(&cache->entry[slot_of(cache, id)]);
}

enum ab_cache_result ab_cache_get(const struct ab_cache *cache, struct ab_uuid id, struct ab_content *out)
{
	uint64_t value;
	find(cache, id, &value);
	if (!(value & VALUE_ALIVE))
		return AB_CACHE_MISS;
	uint16_t type_id = (uint16_t)(value >> VALUE_TYPE_SHIFT);
	*out = (struct ab_content){
		.type = type_id == TYPE_NONE ? NULL : &cache->type[type_id],
		.has_length = value & VALUE_HAS_LENGTH,
		.length_seconds = (int32_t)(uint32_t)(value >> VALUE_LENGTH_SHIFT),
	};
	return AB_CACHE_HIT;
}

size_t ab_cache_count(const struct ab_cache *cache)
{
	return atomic_load_explicit(&cache->count, memory_order_relaxed);	/* [C2] */
}
