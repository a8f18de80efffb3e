/* core/park.c — see park.h for why no wake is lost. */
#include "core/park.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void ab_park_create(struct ab_park *park)
{
	park->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	AB_ASSERT(park->fd >= 0);
	atomic_init(&park->asleep, 0);
	atomic_init(&park->pending, 0);
}

void ab_park_destroy(struct ab_park *park)
{
	close(park->fd);
}

void ab_park_sleep(struct ab_park *park, int64_t timeout_ns)
{
	atomic_store(&park->asleep, 1); /* [K1] */
	if (atomic_load(&park->pending) == 0) { /* [K2] */
		struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
		struct pollfd fd = {.fd = park->fd, .events = POLLIN};
		ppoll(&fd, 1, timeout_ns < 0 ? NULL : &timeout, NULL);
	}
	atomic_store(&park->asleep, 0);
	atomic_store(&park->pending, 0);

	/* The counter says nothing that pending and the queues do not: it is only emptied. */
	uint64_t ignored;
	ssize_t n = read(park->fd, &ignored, sizeof ignored);
	(void)n;
}

void ab_park_wake(struct ab_park *park)
{
	if (atomic_exchange(&park->pending, 1) != 0) /* [K2] already woken, not yet seen */
		return;
	if (atomic_load(&park->asleep)) { /* [K1] */
		const uint64_t one = 1;
		ssize_t n = write(park->fd, &one, sizeof one);
		(void)n;
	}
}
