/* io/loop_backend.h — what is between a loop, its two back ends and the connections. Inside io/ only.
 *
 *     connection ── connect, send, recv ──▶ back end        at most one of each under way per socket
 *     connection ◀── done(op, result) ───── loop ◀── ready list ── back end
 *
 * A back end never calls a connection: it puts what is complete on the loop's ready list, and the step runs the
 * callbacks from there. So a callback may close any connection, its own included, and nothing is called twice.
 *
 * close() is synchronous: when it returns, the kernel reads and writes none of the socket's bytes any more and nothing
 * of it is on the ready list. The caller's buffers are free, and there is no closed connection to remember.
 *
 * Threads: the loop's.
 */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base.h"
#include "core/stats.h"
#include "io/loop.h"

/* A request is a head and its body; some sinks have one more of each. */
#define AB_SOCKET_PIECES_MAX 8

enum ab_op_kind { AB_OP_CONNECT, AB_OP_SEND, AB_OP_RECV, AB_OP_KINDS };
enum ab_op_state { AB_OP_IDLE, AB_OP_PENDING, AB_OP_READY };
enum ab_timer_kind { AB_TIMER_CONN, AB_TIMER_OWNER, AB_TIMER_KINDS };

struct ab_op {
	struct ab_op *next, *before;	/* in the loop's ready list */
	struct ab_socket *socket;
	enum ab_op_kind kind;
	enum ab_op_state state;
	int result;			/* bytes, or -errno */
};

struct ab_socket {
	int fd;				/* -1: closed */
	uint16_t slot;
	uint32_t generation;		/* counts the opens: completions and events carry it */
	struct ab_op op[AB_OP_KINDS];
	struct sockaddr_storage address;
	socklen_t address_len;
	struct msghdr message;
	struct iovec piece[AB_SOCKET_PIECES_MAX];	/* what is left of the request */
	void *receive;
	size_t receive_bytes;
	bool readable, writable, hung_up;	/* epoll: what the edges said */
	uint32_t pending;			/* io_uring: completions that are still to come */

	/* Called by the step. */
	void (*done)(struct ab_socket *socket, enum ab_op_kind kind, int result);
	void (*due)(struct ab_socket *socket, enum ab_timer_kind kind);
};

struct ab_backend {
	const char *name;
	/* NULL with *error (256 bytes): the kernel does not offer it. */
	void *(*create)(struct ab_loop *loop, int socket_max, char *error);
	void (*destroy)(void *backend);
	/* Once, on the thread that will step. */
	void (*start)(void *backend);
	/* A new socket, or -errno. */
	int (*open)(void *backend, struct ab_socket *socket);
	/* Begin socket->op[kind], which is marked pending by the caller. */
	void (*begin)(void *backend, struct ab_socket *socket, enum ab_op_kind kind);
	/* See above. abandoned: the thread of the loop has ended, and the kernel has ended its operations with it. */
	void (*close)(void *backend, struct ab_socket *socket, bool abandoned);
	/* Waits (nanoseconds; 0: only looks; < 0: for good) and puts what is complete on the ready list. */
	void (*wait)(void *backend, int64_t timeout_ns);
};

extern const struct ab_backend ab_backend_uring, ab_backend_epoll;

struct ab_loop {
	const struct ab_backend *backend;
	void *state;
	char why[256];
	const char *owner;	/* names the thread that steps, once it has begun */
	int wake_fd;		/* an eventfd */
	int64_t now_ns;
	struct ab_op ready;	/* head of the ready list */
	uint32_t ready_count;
	int socket_max;
	struct ab_socket **socket;	/* by slot; NULL: free */
	int64_t *due_ns;	/* [slot * AB_TIMER_KINDS + kind]; INT64_MAX: stopped */
	ab_count steps, waits, completions, wakes;
	/* Other threads write here. */
	AB_GUARD _Atomic int asleep;	/* [L1] */
	AB_GUARD _Atomic int pending;	/* [L1] */
};

/* Called by the thread that steps, or before there is one. */
bool ab_loop_is_ours(const struct ab_loop *loop);

/* False: every slot is taken. */
bool ab_loop_add(struct ab_loop *loop, struct ab_socket *socket);
void ab_loop_remove(struct ab_loop *loop, struct ab_socket *socket);

/* 0, or -errno. */
int ab_loop_open(struct ab_loop *loop, struct ab_socket *socket, int family);
void ab_loop_begin(struct ab_loop *loop, struct ab_socket *socket, enum ab_op_kind kind);
void ab_loop_close(struct ab_loop *loop, struct ab_socket *socket);
/* due_ns INT64_MAX stops. */
void ab_loop_timer(struct ab_loop *loop, const struct ab_socket *socket, enum ab_timer_kind kind, int64_t due_ns);

/* For the back ends. */
void ab_loop_ready(struct ab_loop *loop, struct ab_op *op, int result);
