/* core/acks.h — up to which of its letters Kafka has acknowledged all.
 *
 *     owner:               gives its letters the numbers 0, 1, 2, …
 *     dead-letter thread:  note(number), in whatever order ──▶ upto moves over all that have none missing before them
 *
 * Letters go to several partitions, so acknowledgements overtake each other: their count would not say whose they are.
 *
 * Threads: note from the dead-letter thread; upto from any.
 * Memory:  inside the struct.
 * Limits:  AB_ACKS_MAX letters of one owner under way.
 */
#pragma once

#include <stdatomic.h>

#include "core/base.h"

/* A power of two, above what the producer's queue holds (sinks/dead_letter.h). */
#define AB_ACKS_MAX 16384

struct ab_acks {
	/* Every letter below this number is durable. Written by the dead-letter thread [N2]. */
	AB_GUARD _Atomic uint64_t upto;
	uint64_t noted[AB_ACKS_MAX / 64];	/* its own: the letters from upto on, by number modulo AB_ACKS_MAX */
};

void ab_acks_note(struct ab_acks *acks, uint64_t number);

static inline uint64_t ab_acks_upto(const struct ab_acks *acks)
{
	/* Acquire [N2]: whoever moves a position over a letter finds it durable. */
	return atomic_load_explicit(&acks->upto, memory_order_acquire);
}
