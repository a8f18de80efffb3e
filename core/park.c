/* core/park.c — see park.h for why no wake is lost. */
#include "core/park.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 8 /* what is left over is told next time */

void ab_park_create(struct ab_park *park)
{
	struct epoll_event wakes = {.events = EPOLLIN};

	park->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	park->set = epoll_create1(EPOLL_CLOEXEC);
	AB_ASSERT(park->fd >= 0 && park->set >= 0);
	wakes.data.fd = park->fd;
	AB_ASSERT(epoll_ctl(park->set, EPOLL_CTL_ADD, park->fd, &wakes) == 0);
	atomic_init(&park->asleep, 0);
	atomic_init(&park->pending, 0);
}

void ab_park_destroy(struct ab_park *park)
{
	close(park->set);
	close(park->fd);
}

bool ab_park_watch(struct ab_park *park, int fd)
{
	struct epoll_event comes = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};

	return epoll_ctl(park->set, EPOLL_CTL_ADD, fd, &comes) == 0;
}

/* Kernels before 5.11, and some sandboxes, know only whole milliseconds: rather one too long than none at all. */
static int wait_for(int set, struct epoll_event *event, int64_t timeout_ns)
{
	static _Atomic bool refused;
	const struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};

	if (!atomic_load_explicit(&refused, memory_order_relaxed)) {
		int n = epoll_pwait2(set, event, EVENTS_MAX, timeout_ns < 0 ? NULL : &timeout, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		atomic_store_explicit(&refused, true, memory_order_relaxed);
	}
	return epoll_wait(set, event, EVENTS_MAX, timeout_ns < 0 ? -1 : (int)((timeout_ns + 999999) / 1000000));
}

void ab_park_sleep(struct ab_park *park, int64_t timeout_ns)
{
	struct epoll_event event[EVENTS_MAX];
	int count = 0;

	atomic_store(&park->asleep, 1); /* [K1] */
	if (atomic_load(&park->pending) == 0) /* [K2] */
		count = wait_for(park->set, event, timeout_ns);
	atomic_store(&park->asleep, 0);
	atomic_store(&park->pending, 0);

	/* The counter says nothing that pending and the queues do not: it is only emptied. */
	for (int i = 0; i < count; i++) {
		uint64_t ignored;
		if (event[i].data.fd == park->fd && read(park->fd, &ignored, sizeof ignored) < 0)
			AB_ASSERT(errno == EAGAIN);
	}
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
