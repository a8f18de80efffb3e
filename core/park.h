/* core/park.h — how a thread sleeps until another has something for it.
 *
 *     sleeper: asleep := 1 [K1] ── pending? ── no ──▶ epoll(eventfd, watched sockets) ──▶ asleep := 0
 *     waker:   pending := 1 [K2] ── asleep? ── yes ─▶ write(eventfd)
 *
 * Both store before they load, sequentially consistent, so at least one of them sees the other: no wake is lost, and a
 * waker pays a system call only when the sleeper sleeps. librdkafka writes to the eventfd by itself. A watched socket wakes
 * when something comes, not while something is there: who does not read it sleeps on.
 *
 * Threads: ab_park_sleep from its owner, ab_park_wake from any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/base.h"

struct ab_park {
	int fd;			/* an eventfd */
	int set;		/* an epoll of it and of what is watched */
	_Atomic int asleep;	/* [K1] */
	_Atomic int pending;	/* [K2] */
};

void ab_park_create(struct ab_park *park);
void ab_park_destroy(struct ab_park *park);

/* Returns after a wake, or after timeout_ns (< 0: no time-out). A wake before the call makes it return at once. */
void ab_park_sleep(struct ab_park *park, int64_t timeout_ns);
void ab_park_wake(struct ab_park *park);

/* Until it is closed, a socket wakes the sleeper when it is connected and whenever bytes arrive. false: the kernel has no
 * room for it, errno says why. By its owner, or while that stands still. */
bool ab_park_watch(struct ab_park *park, int fd);
