/* core/pause.h — how control stops a thread between two steps, changes what belongs to it, and lets it go on.
 *
 *     control: ab_pause_begin ──▶ wakes the thread, waits until it stands still
 *     thread:  ab_pause_point ──▶ stands still until ab_pause_end
 *
 * While a thread stands still its state is control's: the mutex orders both directions, so nothing else has to be
 * atomic. Readers, lanes and positions are set up in this way and in no other.
 *
 * Threads: begin and end from control; point from the thread itself, once per step.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base.h"

struct ab_pause {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	_Atomic bool asked;	/* written under the mutex; read without it as a hint between steps */
	bool standing;
};

void ab_pause_create(struct ab_pause *pause);
void ab_pause_destroy(struct ab_pause *pause);

/* wake is called once: a parked thread must come to its ab_pause_point() after a wake. */
void ab_pause_begin(struct ab_pause *pause, void (*wake)(void *arg), void *arg);
void ab_pause_end(struct ab_pause *pause);

static inline bool ab_pause_asked(struct ab_pause *pause)
{
	return atomic_load_explicit(&pause->asked, memory_order_relaxed);
}

void ab_pause_point(struct ab_pause *pause);
