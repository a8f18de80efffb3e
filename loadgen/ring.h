/* loadgen/ring.h — marks on their way from the sending thread to one reader.
 *
 * Threads: one puts, one takes. Memory: AB_MARK_RING marks, 5 MB. A full ring drops the mark and says so: the sender
 * must never wait for a reader.
 */
#pragma once

#include <stdatomic.h>

#include "loadgen/target.h"

/* A minute of marks at the highest rate, rounded up. */
#define AB_MARK_RING 65536u

struct ab_mark_ring {
	_Alignas(128) _Atomic uint32_t put; /* written by the sender [R1] */
	uint64_t dropped;		    /* the sender's; read after its end */
	_Alignas(128) _Atomic uint32_t taken; /* written by the reader [R2] */
	_Alignas(128) struct ab_mark marks[AB_MARK_RING];
};

static inline void ab_mark_ring_put(struct ab_mark_ring *ring, const struct ab_mark *mark)
{
	uint32_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
	/* Pairs with the release in take() [R2]. */
	if (put - atomic_load_explicit(&ring->taken, memory_order_acquire) == AB_MARK_RING) {
		ring->dropped++;
		return;
	}
	ring->marks[put % AB_MARK_RING] = *mark;
	/* Pairs with the acquire in take() [R1]. */
	atomic_store_explicit(&ring->put, put + 1, memory_order_release);
}

/* 0: there is none. */
static inline int ab_mark_ring_take(struct ab_mark_ring *ring, struct ab_mark *mark)
{
	uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
	/* Pairs with the release in put() [R1]. */
	if (taken == atomic_load_explicit(&ring->put, memory_order_acquire))
		return 0;
	*mark = ring->marks[taken % AB_MARK_RING];
	/* Pairs with the acquire in put() [R2]. */
	atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
	return 1;
}
