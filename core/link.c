/* core/link.c — see link.h. */
#include "core/link.h"

#include <string.h>

#include "core/pages.h"

#define CHUNKS_BYTES (AB_LINK_CHUNKS * sizeof(struct ab_chunk))

_Static_assert(AB_LINK_CHUNKS <= AB_RING_SLOTS, "every chunk of a link fits its rings, so a push cannot fail");

void ab_link_create(struct ab_link *link)
{
	memset(link, 0, sizeof *link);
	link->chunk = ab_pages_take(CHUNKS_BYTES);
	AB_ASSERT(link->chunk != NULL);
	ab_link_reset(link);
}

void ab_link_destroy(struct ab_link *link)
{
	ab_pages_give(link->chunk, CHUNKS_BYTES);
	link->chunk = NULL;
}

size_t ab_link_bytes(void)
{
	return sizeof(struct ab_link) + ab_pages_bytes(CHUNKS_BYTES);
}

static void push(struct ab_ring *ring, struct ab_chunk *chunk)
{
	enum ab_ring_result result = ab_ring_push(ring, chunk);
	AB_ASSERT(result == AB_RING_OK);
}

void ab_link_reset(struct ab_link *link)
{
	memset(&link->full, 0, sizeof link->full);
	memset(&link->empty, 0, sizeof link->empty);
	link->open = NULL;
	atomic_store_explicit(&link->wanted, 0, memory_order_relaxed);
	link->sealed_ns = 0;
	for (int p = 0; p < AB_PARTITIONS_MAX; p++)
		link->covered[p] = -1;
	for (int i = 0; i < AB_LINK_CHUNKS; i++)
		push(&link->empty, &link->chunk[i]);
}

bool ab_link_open(struct ab_link *link)
{
	AB_ASSERT(link->open == NULL);
	link->open = ab_ring_pop(&link->empty);
	if (link->open == NULL) {
		atomic_exchange(&link->wanted, 1); /* [N1] */
		link->open = ab_ring_pop(&link->empty);
	}
	if (link->open == NULL)
		return false;
	ab_link_discard(link);
	return true;
}

void ab_link_seal(struct ab_link *link, const uint16_t *partition, int count, const int64_t *next, int64_t now_ns)
{
	struct ab_chunk *chunk = link->open;

	AB_ASSERT(chunk != NULL);
	for (int i = 0; i < count; i++) {
		uint16_t p = partition[i];
		if (link->covered[p] < 0 || next[p] <= link->covered[p])
			continue; /* not this lane's, or re-reading what it has already been given */
		chunk->range[chunk->range_count++] =
		    (struct ab_range){.partition = p, .first = link->covered[p], .next = next[p]};
		link->covered[p] = next[p];
	}
	if (chunk->range_count == 0) { /* nothing new: all its records are below what the lane was given before */
		ab_count_add(&link->repeated, chunk->record_count);
		ab_link_discard(link);
		return;
	}
	chunk->sealed_ns = now_ns;
	link->sealed_ns = now_ns;
	link->open = NULL;
	push(&link->full, chunk);
}

void ab_link_discard(struct ab_link *link)
{
	if (link->open != NULL) {
		link->open->used_bytes = 0;
		link->open->record_count = 0;
		link->open->range_count = 0;
	}
}

struct ab_chunk *ab_link_peek(struct ab_link *link)
{
	return ab_ring_peek(&link->full);
}

bool ab_link_release(struct ab_link *link)
{
	push(&link->empty, ab_ring_pop(&link->full));
	return atomic_exchange(&link->wanted, 0) != 0; /* [N1] */
}
