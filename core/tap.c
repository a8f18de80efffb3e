/* core/tap.c — see tap.h. */
#include "core/tap.h"

#include <string.h>

#include "core/pages.h"

#define HEAD_WORDS (offsetof(struct ab_tap_sample, bytes) / 8)
_Static_assert(offsetof(struct ab_tap_sample, bytes) % 8 == 0, "the head is whole words");

/* Of a sample with so many bytes. */
static size_t words(uint32_t used)
{
	return HEAD_WORDS + (used + 7u) / 8;
}

void ab_tap_create(struct ab_tap *tap, int percent)
{
	AB_ASSERT(percent >= 0 && percent <= 100);
	*tap = (struct ab_tap){.below = ((uint64_t)percent << 32) / 100};
	if (percent == 0)
		return;
	tap->slot = ab_pages_take(AB_TAP_SLOTS * sizeof tap->slot[0]);
	tap->open = ab_take_lines(sizeof *tap->open);
	AB_ASSERT(tap->slot != NULL);
}

void ab_tap_destroy(struct ab_tap *tap)
{
	ab_pages_give(tap->slot, AB_TAP_SLOTS * sizeof tap->slot[0]);
	free(tap->open);
}

size_t ab_tap_bytes(int percent)
{
	if (percent == 0)
		return 0;
	return ab_pages_bytes(AB_TAP_SLOTS * sizeof(struct ab_tap_slot)) + sizeof(struct ab_tap_sample);
}

/* Where so many bytes go; UINT32_MAX: there is no room. */
static uint32_t keep(struct ab_tap_sample *sample, const void *bytes, size_t len)
{
	uint32_t at = sample->used;

	if (len > sizeof sample->bytes - at)
		return UINT32_MAX;
	memcpy(sample->bytes + at, bytes, len);
	sample->used += (uint32_t)len;
	return at;
}

void ab_tap_begin(struct ab_tap *tap, const struct ab_event *event, const char *reader, const void *value, size_t len)
{
	struct ab_tap_sample *sample = tap->open;

	sample->offset = event->offset;
	sample->kafka_ts_ms = event->kafka_ts_ms;
	sample->commit_ts_ms = event->commit_ts_ms;
	sample->id = event->id;
	sample->length_seconds = event->length_seconds;
	sample->pct_hundredths = event->pct_hundredths;
	sample->content_type = event->content_type;
	sample->reader = reader;
	sample->partition = event->partition;
	sample->has = event->has;
	sample->op = event->op;
	sample->record_len = (uint32_t)len;
	sample->used = 0;
	sample->record_kept = keep(sample, value, len) != UINT32_MAX ? (uint32_t)len : 0;
	memset(sample->sink, 0, sizeof sample->sink);
}

void ab_tap_to_sink(struct ab_tap *tap, int s, enum ab_tap_outcome outcome, uint32_t lane, const void *bytes, size_t len,
		    const char *reason)
{
	struct ab_tap_sink *sink = &tap->open->sink[s];

	*sink = (struct ab_tap_sink){
	    .outcome = (uint16_t)outcome, .lane = (uint16_t)lane, .len = (uint32_t)len, .reason = reason};
	if (outcome == AB_TAP_GIVEN)
		sink->at = keep(tap->open, bytes, len);
}

void ab_tap_end(struct ab_tap *tap)
{
	uint64_t n = ab_count_get(&tap->count);
	struct ab_tap_slot *slot = &tap->slot[n % AB_TAP_SLOTS];
	const uint64_t *from = (const uint64_t *)(const void *)tap->open;
	size_t count = words(tap->open->used);

	/* Whoever sees a word of this sample sees that the slot was taken for it: release fence [T1]. */
	atomic_store_explicit(&slot->turn, 2 * n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < count; i++)
		atomic_store_explicit(&slot->word[i], from[i], memory_order_relaxed);
	atomic_store_explicit(&slot->turn, 2 * n + 2, memory_order_release); /* [T1] */
	ab_count_set(&tap->count, n + 1);
}

enum ab_tap_read ab_tap_read(const struct ab_tap *tap, uint64_t n, struct ab_tap_sample *to)
{
	if (tap->slot == NULL)
		return AB_TAP_NOT_YET;
	const struct ab_tap_slot *slot = &tap->slot[n % AB_TAP_SLOTS];
	uint64_t *words_to = (uint64_t *)(void *)to;
	uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire); /* [T1] */

	if (turn != 2 * n + 2)
		return turn > 2 * n + 2 ? AB_TAP_GONE : AB_TAP_NOT_YET;
	for (size_t i = 0; i < AB_TAP_SAMPLE_BYTES / 8; i++)
		words_to[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire); /* [T1]: a word of a newer sample comes with its turn */
	return atomic_load_explicit(&slot->turn, memory_order_relaxed) == turn ? AB_TAP_READ : AB_TAP_GONE;
}

uint64_t ab_tap_count(const struct ab_tap *tap)
{
	return ab_count_get(&tap->count);
}
