/* tests/unit/test_conn_down.c — every way a connection is lost or refused, and what its owner is told. */
#include "tests/unit/conn_story.h"

#include <dlfcn.h>
#include <netdb.h>

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

static void serve_without_reading(struct server *server, int peer, int nth)
{
	if (nth > 0) {
		serve_echo(server, peer, nth);
		return;
	}
	send(peer, "too large", 9, MSG_NOSIGNAL);
	await_go(server, 1);
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
	/* At 0, 50, 150 and 350 ms, each up to a quarter later, then not before 750. A loaded host only adds to it. */
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

/* The system's look-up, but for one name, which has two addresses. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (strcmp(host, "two.invalid") != 0)
		return real(host, port, hints, found);
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	int result = real("127.0.0.2", port, hints, found);
	return result != 0 ? result : real("127.0.0.1", port, hints, &(*found)->ai_next);
}

STORY(all_addresses_of_a_host_are_tried_before_an_attempt_has_failed)
{
	struct server server;
	struct client client = {.request = "hello", .request_len = 5, .expected = 5};
	struct ab_conn_config config = patient;

	start_server(&server, serve_echo);	/* on 127.0.0.1, the second */
	config.port = server.port;
	config.host = "two.invalid";
	start_client_with(&client, backend, &config);
	step_until(&client, &client.answers, 1);
	cr_expect_eq(client.downs, 0);
	client.stay_down = true;
	ab_conn_close(client.conn, AB_CONN_STAY_DOWN);
	stop_server(&server);
	ab_conn_open(client.conn);
	step_until(&client, &client.downs, 1);	/* both refuse: said once */
	cr_expect(strstr(client.reason, "two.invalid") != NULL, "%s", client.reason);
	step_for(&client, 100);
	cr_expect_eq(client.downs, 1);
	stop_client(&client);
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
