/* sinks/redis_sum.c — see redis_sum.h. */
#include "sinks/redis_sum.h"

#include <string.h>

#include "sinks/json_out.h"

enum { HAS_PCT = 1, HAS_CONTENT = 2, FUTURE = 4 };

size_t ab_redis_record_write(uint8_t *to, const struct ab_redis_record *record)
{
	memcpy(to, &record->minute, 8);
	memcpy(to + 8, &record->pct_hundredths, 8);
	memcpy(to + 16, &record->content_id.hi, 8);
	memcpy(to + 24, &record->content_id.lo, 8);
	to[32] = (uint8_t)((record->has_pct ? HAS_PCT : 0) | (record->has_content ? HAS_CONTENT : 0) |
			   (record->future ? FUTURE : 0));
	to[33] = record->type_len;
	if (record->type_len == 0)
		return AB_REDIS_RECORD_HEAD_BYTES;
	char *end = ab_out_token((char *)to + AB_REDIS_RECORD_HEAD_BYTES, (struct ab_text){record->type, record->type_len});
	return (size_t)((uint8_t *)end - to);
}

struct ab_redis_record ab_redis_record_read(const uint8_t *bytes, size_t len)
{
	struct ab_redis_record record = {.type = (const char *)bytes + AB_REDIS_RECORD_HEAD_BYTES};

	AB_ASSERT(len >= AB_REDIS_RECORD_HEAD_BYTES);
	memcpy(&record.minute, bytes, 8);
	memcpy(&record.pct_hundredths, bytes + 8, 8);
	memcpy(&record.content_id.hi, bytes + 16, 8);
	memcpy(&record.content_id.lo, bytes + 24, 8);
	record.has_pct = bytes[32] & HAS_PCT;
	record.has_content = bytes[32] & HAS_CONTENT;
	record.future = bytes[32] & FUTURE;
	record.type_len = bytes[33];
	AB_ASSERT(len == AB_REDIS_RECORD_HEAD_BYTES + (size_t)record.type_len);
	return record;
}

/* One window, one type and one content for each record, at most. */
static uint32_t cell_max(uint32_t item_max)
{
	return 3 * item_max;
}

/* At most half full. */
static uint32_t slot_count(uint32_t item_max)
{
	uint32_t count = 16;

	while (count < 2 * cell_max(item_max))
		count *= 2;
	return count;
}

void ab_redis_sum_create(struct ab_redis_sum *sum, uint32_t item_max)
{
	memset(sum, 0, sizeof *sum);
	sum->cell_max = cell_max(item_max);
	sum->cell = calloc(sum->cell_max, sizeof sum->cell[0]);
	sum->slot_max = slot_count(item_max);
	sum->slot = calloc(sum->slot_max, sizeof sum->slot[0]);
	AB_ASSERT(sum->cell != NULL && sum->slot != NULL);
	ab_redis_sum_clear(sum, item_max);
}

void ab_redis_sum_destroy(struct ab_redis_sum *sum)
{
	free(sum->cell);
	free(sum->slot);
}

size_t ab_redis_sum_bytes(uint32_t item_max)
{
	return cell_max(item_max) * sizeof(struct ab_redis_cell) + slot_count(item_max) * sizeof(struct ab_redis_slot);
}

void ab_redis_sum_clear(struct ab_redis_sum *sum, uint32_t items)
{
	AB_ASSERT(slot_count(items) <= sum->slot_max);
	sum->slot_mask = slot_count(items) - 1;
	if (++sum->round == 0) {	/* after 2^32 batches: slots of the last round 1 must not look alive */
		memset(sum->slot, 0, sum->slot_max * sizeof sum->slot[0]);
		sum->round = 1;
	}
	sum->cell_count = 0;
	sum->windows = AB_REDIS_NONE;
	sum->window_count = 0;
	sum->last_window = AB_REDIS_NONE;
	sum->has_newest = false;
}

/* Two words to one whose low bits depend on all of both: the halves of their product (as in wyhash). */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct ab_redis_cell *key)
{
	const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15), other = UINT64_C(0xD6E8FEB86659FD93);
	uint64_t h = ((uint64_t)key->minute + ((uint64_t)key->kind << 56)) * odd;

	if (key->kind == AB_REDIS_CONTENT)
		return fold(h ^ key->content_id.hi, other ^ key->content_id.lo);
	if (key->kind == AB_REDIS_TYPE) {
		for (uint32_t at = 0; at < key->type.len; at += 8) {
			uint64_t word = 0;
			memcpy(&word, key->type.at + at, ab_min_u64(8, key->type.len - at));
			h = fold(h ^ word, other);
		}
	}
	return fold(h, other);
}

static bool same(const struct ab_redis_cell *a, const struct ab_redis_cell *b)
{
	if (a->kind != b->kind || a->minute != b->minute)
		return false;
	if (a->kind == AB_REDIS_CONTENT)
		return a->content_id.hi == b->content_id.hi && a->content_id.lo == b->content_id.lo;
	if (a->kind == AB_REDIS_TYPE)
		return a->type.len == b->type.len && memcmp(a->type.at, b->type.at, a->type.len) == 0;
	return true;
}

/* The cell of this key: found, or made from it. *made says which. */
static uint32_t find_or_make(struct ab_redis_sum *sum, const struct ab_redis_cell *key, bool *made)
{
	uint32_t at = (uint32_t)hash_of(key) & sum->slot_mask;

	for (; sum->slot[at].round == sum->round; at = (at + 1) & sum->slot_mask) {
		if (same(&sum->cell[sum->slot[at].cell], key)) {
			*made = false;
			return sum->slot[at].cell;
		}
	}
	AB_ASSERT(sum->cell_count < sum->cell_max);
	sum->slot[at] = (struct ab_redis_slot){.round = sum->round, .cell = sum->cell_count};
	sum->cell[sum->cell_count] = *key;
	*made = true;
	return sum->cell_count++;
}

static struct ab_redis_cell *window_of(struct ab_redis_sum *sum, int64_t minute)
{
	struct ab_redis_cell key = {
		.kind = AB_REDIS_WINDOW, .minute = minute, .types = AB_REDIS_NONE, .contents = AB_REDIS_NONE,
	};
	bool made;

	if (sum->last_window != AB_REDIS_NONE && sum->cell[sum->last_window].minute == minute)
		return &sum->cell[sum->last_window];
	uint32_t index = find_or_make(sum, &key, &made);
	if (made) {
		sum->cell[index].next = sum->windows;
		sum->windows = index;
		sum->window_count++;
	}
	sum->last_window = index;
	return &sum->cell[index];
}

static void add_to(struct ab_redis_sum *sum, const struct ab_redis_cell *key, uint32_t *head, uint32_t *count,
		   const struct ab_redis_record *record)
{
	bool made;
	uint32_t index = find_or_make(sum, key, &made);
	struct ab_redis_cell *cell = &sum->cell[index];

	if (made) {
		cell->next = *head;
		*head = index;
		(*count)++;
	}
	cell->events++;
	if (record->has_pct) {
		cell->pct_events++;
		cell->pct_hundredths += record->pct_hundredths;
	}
}

void ab_redis_sum_add(struct ab_redis_sum *sum, const struct ab_redis_record *record)
{
	struct ab_redis_cell *window = window_of(sum, record->minute);
	struct ab_redis_cell key = {.kind = AB_REDIS_TYPE, .minute = record->minute, .next = AB_REDIS_NONE};

	key.type = record->type_len > 0 ? (struct ab_text){record->type, record->type_len} :
					  (struct ab_text){"unknown", 7};
	add_to(sum, &key, &window->types, &window->type_count, record);

	/* Contents are ranked by engagement: an event without a percentage says nothing about them. */
	if (record->has_content && record->has_pct) {
		key.kind = AB_REDIS_CONTENT;
		key.content_id = record->content_id;
		add_to(sum, &key, &window->contents, &window->content_count, record);
	}
	if (!record->future && (!sum->has_newest || record->minute > sum->newest_minute)) {
		sum->has_newest = true;
		sum->newest_minute = record->minute;
	}
}
