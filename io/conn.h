/* io/conn.h — one client connection of a loop: connect, send one request, take the answer, with time-outs and backoff.
 *
 *     DOWN ──open/backoff over──▶ CONNECTING ──▶ UP ──▶ (request in flight) ──▶ UP
 *      ▲                              │           │
 *      └────── time-out, reset, refused, closed by us ─┘   on_down(reason); reconnects by itself after the backoff
 *
 * Bytes go through one seam (struct ab_transport in conn.c) where TLS will sit.
 *
 * Threads: the loop's. Callbacks run inside ab_loop_step().
 * Memory:  a receive buffer per connection, taken at creation. The bytes of a request belong to the caller and must
 *          stay as they are until the reply is complete or on_down was called.
 * Limits:  connect, first-byte and whole-request time-outs, each its own. Backoff 50 ms doubling to 5 s with jitter.
 */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>

#include "io/loop.h"

enum ab_conn_state { AB_CONN_DOWN, AB_CONN_CONNECTING, AB_CONN_UP };

struct ab_conn;

struct ab_conn_config {
	const char *host;		/* name or address; resolved (blocking) at creation, and by ab_conn_resolve() */
	int port;
	uint32_t connect_timeout_ms;
	uint32_t first_byte_timeout_ms;	/* from the last byte sent to the first byte of the answer */
	uint32_t request_timeout_ms;	/* from ab_conn_send() to ab_conn_done() */
	uint32_t receive_bytes;		/* size of the receive buffer */
	uint64_t jitter_seed;
};

struct ab_conn_callbacks {
	void (*on_up)(void *arg);
	/* Bytes of the answer, valid during the call. An answer when no request is in flight is a protocol error: the
	 * connection closes itself. */
	void (*on_data)(void *arg, const void *bytes, size_t len);
	/* The connection is gone. in_flight: a request was under way and its effect is unknown. reason: words. */
	void (*on_down)(void *arg, bool in_flight, const char *reason);
	void *arg;
};

/* NULL with *error (256 bytes) when the host cannot be resolved or the loop is full. Starts DOWN and idle. */
struct ab_conn *ab_conn_create(struct ab_loop *loop, const struct ab_conn_config *config,
			       const struct ab_conn_callbacks *callbacks, char *error);
void ab_conn_destroy(struct ab_conn *conn);

enum ab_conn_state ab_conn_state(const struct ab_conn *conn);

/* Begins connecting, now or when the backoff is over. Stays willing until ab_conn_close(conn, AB_CONN_STAY_DOWN). */
void ab_conn_open(struct ab_conn *conn);

enum ab_conn_close { AB_CONN_RECONNECT, AB_CONN_STAY_DOWN };
/* Drops the connection at once, without on_down. A late answer can then never be taken for another request's. */
void ab_conn_close(struct ab_conn *conn, enum ab_conn_close then);

/* Sends a request; the connection must be UP and without one in flight. Time-outs run from here. */
void ab_conn_send(struct ab_conn *conn, const struct iovec *piece, int piece_count);
/* The answer is complete: stops the time-outs, resets the backoff, and a next request may be sent. */
void ab_conn_done(struct ab_conn *conn);

/* One timer per connection, for the owner: on_timer(arg) runs in the step after due_ns (monotonic). 0 stops it. */
void ab_conn_timer(struct ab_conn *conn, int64_t due_ns, void (*on_timer)(void *arg));
