/* core/ring.h — a bounded queue of pointers between exactly two threads: one producer, one consumer, no locks.
 *
 * Indices run freely and are masked on use, so full and empty need no spare slot; each side keeps a copy of the
 * other's index and looks at the real one only when the copy says full (or empty), so that in the steady state a hand-
 * over touches no line that the other side writes.
 *
 *   producer                                    consumer
 *   slot[tail] = p                              p = slot[head]
 *   tail := tail + 1   release [R1] ──────────▶ acquire [R1]   publishes the slot and what it points to
 *   acquire [R2] ◀────────────────────────────  head := head + 1   release [R2]   gives the slot back
 *
 * Threads: push from one thread, pop and peek from one thread, count from either.
 * Memory:  inside the struct. AB_RING_SLOTS is a power of two.
 */
#pragma once

#include <stdatomic.h>

#include "core/base.h"

#define AB_RING_SLOTS 16

struct ab_ring {
	AB_GUARD _Atomic uint32_t tail;	/* producer's, [R1] */
	uint32_t head_seen;		/* producer's copy of head */
	AB_GUARD _Atomic uint32_t head;	/* consumer's, [R2] */
	uint32_t tail_seen;		/* consumer's copy of tail */
	AB_GUARD void *slot[AB_RING_SLOTS];
};

_Static_assert((AB_RING_SLOTS & (AB_RING_SLOTS - 1)) == 0, "indices are masked");

enum ab_ring_result { AB_RING_OK, AB_RING_FULL };

static inline enum ab_ring_result ab_ring_push(struct ab_ring *ring, void *p)
{
	/* Relaxed: only this thread writes tail. */
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail - ring->head_seen == AB_RING_SLOTS) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);	/* [R2] */
		if (tail - ring->head_seen == AB_RING_SLOTS)
			return AB_RING_FULL;
	}
	ring->slot[tail & (AB_RING_SLOTS - 1)] = p;
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);			/* [R1] */
	return AB_RING_OK;
}

/* The oldest pointer, left in the ring; NULL when empty. */
static inline void *ab_ring_peek(struct ab_ring *ring)
{
	/* Relaxed: only this thread writes head. */
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head == ring->tail_seen) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);	/* [R1] */
		if (head == ring->tail_seen)
			return NULL;
	}
	return ring->slot[head & (AB_RING_SLOTS - 1)];
}

static inline void *ab_ring_pop(struct ab_ring *ring)
{
	void *p = ab_ring_peek(ring);
	if (p != NULL) {
		/* Relaxed load: only this thread writes head. Release [R2]: the slot may be written again. */
		uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
		atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	}
	return p;
}

/* How many pointers are in the ring, as far as the caller can know: exact for what the other side cannot change. */
static inline uint32_t ab_ring_count(struct ab_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);		/* [R1] */
	return tail - atomic_load_explicit(&ring->head, memory_order_acquire);			/* [R2] */
}
