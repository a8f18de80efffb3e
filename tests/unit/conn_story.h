/* tests/unit/conn_story.h — a connection, a plain blocking server on loopback, and what they tell each other. */
#pragma once

#include "io/conn.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"

#define PATIENCE_NS (10 * AB_NS_PER_S)
#define BIG (16 * 1024 * 1024)		/* more than a socket takes at once */
#define HUGE_REQUEST (4 * BIG)		/* more than the buffers of both sides take */

/* Each story is told twice. */
#define STORY(name)                                                        \
	static void name(enum ab_io_backend backend);                      \
	Test(conn, name##_over_io_uring, .timeout = 60) { name(AB_IO_URING); } \
	Test(conn, name##_over_epoll, .timeout = 60) { name(AB_IO_EPOLL); }    \
	static void name(enum ab_io_backend backend)

/* The server: accepts one connection after the other and lets serve() play with it. */

struct server {
	int fd, port;
	void (*serve)(struct server *server, int peer, int nth);
	_Atomic int accepted, go;	/* go: the story lets serve() go on */
	_Atomic bool wrong_byte;
	pthread_t thread;
};

static inline void *accept_all(void *arg)
{
	struct server *server = arg;

	for (int nth = 0;; nth++) {
		int peer = accept(server->fd, NULL, NULL);
		if (peer < 0)
			return NULL;
		atomic_fetch_add(&server->accepted, 1);
		server->serve(server, peer, nth);
		close(peer);
	}
}

static inline void listen_on_loopback(struct server *server, int backlog)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;

	server->fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
	if (backlog >= 0)
		cr_assert_eq(listen(server->fd, backlog), 0);
}

static inline void start_server(struct server *server, void (*serve)(struct server *server, int peer, int nth))
{
	*server = (struct server){.serve = serve};
	listen_on_loopback(server, 16);
	cr_assert_eq(pthread_create(&server->thread, NULL, accept_all, server), 0);
}

static inline void stop_server(struct server *server)
{
	atomic_store(&server->go, 1000);
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
}

static inline void await_go(struct server *server, int go)
{
	while (atomic_load(&server->go) < go)
		usleep(1000);
}

static inline void set_reset(int peer)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* The client: one connection, and what it was told. */

struct client {
	struct ab_loop *loop;
	struct ab_conn *conn;
	int ups, downs, timers;
	bool was_in_flight, stay_down;
	char reason[AB_CONN_REASON_MAX_BYTES];
	const char *request;		/* sent on every up, when there is one */
	size_t request_len;
	size_t expected;		/* bytes of an answer */
	size_t len;			/* of the answer so far */
	int answers;
	char first;			/* byte of the last answer */
	bool close_at_data;
	int again;			/* requests to send from inside on_data */
};

static inline void ask(struct client *client, const char *request, size_t len, size_t expected)
{
	/* In pieces, as sinks do. The array is gone when ab_conn_send() has returned. */
	struct iovec piece[3] = {{(void *)request, len / 3}, {NULL, 0}, {(void *)(request + len / 3), len - len / 3}};

	client->len = 0;
	client->expected = expected;
	ab_conn_send(client->conn, piece, 3);
	memset(piece, 0xee, sizeof piece);
}

static inline void on_up(void *arg)
{
	struct client *client = arg;

	client->ups++;
	if (client->request != NULL)
		ask(client, client->request, client->request_len, client->expected);
}

static inline void on_data(void *arg, const void *bytes, size_t len)
{
	struct client *client = arg;

	cr_assert_gt(len, 0);
	if (client->len == 0)
		client->first = *(const char *)bytes;
	client->len += len;
	if (client->close_at_data) {
		ab_conn_close(client->conn, AB_CONN_STAY_DOWN);
		return;
	}
	if (client->len < client->expected)
		return;
	cr_assert_eq(client->len, client->expected);
	client->answers++;
	ab_conn_done(client->conn);
	if (client->again-- > 0)
		ask(client, "again", 5, client->expected);
}

static inline void on_down(void *arg, bool in_flight, const char *reason)
{
	struct client *client = arg;

	client->downs++;
	client->was_in_flight = in_flight;
	snprintf(client->reason, sizeof client->reason, "%s", reason);
	if (client->stay_down)
		ab_conn_close(client->conn, AB_CONN_STAY_DOWN);
}

static const struct ab_conn_config patient = {
	.host = "127.0.0.1", .connect_timeout_ms = 5000, .first_byte_timeout_ms = 5000, .request_timeout_ms = 10000,
	.receive_bytes = 16 * 1024, .jitter_seed = 7,
};

static inline void start_client_with(struct client *client, enum ab_io_backend backend,
				     const struct ab_conn_config *config)
{
	const struct ab_conn_callbacks callbacks = {on_up, on_data, on_down, client};
	char error[256] = "";

	client->loop = ab_loop_create(backend, 1, error);
	if (client->loop == NULL)
		cr_skip_test("%s", error);
	client->conn = ab_conn_create(client->loop, config, &callbacks, error);
	cr_assert_not_null(client->conn, "%s", error);
	ab_conn_open(client->conn);
}

static inline void start_client(struct client *client, enum ab_io_backend backend, int port)
{
	struct ab_conn_config config = patient;

	config.port = port;
	start_client_with(client, backend, &config);
}

static inline void stop_client(struct client *client)
{
	ab_conn_destroy(client->conn);
	ab_loop_destroy(client->loop);
}

static inline void step_until(struct client *client, const int *count, int wanted)
{
	int64_t give_up_ns = ab_monotonic_ns() + PATIENCE_NS;

	while (*count < wanted) {
		ab_loop_step(client->loop, 100 * AB_NS_PER_MS);
		cr_assert_lt(ab_monotonic_ns(), give_up_ns, "waited for %d, have %d; last: %s", wanted, *count,
			     client->reason);
	}
}

static inline void step_for(struct client *client, int64_t ms)
{
	int64_t until_ns = ab_monotonic_ns() + ms * AB_NS_PER_MS;

	while (ab_monotonic_ns() < until_ns)
		ab_loop_step(client->loop, 5 * AB_NS_PER_MS);
}

static inline void serve_echo(struct server *server, int peer, int nth)
{
	char bytes[4096];
	ssize_t n;

	(void)server, (void)nth;
	while ((n = recv(peer, bytes, sizeof bytes, 0)) > 0)
		send(peer, bytes, (size_t)n, MSG_NOSIGNAL);
}
