/* io/loop_uring.c — the io_uring back end. See loop_backend.h.
 *
 * Operations are queued without a system call and go to the kernel with the wait of the next step: one system call per
 * step, whatever there is to do. Sockets are blocking ones: io_uring fails with EAGAIN on others instead of waiting.
 *
 * The ring is made on one thread and used by another: with SINGLE_ISSUER it starts disabled, and the thread that
 * enables it is the one that may use it. Kernels before 6.1 get a plain ring.
 *
 * Source: io_uring(7), io_uring_setup(2), io_uring_enter(2); the flags' meaning is the kernel's.
 */
#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/loop_backend.h"

/* Of one socket at once: send and receive (or connect), and the cancellation of each. */
#define COMPLETIONS_PER_SOCKET (2 * 2)
#define COMPLETIONS_OTHER 1		/* the read of the eventfd */

/* io_uring_setup(2) refuses rings of more. */
#define RING_ENTRIES_MAX 32768

/* A cancelled socket operation ends within microseconds. One that does not would leave the kernel with memory that is
 * no longer ours to lend: then it is better to stop than to send wrong bytes. */
#define CLOSE_MAX_NS (5 * AB_NS_PER_S)

enum { KIND_WAKE = AB_OP_KINDS, KIND_CANCEL };

struct uring_state {
	struct ab_loop *loop;
	struct io_uring ring;
	bool disabled;			/* until start() */
	uint32_t in_flight, in_flight_max;
	bool wake_armed;
	uint64_t wake_value;		/* where the kernel reads the eventfd into */
};

/* What a completion belongs to: kind, slot, and which of the slot's connections. */
static uint64_t name(const struct ab_socket *socket, int kind)
{
	return (uint64_t)socket->generation << 24 | (uint64_t)socket->slot << 8 | (uint64_t)kind;
}

static int make_ring(struct uring_state *state, unsigned entries)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			IORING_SETUP_R_DISABLED,
		0,
	};
	int result = -EINVAL;

	for (size_t i = 0; i < AB_COUNT(flags) && result == -EINVAL; i++) {
		struct io_uring_params params = {.flags = flags[i] | IORING_SETUP_CQSIZE, .cq_entries = entries};
		result = io_uring_queue_init_params(entries, &state->ring, &params);
		state->disabled = flags[i] & IORING_SETUP_R_DISABLED;
		state->in_flight_max = params.cq_entries;
	}
	if (result == 0 && !(state->ring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&state->ring);
		return -ENOSYS;		/* before 5.11 a wait with a time-out costs an operation of its own */
	}
	return result;
}

static void explain(int result, char *error)
{
	const char *why = strerror(-result);

	if (result == -EPERM || result == -EACCES)
		why = "not permitted: a container's seccomp profile, or sysctl kernel.io_uring_disabled";
	else if (result == -ENOSYS)
		why = "the kernel has none, or one before Linux 5.11";
	else if (result == -ENOMEM)
		why = "no memory may be locked: raise ulimit -l";
	snprintf(error, 256, "io_uring: %s", why);
}

static void *create(struct ab_loop *loop, int socket_max, char *error)
{
	unsigned entries = (unsigned)socket_max * COMPLETIONS_PER_SOCKET + COMPLETIONS_OTHER;
	struct uring_state *state = calloc(1, sizeof *state);

	AB_ASSERT(state != NULL);
	state->loop = loop;
	int result = entries <= RING_ENTRIES_MAX ? make_ring(state, entries) : -E2BIG;
	if (result == 0)
		return state;
	explain(result, error);
	free(state);
	return NULL;
}

static void destroy(void *backend)
{
	struct uring_state *state = backend;

	io_uring_queue_exit(&state->ring);
	free(state);
}

static void start(void *backend)
{
	struct uring_state *state = backend;

	if (!state->disabled)
		return;
	/* liburing 2.3 declares io_uring_enable_rings() and does not export it. */
	long result = syscall(__NR_io_uring_register, state->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	AB_ASSERT(result == 0);
	state->disabled = false;
}

static struct io_uring_sqe *take_entry(struct uring_state *state)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&state->ring);

	AB_ASSERT(entry != NULL);	/* the ring has one for every operation there can be */
	state->in_flight++;
	AB_ASSERT(state->in_flight <= state->in_flight_max);	/* no completion is ever without room */
	return entry;
}

static int open_socket(void *backend, struct ab_socket *s)
{
	(void)backend;
	s->fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return s->fd < 0 ? -errno : 0;
}

static void begin(void *backend, struct ab_socket *s, enum ab_op_kind kind)
{
	struct io_uring_sqe *entry = take_entry(backend);

	if (kind == AB_OP_CONNECT)
		io_uring_prep_connect(entry, s->fd, (struct sockaddr *)&s->address, s->address_len);
	else if (kind == AB_OP_SEND)
		io_uring_prep_sendmsg(entry, s->fd, &s->message, MSG_NOSIGNAL | MSG_WAITALL);
	else
		io_uring_prep_recv(entry, s->fd, s->receive, s->receive_bytes, 0);
	io_uring_sqe_set_data64(entry, name(s, (int)kind));
	s->pending++;
}

static void take_completion(struct uring_state *state, const struct io_uring_cqe *completion)
{
	uint64_t named = completion->user_data;
	int kind = (int)(named & UINT8_MAX);
	uint32_t slot = (uint32_t)(named >> 8 & UINT16_MAX);

	AB_ASSERT(state->in_flight > 0);
	state->in_flight--;
	if (kind == KIND_WAKE) {
		state->wake_armed = false;
		return;
	}
	AB_ASSERT((int)slot < state->loop->socket_max);
	struct ab_socket *s = state->loop->socket[slot];
	/* close() waits for all of a connection's completions, so none is ever of an earlier one. */
	AB_ASSERT(s != NULL && named == name(s, kind) && s->pending > 0);
	s->pending--;
	if (kind < AB_OP_KINDS)
		ab_loop_ready(state->loop, &s->op[kind], completion->res);
}

static void take_completions(struct uring_state *state)
{
	struct io_uring_cqe *completion;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&state->ring, head, completion) {
		take_completion(state, completion);
		n++;
	}
	io_uring_cq_advance(&state->ring, n);
}

static void enter(struct uring_state *state, int64_t timeout_ns)
{
	struct __kernel_timespec span = {.tv_sec = timeout_ns / AB_NS_PER_S, .tv_nsec = timeout_ns % AB_NS_PER_S};
	struct __kernel_timespec *timeout = timeout_ns < 0 ? NULL : &span;
	struct io_uring_cqe *ignored;
	int result = 0;

	if (timeout_ns != 0)
		result = io_uring_submit_and_wait_timeout(&state->ring, &ignored, 1, timeout, NULL);
	else if (io_uring_sq_ready(&state->ring) > 0)
		result = io_uring_submit_and_get_events(&state->ring);
	else if (IO_URING_READ_ONCE(*state->ring.sq.kflags) & IORING_SQ_TASKRUN)
		result = io_uring_get_events(&state->ring);
	if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY)
		return;
	fprintf(stderr, "io_uring_enter: %s\n", strerror(-result));
	AB_ASSERT(!"the kernel refuses a ring it has made");
}

static void wait_for(void *backend, int64_t timeout_ns)
{
	struct uring_state *state = backend;

	if (!state->wake_armed) {
		struct io_uring_sqe *entry = take_entry(state);
		io_uring_prep_read(entry, state->loop->wake_fd, &state->wake_value, sizeof state->wake_value, 0);
		io_uring_sqe_set_data64(entry, KIND_WAKE);
		state->wake_armed = true;
	}
	enter(state, timeout_ns);
	take_completions(state);
}

static void cancel_pending(struct uring_state *state, struct ab_socket *s)
{
	for (int k = 0; k < AB_OP_KINDS; k++) {
		if (s->op[k].state != AB_OP_PENDING)
			continue;
		struct io_uring_sqe *entry = take_entry(state);
		io_uring_prep_cancel64(entry, name(s, k), 0);
		io_uring_sqe_set_data64(entry, name(s, KIND_CANCEL));
		s->pending++;
	}
}

static void close_socket(void *backend, struct ab_socket *s, bool abandoned)
{
	struct uring_state *state = backend;

	if (!abandoned && s->pending > 0) {
		int64_t give_up_ns = ab_monotonic_ns() + CLOSE_MAX_NS;
		/* Shutdown ends what a cancellation comes too late for; but a connect might only begin anew by it. */
		shutdown(s->fd, SHUT_RDWR);
		cancel_pending(state, s);
		while (s->pending > 0) {
			enter(state, AB_NS_PER_S);
			take_completions(state);
			AB_ASSERT(ab_monotonic_ns() < give_up_ns);
		}
	}
	s->pending = 0;
	close(s->fd);
}

const struct ab_backend ab_backend_uring = {
	.name = "io_uring",
	.create = create,
	.destroy = destroy,
	.start = start,
	.open = open_socket,
	.begin = begin,
	.close = close_socket,
	.wait = wait_for,
};
