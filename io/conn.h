/* io/conn.h — one client connection of a loop: connect, send a request, take its answer; time-outs and backoff.
 *
 *     DOWN ──open/backoff over──▶ CONNECTING ──▶ UP ──▶ (request in flight) ──▶ UP
 *      ▲                              │           │
 *      └────── time-out, reset, refused, closed by us ─┘   on_down(reason); by itself UP again after the backoff
 *
 * Bytes go out through ab_conn_send() and come in through received() in conn.c: TLS will sit in these two.
 *
 * Threads: the loop's. Callbacks run inside ab_loop_step(). ab_conn_create() and ab_conn_destroy() also from the thread
 *          that creates the loop, before the loop's thread begins and after it has ended; ab_conn_resolve() from any.
 * Memory:  a receive buffer per connection, taken at creation. The bytes of a request belong to the caller and must
 *          stay as they are until ab_conn_done(), ab_conn_close() or on_down; the iovecs are copied.
 * Limits:  connect, first-byte and whole-request time-outs, each its own. Backoff 50 ms doubling to 5 s, and up to a
 *          quarter more by chance so that lanes do not come back in step. Reset by ab_conn_done().
 */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>

#include "io/loop.h"

#define AB_CONN_PIECES_MAX 8		/* of a request: a head, a body, and what a sink puts around it */
#define AB_CONN_ADDRESSES_MAX 8		/* of a host: all are tried before an attempt has failed */
#define AB_CONN_REASON_MAX_BYTES 384	/* a host name has up to 253 */

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
	/* The connection is gone, or was refused. in_flight: a request was under way and its effect is
	 * unknown. reason: words. */
	void (*on_down)(void *arg, bool in_flight, const char *reason);
	void *arg;
};

/* NULL with *error (256 bytes) when the host cannot be resolved or the loop is full. Starts DOWN and idle. config->host
 * is copied. Not to be destroyed from within a callback. */
struct ab_conn *ab_conn_create(struct ab_loop *loop, const struct ab_conn_config *config,
			       const struct ab_conn_callbacks *callbacks, char *error);
void ab_conn_destroy(struct ab_conn *conn);

/* Looks the host up again, blocking, for the attempts to come: a restarted container may have a new address. False with
 * *error (256 bytes), and the old addresses stay. Any thread. */
bool ab_conn_resolve(struct ab_conn *conn, char *error);

enum ab_conn_state ab_conn_state(const struct ab_conn *conn);

/* Begins connecting, now or when the backoff is over. Stays willing until ab_conn_close(conn, AB_CONN_STAY_DOWN). */
void ab_conn_open(struct ab_conn *conn);

enum ab_conn_close { AB_CONN_RECONNECT, AB_CONN_STAY_DOWN };
/* Drops the connection at once, without on_down. A late answer can then never be taken for another request's, and the
 * request's bytes are free when it returns. RECONNECT counts as a failure: the backoff grows. */
void ab_conn_close(struct ab_conn *conn, enum ab_conn_close then);

/* Sends a request; the connection must be UP and without one in flight. Time-outs run from here. */
void ab_conn_send(struct ab_conn *conn, const struct iovec *piece, int piece_count);
/* The answer is complete: stops the time-outs, resets the backoff, and a next request may be sent. An answer that came
 * before all of its request was sent ends the connection: on_down follows. */
void ab_conn_done(struct ab_conn *conn);

/* One timer per connection, for the owner: on_timer(arg) runs in the step after due_ns (monotonic). 0 stops it. */
void ab_conn_timer(struct ab_conn *conn, int64_t due_ns, void (*on_timer)(void *arg));
