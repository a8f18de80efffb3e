/* io/loop_epoll.c — the back end for kernels and containers that refuse io_uring. See loop_backend.h.
 *
 * Edge-triggered: what an edge said is remembered per socket, operations are tried at once where they can succeed, and
 * EAGAIN waits for the next edge (epoll(7), "Level-triggered and edge-triggered").
 */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/loop_backend.h"

/* Events taken in one call. What does not fit comes with the next step. */
#define EVENTS_MAX 64

#define WAKE UINT64_MAX

struct epoll_state {
	struct ab_loop *loop;
	int fd;
	bool no_pwait2;		/* Linux below 5.11: milliseconds */
	struct epoll_event event[EVENTS_MAX];
};

static uint64_t name(const struct ab_socket *socket)
{
	return (uint64_t)socket->generation << 16 | socket->slot;
}

static void *create(struct ab_loop *loop, int socket_max, char *error)
{
	struct epoll_state *state = calloc(1, sizeof *state);
	struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE};

	(void)socket_max;
	AB_ASSERT(state != NULL);
	state->loop = loop;
	state->fd = epoll_create1(EPOLL_CLOEXEC);
	if (state->fd >= 0 && epoll_ctl(state->fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) == 0)
		return state;
	snprintf(error, 256, "epoll: %s (raise the limit of open files: ulimit -n)", strerror(errno));
	if (state->fd >= 0)
		close(state->fd);
	free(state);
	return NULL;
}

static void destroy(void *backend)
{
	struct epoll_state *state = backend;

	close(state->fd);
	free(state);
}

static void start(void *backend)
{
	(void)backend;
}

static int open_socket(void *backend, struct ab_socket *s)
{
	(void)backend;
	s->fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return s->fd < 0 ? -errno : 0;
}

static void try_connect(struct epoll_state *state, struct ab_socket *s)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = name(s)};
	int result = connect(s->fd, (struct sockaddr *)&s->address, s->address_len) == 0 ? 0 : -errno;

	/* After connect(): a socket that never tried to connect reports a hang-up. */
	if ((result == 0 || result == -EINPROGRESS) && epoll_ctl(state->fd, EPOLL_CTL_ADD, s->fd, &event) != 0)
		result = -errno;
	if (result != -EINPROGRESS)
		ab_loop_ready(state->loop, &s->op[AB_OP_CONNECT], result);
}

static void finish_connect(struct epoll_state *state, struct ab_socket *s)
{
	int failure = 0;
	socklen_t len = sizeof failure;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0)
		failure = errno;
	if (failure != 0 || s->writable)
		ab_loop_ready(state->loop, &s->op[AB_OP_CONNECT], -failure);
}

static void try_send(struct epoll_state *state, struct ab_socket *s)
{
	if (!s->writable)
		return;
	ssize_t n = sendmsg(s->fd, &s->message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		s->writable = false;
	else
		ab_loop_ready(state->loop, &s->op[AB_OP_SEND], n < 0 ? -errno : (int)n);
}

static void try_recv(struct epoll_state *state, struct ab_socket *s)
{
	if (!s->readable)
		return;
	ssize_t n = recv(s->fd, s->receive, s->receive_bytes, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) {
		s->readable = false;
		return;
	}
	/* A short read has emptied the socket, unless its end, which makes no further edge, is still to be read. */
	if (n > 0 && (size_t)n < s->receive_bytes && !s->hung_up)
		s->readable = false;
	ab_loop_ready(state->loop, &s->op[AB_OP_RECV], n < 0 ? -errno : (int)n);
}

static void begin(void *backend, struct ab_socket *s, enum ab_op_kind kind)
{
	if (kind == AB_OP_CONNECT)
		try_connect(backend, s);
	else if (kind == AB_OP_SEND)
		try_send(backend, s);
	else
		try_recv(backend, s);
}

static void close_socket(void *backend, struct ab_socket *s, bool abandoned)
{
	(void)backend;
	(void)abandoned;
	close(s->fd);		/* leaves the epoll set with it */
}

static void take_event(struct epoll_state *state, const struct epoll_event *event)
{
	if (event->data.u64 == WAKE)
		return;		/* an edge: the eventfd need not be read */

	uint32_t slot = (uint32_t)(event->data.u64 & UINT16_MAX);
	AB_ASSERT((int)slot < state->loop->socket_max);
	struct ab_socket *s = state->loop->socket[slot];
	/* A descriptor that a forked child still holds stays in the set after our close. */
	if (s == NULL || s->fd < 0 || name(s) != event->data.u64)
		return;

	if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		s->writable = true;
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		s->readable = true;
	if (event->events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		s->hung_up = true;
	if (s->op[AB_OP_CONNECT].state == AB_OP_PENDING)
		finish_connect(state, s);
	if (s->op[AB_OP_SEND].state == AB_OP_PENDING)
		try_send(state, s);
	if (s->op[AB_OP_RECV].state == AB_OP_PENDING)
		try_recv(state, s);
}

static int wait_events(struct epoll_state *state, int64_t timeout_ns)
{
	if (timeout_ns != 0 && !state->no_pwait2) {
		struct timespec timeout = {timeout_ns / AB_NS_PER_S, timeout_ns % AB_NS_PER_S};
		int n = epoll_pwait2(state->fd, state->event, EVENTS_MAX, timeout_ns < 0 ? NULL : &timeout, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n;
		state->no_pwait2 = true;
	}
	/* Rounded up: a time-out that ends early would make the caller spin through the rest. */
	int64_t timeout_ms = timeout_ns < 0 ? -1 : (timeout_ns + AB_NS_PER_MS - 1) / AB_NS_PER_MS;
	return epoll_wait(state->fd, state->event, EVENTS_MAX, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
}

static void wait_for(void *backend, int64_t timeout_ns)
{
	struct epoll_state *state = backend;
	int n = wait_events(state, timeout_ns);

	AB_ASSERT(n >= 0 || errno == EINTR);
	for (int i = 0; i < n; i++)
		take_event(state, &state->event[i]);
}

const struct ab_backend ab_backend_epoll = {
	.name = "epoll",
	.create = create,
	.destroy = destroy,
	.start = start,
	.open = open_socket,
	.begin = begin,
	.close = close_socket,
	.wait = wait_for,
};
