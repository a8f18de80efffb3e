/* tests/unit/test_conn.c — connections against plain blocking servers on loopback, over both back ends. */
#include "io/conn.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"

#define PATIENCE_NS (10 * AB_NS_PER_S)
#define BIG (1024 * 1024)
#define HUGE_REQUEST (64 * BIG)		/* more than the buffers of both sides take */

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

static void *accept_all(void *arg)
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

static void listen_on_loopback(struct server *server, int backlog)
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

static void start_server(struct server *server, void (*serve)(struct server *server, int peer, int nth))
{
	*server = (struct server){.serve = serve};
	listen_on_loopback(server, 16);
	cr_assert_eq(pthread_create(&server->thread, NULL, accept_all, server), 0);
}

static void stop_server(struct server *server)
{
	atomic_store(&server->go, 1000);
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
}

static void await_go(struct server *server, int go)
{
	while (atomic_load(&server->go) < go)
		usleep(1000);
}

static void set_reset(int peer)
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

static void ask(struct client *client, const char *request, size_t len, size_t expected)
{
	/* In pieces, as sinks do. The array is gone when ab_conn_send() has returned. */
	struct iovec piece[3] = {{(void *)request, len / 3}, {NULL, 0}, {(void *)(request + len / 3), len - len / 3}};

	client->len = 0;
	client->expected = expected;
	ab_conn_send(client->conn, piece, 3);
	memset(piece, 0xee, sizeof piece);
}

static void on_up(void *arg)
{
	struct client *client = arg;

	client->ups++;
	if (client->request != NULL)
		ask(client, client->request, client->request_len, client->expected);
}

static void on_data(void *arg, const void *bytes, size_t len)
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

static void on_down(void *arg, bool in_flight, const char *reason)
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

static void start_client_with(struct client *client, enum ab_io_backend backend, const struct ab_conn_config *config)
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

static void start_client(struct client *client, enum ab_io_backend backend, int port)
{
	struct ab_conn_config config = patient;

	config.port = port;
	start_client_with(client, backend, &config);
}

static void stop_client(struct client *client)
{
	ab_conn_destroy(client->conn);
	ab_loop_destroy(client->loop);
}

static void step_until(struct client *client, const int *count, int wanted)
{
	int64_t give_up_ns = ab_monotonic_ns() + PATIENCE_NS;

	while (*count < wanted) {
		ab_loop_step(client->loop, 100 * AB_NS_PER_MS);
		cr_assert_lt(ab_monotonic_ns(), give_up_ns, "waited for %d, have %d; last: %s", wanted, *count,
			     client->reason);
	}
}

static void step_for(struct client *client, int64_t ms)
{
	int64_t until_ns = ab_monotonic_ns() + ms * AB_NS_PER_MS;

	while (ab_monotonic_ns() < until_ns)
		ab_loop_step(client->loop, 5 * AB_NS_PER_MS);
}

/* What servers do */

static void serve_echo(struct server *server, int peer, int nth)
{
	char bytes[4096];
	ssize_t n;

	(void)server, (void)nth;
	while ((n = recv(peer, bytes, sizeof bytes, 0)) > 0)
		send(peer, bytes, (size_t)n, MSG_NOSIGNAL);
}

static void serve_half(struct server *server, int peer, int nth)
{
	char bytes[64];

	(void)nth;
	recv(peer, bytes, sizeof bytes, 0);
	send(peer, "half", 4, MSG_NOSIGNAL);
	await_go(server, 1);
}

static void serve_silence(struct server *server, int peer, int nth)
{
	char bytes[64];

	(void)nth;
	recv(peer, bytes, sizeof bytes, 0);
	await_go(server, 1);
	send(peer, "late", 4, MSG_NOSIGNAL);
}

static void serve_reset(struct server *server, int peer, int nth)
{
	char bytes[64];

	(void)server, (void)nth;
	recv(peer, bytes, sizeof bytes, 0);
	set_reset(peer);
}

static void serve_end(struct server *server, int peer, int nth)
{
	char bytes[64];

	(void)server, (void)nth;
	recv(peer, bytes, sizeof bytes, 0);
	send(peer, "last", 4, MSG_NOSIGNAL);	/* and the end in the same breath */
}

static void serve_unasked(struct server *server, int peer, int nth)
{
	if (nth == 0)
		send(peer, "hello", 5, MSG_NOSIGNAL);
	else
		serve_echo(server, peer, nth);
	await_go(server, 1);
}

static void serve_big(struct server *server, int peer, int nth)
{
	static char bytes[BIG];
	size_t have = 0;
	ssize_t n;

	(void)nth;
	while (have < BIG && (n = recv(peer, bytes, sizeof bytes, 0)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] != (char)((have + (size_t)i) * 7 % 251))
				atomic_store(&server->wrong_byte, true);
		}
		have += (size_t)n;
	}
	for (size_t sent = 0; sent < BIG; sent += (size_t)n)
		n = send(peer, bytes + sent, BIG - sent, MSG_NOSIGNAL);
}

/* Reads nothing until told to; the bytes must then be of the request, not what their place was used for later. */
static void serve_late_reader(struct server *server, int peer, int nth)
{
	static char bytes[BIG];
	ssize_t n;

	if (nth > 0) {
		serve_echo(server, peer, nth);
		return;
	}
	await_go(server, 1);
	while ((n = recv(peer, bytes, sizeof bytes, 0)) > 0) {
		if (memchr(bytes, 'X', (size_t)n) != NULL)
			atomic_store(&server->wrong_byte, true);
	}
}

static void serve_first_late(struct server *server, int peer, int nth)
{
	char bytes[64];
	ssize_t n = recv(peer, bytes, sizeof bytes, 0);

	(void)n;
	if (nth == 0) {
		await_go(server, 1);
		send(peer, "1", 1, MSG_NOSIGNAL);
	} else {
		send(peer, "2", 1, MSG_NOSIGNAL);
		await_go(server, 2);
	}
}

static void serve_without_reading(struct server *server, int peer, int nth)
{
	if (nth > 0) {
		serve_echo(server, peer, nth);
		return;
	}
	send(peer, "too large", 9, MSG_NOSIGNAL);
	await_go(server, 1);
}

/* The stories */

STORY(answers_come_back_one_after_the_other)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 5, .again = 99};

	start_server(&server, serve_echo);
	start_client(&client, backend, server.port);
	step_until(&client, &client.answers, 100);
	cr_expect_eq(client.ups, 1);
	cr_expect_eq(client.downs, 0);
	cr_expect_eq(ab_conn_state(client.conn), AB_CONN_UP);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_megabyte_goes_there_and_back)
{
	struct server server;
	char *request = malloc(BIG);
	struct client client = {.request = request, .request_len = BIG, .expected = BIG};

	for (size_t i = 0; i < BIG; i++)
		request[i] = (char)(i * 7 % 251);
	start_server(&server, serve_big);
	start_client(&client, backend, server.port);
	step_until(&client, &client.answers, 1);
	cr_expect_not(atomic_load(&server.wrong_byte));
	stop_client(&client);
	stop_server(&server);
	free(request);
}

STORY(half_an_answer_and_silence_is_a_time_out_of_the_request)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 8, .stay_down = true};
	struct ab_conn_config config = patient;

	start_server(&server, serve_half);
	config.port = server.port;
	config.first_byte_timeout_ms = 50;	/* kept: it must not end the wait for the rest */
	config.request_timeout_ms = 200;
	int64_t begin_ns = ab_monotonic_ns();
	start_client_with(&client, backend, &config);
	step_until(&client, &client.downs, 1);
	cr_expect_geq(ab_monotonic_ns() - begin_ns, 200 * AB_NS_PER_MS);
	cr_expect_eq(client.len, 4);
	cr_expect(client.was_in_flight);
	cr_expect(strstr(client.reason, "did not complete a request within 200 ms") != NULL, "%s", client.reason);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_slow_first_byte_is_a_time_out_of_its_own)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 4, .stay_down = true};
	struct ab_conn_config config = patient;

	start_server(&server, serve_silence);
	config.port = server.port;
	config.first_byte_timeout_ms = 100;
	start_client_with(&client, backend, &config);
	step_until(&client, &client.downs, 1);
	cr_expect(client.was_in_flight);
	cr_expect(strstr(client.reason, "did not begin to answer within 100 ms") != NULL, "%s", client.reason);
	cr_expect_eq(ab_conn_state(client.conn), AB_CONN_DOWN);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_reset_says_that_a_request_was_under_way)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 4, .stay_down = true};

	start_server(&server, serve_reset);
	start_client(&client, backend, server.port);
	step_until(&client, &client.downs, 1);
	cr_expect(client.was_in_flight);
	cr_expect(strstr(client.reason, "reset the connection while a request was under way") != NULL, "%s",
		  client.reason);
	stop_client(&client);
	stop_server(&server);
}

STORY(an_answer_is_delivered_before_the_end_that_came_with_it)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 4, .stay_down = true};

	start_server(&server, serve_end);
	start_client(&client, backend, server.port);
	step_until(&client, &client.downs, 1);
	cr_expect_eq(client.answers, 1);
	cr_expect_not(client.was_in_flight);
	cr_expect(strstr(client.reason, "closed the connection") != NULL, "%s", client.reason);
	stop_client(&client);
	stop_server(&server);
}

STORY(refused_is_tried_again_at_growing_intervals_until_there_is_a_server)
{
	struct server server = {.serve = serve_echo};
	struct client client = {.request = "hello", .request_len = 5, .expected = 5};

	listen_on_loopback(&server, -1);	/* the port is ours, and nobody listens */
	start_client(&client, backend, server.port);
	step_for(&client, 650);
	/* At 0, 50, 150 and 350 ms, each up to a quarter later, then not before 750. Loaded hosts are later, never earlier. */
	cr_expect_leq(client.downs, 4);
	cr_expect_geq(client.downs, 2);
	cr_expect_not(client.was_in_flight);
	cr_expect(strstr(client.reason, "refused the connection") != NULL, "%s", client.reason);
	cr_assert_eq(listen(server.fd, 16), 0);
	cr_assert_eq(pthread_create(&server.thread, NULL, accept_all, &server), 0);
	step_until(&client, &client.answers, 1);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_complete_answer_resets_the_backoff)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 4};

	start_server(&server, serve_end);	/* answers, closes, answers, closes, … */
	start_client(&client, backend, server.port);
	int64_t begin_ns = ab_monotonic_ns();
	step_until(&client, &client.answers, 8);
	/* 7 pauses of at most 62.5 ms; growing ones would be 50 + 100 + … + 3200 ms. */
	cr_expect_lt(ab_monotonic_ns() - begin_ns, 3 * AB_NS_PER_S);
	cr_expect_geq(ab_monotonic_ns() - begin_ns, 7 * 50 * AB_NS_PER_MS);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_server_that_does_not_accept_is_a_time_out)
{
	struct server server = {0};
	struct client client = {.stay_down = true};
	struct ab_conn_config config = patient;
	int full[4];

	listen_on_loopback(&server, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)server.port)};
	for (size_t i = 0; i < AB_COUNT(full); i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full[i], (struct sockaddr *)&to, sizeof to);	/* fills the queue: the next gets no answer */
	}
	config.port = server.port;
	config.connect_timeout_ms = 150;
	start_client_with(&client, backend, &config);
	step_until(&client, &client.downs, 1);
	cr_expect_eq(client.ups, 0);
	cr_expect(strstr(client.reason, "did not accept a connection within 150 ms") != NULL, "%s", client.reason);
	stop_client(&client);
	for (size_t i = 0; i < AB_COUNT(full); i++)
		close(full[i]);
	close(server.fd);
}

STORY(an_answer_to_no_request_ends_the_connection)
{
	struct server server;
	struct client client = {0};

	start_server(&server, serve_unasked);
	start_client(&client, backend, server.port);
	step_until(&client, &client.downs, 1);
	cr_expect_eq(client.len, 0);
	cr_expect(strstr(client.reason, "sent 5 bytes that answer no request") != NULL, "%s", client.reason);
	atomic_store(&server.go, 1);
	step_until(&client, &client.ups, 2);	/* and comes back by itself */
	stop_client(&client);
	stop_server(&server);
}

STORY(a_late_answer_is_never_taken_for_the_next_requests)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 1};

	start_server(&server, serve_first_late);
	start_client(&client, backend, server.port);
	step_until(&client, &client.ups, 1);
	step_for(&client, 20);
	cr_assert_eq(atomic_load(&server.accepted), 1);
	atomic_store(&server.go, 1);		/* the answer may be here already: it is too late all the same */
	usleep(20000);
	ab_conn_close(client.conn, AB_CONN_RECONNECT);
	cr_expect_eq(ab_conn_state(client.conn), AB_CONN_DOWN);
	step_until(&client, &client.answers, 1);
	cr_expect_eq(client.first, '2');
	cr_expect_eq(client.downs, 0);		/* closed by us: nothing to be told */
	stop_client(&client);
	stop_server(&server);
}

STORY(the_bytes_of_a_request_are_free_when_close_returns)
{
	struct server server;
	struct client client = {0};
	char *request = malloc(HUGE_REQUEST);

	memset(request, 'a', HUGE_REQUEST);
	start_server(&server, serve_late_reader);
	start_client(&client, backend, server.port);
	step_until(&client, &client.ups, 1);
	ask(&client, request, HUGE_REQUEST, 1);
	step_for(&client, 20);			/* the buffers are full, the rest waits */
	int64_t begin_ns = ab_monotonic_ns();
	ab_conn_close(client.conn, AB_CONN_RECONNECT);
	cr_expect_lt(ab_monotonic_ns() - begin_ns, AB_NS_PER_S);
	memset(request, 'X', HUGE_REQUEST);
	atomic_store(&server.go, 1);
	step_until(&client, &client.ups, 2);
	ask(&client, "hello", 5, 5);
	step_until(&client, &client.answers, 1);
	cr_expect_not(atomic_load(&server.wrong_byte));
	stop_client(&client);
	stop_server(&server);
	free(request);
}

STORY(an_answer_before_the_request_was_read_ends_the_connection)
{
	struct server server;
	struct client client = {0};
	char *request = malloc(HUGE_REQUEST);

	memset(request, 'a', HUGE_REQUEST);
	start_server(&server, serve_without_reading);
	start_client(&client, backend, server.port);
	step_until(&client, &client.ups, 1);
	ask(&client, request, HUGE_REQUEST, 9);
	client.again = 1;	/* on_data sends the next: it cannot know yet, and is told that this one is lost */
	step_until(&client, &client.downs, 1);
	memset(request, 'X', HUGE_REQUEST);
	cr_expect_eq(client.answers, 1);
	cr_expect(client.was_in_flight);
	cr_expect(strstr(client.reason, "before it had read the whole request") != NULL, "%s", client.reason);
	atomic_store(&server.go, 1);
	step_until(&client, &client.ups, 2);
	stop_client(&client);
	stop_server(&server);
	free(request);
}

STORY(a_server_that_reads_nothing_is_a_time_out_that_says_so)
{
	struct server server;
	struct client client = {.stay_down = true};
	struct ab_conn_config config = patient;
	char *request = calloc(1, HUGE_REQUEST);

	start_server(&server, serve_late_reader);
	config.port = server.port;
	config.first_byte_timeout_ms = 50;	/* runs from the last byte sent only */
	config.request_timeout_ms = 200;
	start_client_with(&client, backend, &config);
	step_until(&client, &client.ups, 1);
	ask(&client, request, HUGE_REQUEST, 1);
	step_until(&client, &client.downs, 1);
	cr_expect(strstr(client.reason, "it does not read what it is sent") != NULL, "%s", client.reason);
	stop_client(&client);
	stop_server(&server);
	free(request);
}

STORY(the_owner_may_close_from_inside_on_data)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 5, .close_at_data = true};

	start_server(&server, serve_echo);
	start_client(&client, backend, server.port);
	step_until(&client, &client.ups, 1);
	step_for(&client, 200);
	cr_expect_gt(client.len, 0);
	cr_expect_eq(ab_conn_state(client.conn), AB_CONN_DOWN);
	cr_expect_eq(atomic_load(&server.accepted), 1);	/* stays down */
	client.close_at_data = false;
	ab_conn_open(client.conn);
	step_until(&client, &client.answers, 1);
	stop_client(&client);
	stop_server(&server);
}

static void on_timer(void *arg)
{
	((struct client *)arg)->timers++;
}

STORY(the_owners_timer_runs_when_due_and_not_when_stopped)
{
	struct server server;
	struct client client = {0};

	start_server(&server, serve_echo);
	start_client(&client, backend, server.port);
	ab_conn_timer(client.conn, ab_monotonic_ns() + 30 * AB_NS_PER_MS, on_timer);
	int64_t begin_ns = ab_monotonic_ns();
	step_until(&client, &client.timers, 1);
	cr_expect_geq(ab_monotonic_ns() - begin_ns, 29 * AB_NS_PER_MS);
	ab_conn_timer(client.conn, ab_monotonic_ns() + 10 * AB_NS_PER_MS, on_timer);
	ab_conn_timer(client.conn, 0, NULL);
	step_for(&client, 50);
	cr_expect_eq(client.timers, 1);
	stop_client(&client);
	stop_server(&server);
}

static void *step_elsewhere(void *arg)
{
	struct client *client = arg;

	step_until(client, &client->ups, 1);
	step_for(client, 20);
	return NULL;
}

STORY(a_connection_can_be_destroyed_where_it_was_made_after_its_thread_has_ended)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 5};
	pthread_t thread;

	start_server(&server, serve_silence);
	start_client(&client, backend, server.port);
	cr_assert_eq(pthread_create(&thread, NULL, step_elsewhere, &client), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(client.ups, 1);
	stop_client(&client);		/* a request and a receive are under way */
	stop_server(&server);
}

/* Where localhost has two addresses and the server one of them. */
STORY(all_addresses_of_a_host_are_tried_before_an_attempt_has_failed)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 5};
	struct ab_conn_config config = patient;

	start_server(&server, serve_echo);
	config.port = server.port;
	config.host = "localhost";
	start_client_with(&client, backend, &config);
	step_until(&client, &client.answers, 1);
	cr_expect_eq(client.downs, 0);
	stop_client(&client);
	stop_server(&server);
}

STORY(a_host_that_does_not_exist_is_said_at_creation)
{
	const struct ab_conn_callbacks callbacks = {on_up, on_data, on_down, NULL};
	struct ab_conn_config config = patient;
	char error[256] = "";
	struct ab_loop *loop = ab_loop_create(backend, 1, error);

	if (loop == NULL)
		cr_skip_test("%s", error);
	config.host = "no-such-host.invalid";
	config.port = 1;
	cr_expect_null(ab_conn_create(loop, &config, &callbacks, error));
	cr_expect(strstr(error, "no-such-host.invalid") != NULL, "%s", error);
	config.host = "::1";
	struct ab_conn *conn = ab_conn_create(loop, &config, &callbacks, error);
	cr_assert_not_null(conn);
	cr_expect_null(ab_conn_create(loop, &config, &callbacks, error));
	cr_expect(strstr(error, "made for 1 connections") != NULL, "%s", error);
	ab_conn_destroy(conn);
	ab_loop_destroy(loop);
}

/* A server for many: one thread, poll(). */
static void *echo_many(void *arg)
{
	struct server *server = arg;
	struct pollfd fd[33] = {{.fd = server->fd, .events = POLLIN}};
	nfds_t count = 1;
	char bytes[4096];

	while (atomic_load(&server->go) == 0) {
		poll(fd, count, 10);
		if ((fd[0].revents & POLLIN) && count < AB_COUNT(fd))
			fd[count++] = (struct pollfd){.fd = accept(server->fd, NULL, NULL), .events = POLLIN};
		for (nfds_t i = 1; i < count; i++) {
			if (!(fd[i].revents & POLLIN))
				continue;
			ssize_t n = recv(fd[i].fd, bytes, sizeof bytes, 0);
			if (n > 0)
				send(fd[i].fd, bytes, (size_t)n, MSG_NOSIGNAL);
			else
				fd[i].events = 0;
		}
	}
	for (nfds_t i = 1; i < count; i++)
		close(fd[i].fd);
	return NULL;
}

STORY(thirty_two_connections_share_a_loop)
{
	enum { MANY = 32, REQUESTS = 50 };
	static struct client client[MANY];
	struct server server = {0};
	struct ab_conn_config config = patient;
	char error[256] = "";
	int answers = 0;

	listen_on_loopback(&server, 64);
	cr_assert_eq(pthread_create(&server.thread, NULL, echo_many, &server), 0);
	struct ab_loop *loop = ab_loop_create(backend, MANY, error);
	if (loop == NULL)
		cr_skip_test("%s", error);
	config.port = server.port;
	for (int i = 0; i < MANY; i++) {
		const struct ab_conn_callbacks callbacks = {on_up, on_data, on_down, &client[i]};
		client[i] = (struct client){.loop = loop, .request = "hello", .request_len = 5, .expected = 5,
					    .again = REQUESTS - 1};
		config.jitter_seed = (uint64_t)i;
		client[i].conn = ab_conn_create(loop, &config, &callbacks, error);
		cr_assert_not_null(client[i].conn, "%s", error);
		ab_conn_open(client[i].conn);
	}
	int64_t give_up_ns = ab_monotonic_ns() + PATIENCE_NS;
	while (answers < MANY * REQUESTS && ab_monotonic_ns() < give_up_ns) {
		ab_loop_step(loop, 10 * AB_NS_PER_MS);
		answers = 0;
		for (int i = 0; i < MANY; i++)
			answers += client[i].answers;
	}
	cr_expect_eq(answers, MANY * REQUESTS);
	for (int i = 0; i < MANY; i++) {
		cr_expect_eq(client[i].downs, 0, "%s", client[i].reason);
		ab_conn_destroy(client[i].conn);
	}
	ab_loop_destroy(loop);
	atomic_store(&server.go, 1);
	pthread_join(server.thread, NULL);
	close(server.fd);
}
