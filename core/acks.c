/* core/acks.c — see acks.h. */
#include "core/acks.h"

_Static_assert((AB_ACKS_MAX & (AB_ACKS_MAX - 1)) == 0, "numbers are masked");

static uint64_t *word_of(struct ab_acks *acks, uint64_t number)
{
	return &acks->noted[number % AB_ACKS_MAX / 64];
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << number % 64;
}

void ab_acks_note(struct ab_acks *acks, uint64_t number)
{
	/* Relaxed: only this thread writes it. */
	uint64_t upto = atomic_load_explicit(&acks->upto, memory_order_relaxed);

	AB_ASSERT(number >= upto && number - upto < AB_ACKS_MAX && !(*word_of(acks, number) & bit_of(number)));
	*word_of(acks, number) |= bit_of(number);
	for (; *word_of(acks, upto) & bit_of(upto); upto++)
		*word_of(acks, upto) &= ~bit_of(upto);
	atomic_store_explicit(&acks->upto, upto, memory_order_release); /* [N2] */
}
