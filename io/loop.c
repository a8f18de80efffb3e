/* io/loop.c — what both back ends share: the step, the ready list, timers and the wake. See loop.h. */
#include "io/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/loop_backend.h"

/* Its address is the thread's name: no system call, and no two living threads share it. */
static _Thread_local char this_thread;

static bool try_backend(struct ab_loop *loop, const struct ab_backend *backend, char *error)
{
	loop->backend = backend;
	loop->state = backend->create(loop, loop->socket_max, error);
	return loop->state != NULL;
}

static bool choose_backend(struct ab_loop *loop, enum ab_io_backend backend, char *error)
{
	if (backend == AB_IO_EPOLL)
		return try_backend(loop, &ab_backend_epoll, error);
	if (try_backend(loop, &ab_backend_uring, error))
		return true;
	if (backend == AB_IO_URING)
		return false;
	snprintf(loop->why, sizeof loop->why, "%s", error);
	error[0] = '\0';
	return try_backend(loop, &ab_backend_epoll, error);
}

struct ab_loop *ab_loop_create(enum ab_io_backend backend, int conn_max, char *error)
{
	AB_ASSERT(conn_max >= 0 && conn_max <= UINT16_MAX);
	struct ab_loop *loop = ab_take_lines(sizeof *loop);
	size_t slots = (size_t)conn_max + 1;	/* a loop without connections has timers to look through too */

	loop->socket_max = conn_max;
	loop->ready.next = loop->ready.before = &loop->ready;
	loop->socket = calloc(slots, sizeof loop->socket[0]);
	loop->due_ns = calloc(slots * AB_TIMER_KINDS, sizeof loop->due_ns[0]);
	AB_ASSERT(loop->socket != NULL && loop->due_ns != NULL);
	loop->now_ns = ab_monotonic_ns();
	/* Blocking: io_uring gives EAGAIN instead of waiting where a descriptor is not. Nobody else reads it. */
	loop->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (loop->wake_fd < 0)
		snprintf(error, 256, "eventfd: %s (raise the limit of open files: ulimit -n)", strerror(errno));
	else if (choose_backend(loop, backend, error))
		return loop;
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	free(loop->socket);
	free(loop->due_ns);
	free(loop);
	return NULL;
}

void ab_loop_destroy(struct ab_loop *loop)
{
	for (int i = 0; i < loop->socket_max; i++)
		AB_ASSERT(loop->socket[i] == NULL);	/* connections go before their loop */
	loop->backend->destroy(loop->state);
	close(loop->wake_fd);
	free(loop->socket);
	free(loop->due_ns);
	free(loop);
}

const char *ab_loop_backend(const struct ab_loop *loop, const char **why)
{
	if (why != NULL)
		*why = loop->why;
	return loop->backend->name;
}

int64_t ab_loop_now_ns(const struct ab_loop *loop)
{
	return loop->now_ns;
}

struct ab_loop_counts ab_loop_counts(const struct ab_loop *loop)
{
	return (struct ab_loop_counts){
		.steps = ab_count_get(&loop->steps),
		.waits = ab_count_get(&loop->waits),
		.completions = ab_count_get(&loop->completions),
		.wakes = ab_count_get(&loop->wakes),
	};
}

/* Connections */

bool ab_loop_is_ours(const struct ab_loop *loop)
{
	return loop->owner == NULL || loop->owner == &this_thread;
}

bool ab_loop_add(struct ab_loop *loop, struct ab_socket *socket)
{
	int slot = 0;

	while (slot < loop->socket_max && loop->socket[slot] != NULL)
		slot++;
	if (slot == loop->socket_max)
		return false;
	loop->socket[slot] = socket;
	socket->slot = (uint16_t)slot;
	socket->fd = -1;
	for (int k = 0; k < AB_OP_KINDS; k++) {
		socket->op[k].socket = socket;
		socket->op[k].kind = (enum ab_op_kind)k;
	}
	for (int k = 0; k < AB_TIMER_KINDS; k++)
		ab_loop_timer(loop, socket, (enum ab_timer_kind)k, INT64_MAX);
	return true;
}

void ab_loop_remove(struct ab_loop *loop, struct ab_socket *socket)
{
	AB_ASSERT(loop->socket[socket->slot] == socket && socket->fd < 0);
	loop->socket[socket->slot] = NULL;
}

int ab_loop_open(struct ab_loop *loop, struct ab_socket *socket, int family)
{
	AB_ASSERT(socket->fd < 0);
	socket->generation++;
	socket->readable = socket->writable = socket->hung_up = false;
	socket->address.ss_family = (sa_family_t)family;
	return loop->backend->open(loop->state, socket);
}

void ab_loop_begin(struct ab_loop *loop, struct ab_socket *socket, enum ab_op_kind kind)
{
	struct ab_op *op = &socket->op[kind];

	AB_ASSERT(op->state == AB_OP_IDLE && socket->fd >= 0);
	op->state = AB_OP_PENDING;
	loop->backend->begin(loop->state, socket, kind);
}

static void unlink_ready(struct ab_loop *loop, struct ab_op *op)
{
	op->before->next = op->next;
	op->next->before = op->before;
	loop->ready_count--;
}

void ab_loop_close(struct ab_loop *loop, struct ab_socket *socket)
{
	if (socket->fd < 0)
		return;
	loop->backend->close(loop->state, socket, !ab_loop_is_ours(loop));
	socket->fd = -1;
	for (int k = 0; k < AB_OP_KINDS; k++) {
		if (socket->op[k].state == AB_OP_READY)
			unlink_ready(loop, &socket->op[k]);
		socket->op[k].state = AB_OP_IDLE;
	}
}

void ab_loop_timer(struct ab_loop *loop, const struct ab_socket *socket, enum ab_timer_kind kind, int64_t due_ns)
{
	loop->due_ns[socket->slot * AB_TIMER_KINDS + (int)kind] = due_ns;
}

void ab_loop_ready(struct ab_loop *loop, struct ab_op *op, int result)
{
	AB_ASSERT(op->state == AB_OP_PENDING);
	op->state = AB_OP_READY;
	op->result = result;
	op->next = &loop->ready;
	op->before = loop->ready.before;
	op->before->next = op;
	loop->ready.before = op;
	loop->ready_count++;
	ab_count_add(&loop->completions, 1);
}

/* The step */

/* A few dozen connections: looking through them all (10 ns) is cheaper than keeping an order. */
static int64_t nearest_due(const struct ab_loop *loop)
{
	int64_t nearest = INT64_MAX;

	for (int i = 0; i < loop->socket_max * AB_TIMER_KINDS; i++) {
		/* A free slot's timers are stopped or stale; stale ones must not wake us. */
		if (loop->due_ns[i] < nearest && loop->socket[i / AB_TIMER_KINDS] != NULL)
			nearest = loop->due_ns[i];
	}
	return nearest;
}

static int64_t until_due(const struct ab_loop *loop, int64_t timeout_ns)
{
	int64_t due_ns = nearest_due(loop);

	if (due_ns == INT64_MAX)
		return timeout_ns;
	int64_t left_ns = due_ns - ab_monotonic_ns();
	if (left_ns < 0)
		left_ns = 0;
	return timeout_ns < 0 || left_ns < timeout_ns ? left_ns : timeout_ns;
}

/* asleep := 1, then pending? Against ab_loop_wake(): pending := 1, then asleep? Both sequentially consistent, so at
 * least one of the two threads sees the other's store and no wake is lost. */
static void wait_or_look(struct ab_loop *loop, int64_t timeout_ns)
{
	if (timeout_ns != 0 && loop->ready_count == 0)
		timeout_ns = until_due(loop, timeout_ns);
	else
		timeout_ns = 0;
	if (timeout_ns == 0) {
		loop->backend->wait(loop->state, 0);
	} else {
		atomic_store(&loop->asleep, 1);				/* [L1] */
		bool woken = atomic_load(&loop->pending) != 0;		/* [L1] */
		ab_count_add(&loop->waits, !woken);
		loop->backend->wait(loop->state, woken ? 0 : timeout_ns);
		atomic_store(&loop->asleep, 0);				/* [L1] */
	}
	if (atomic_load_explicit(&loop->pending, memory_order_relaxed) != 0) {
		atomic_exchange(&loop->pending, 0);	/* [L1] acquires what the waking threads wrote before */
		ab_count_add(&loop->wakes, 1);
	}
}

static void run_ready(struct ab_loop *loop)
{
	/* What becomes ready meanwhile waits for the next step, so that no busy connection starves the caller. */
	for (uint32_t n = loop->ready_count; n > 0 && loop->ready_count > 0; n--) {
		struct ab_op *op = loop->ready.next;
		unlink_ready(loop, op);
		op->state = AB_OP_IDLE;
		op->socket->done(op->socket, op->kind, op->result);
	}
}

static void run_due(struct ab_loop *loop)
{
	for (int i = 0; i < loop->socket_max * AB_TIMER_KINDS; i++) {
		struct ab_socket *socket = loop->socket[i / AB_TIMER_KINDS];
		if (socket == NULL || loop->due_ns[i] > loop->now_ns)
			continue;
		loop->due_ns[i] = INT64_MAX;
		socket->due(socket, (enum ab_timer_kind)(i % AB_TIMER_KINDS));
	}
}

void ab_loop_step(struct ab_loop *loop, int64_t timeout_ns)
{
	if (AB_UNLIKELY(loop->owner == NULL)) {
		loop->owner = &this_thread;
		loop->backend->start(loop->state);
	}
	AB_ASSERT(loop->owner == &this_thread);
	ab_count_add(&loop->steps, 1);
	wait_or_look(loop, timeout_ns);
	loop->now_ns = ab_monotonic_ns();
	run_ready(loop);	/* before time-outs: an answer that is here is not late */
	run_due(loop);
}

void ab_loop_wake(struct ab_loop *loop)
{
	const uint64_t one = 1;

	if (atomic_exchange(&loop->pending, 1) != 0)		/* [L1] already woken, not yet seen */
		return;
	if (atomic_load(&loop->asleep) == 0)			/* [L1] */
		return;
	AB_ASSERT(write(loop->wake_fd, &one, sizeof one) == sizeof one);
}
