/* tests/unit/test_conn.c — requests and answers on a connection, over both back ends. */
#include "tests/unit/conn_story.h"

#include <poll.h>

static void serve_silence(struct server *server, int peer, int nth)
{
	char bytes[64];

	(void)nth;
	recv(peer, bytes, sizeof bytes, 0);
	await_go(server, 1);
	send(peer, "late", 4, MSG_NOSIGNAL);
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

STORY(sixteen_megabytes_go_there_and_back_in_parts)
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
	int64_t begin_ns = ab_monotonic_ns();
	ab_conn_close(client.conn, AB_CONN_RECONNECT);
	cr_expect_eq(ab_conn_state(client.conn), AB_CONN_DOWN);
	step_until(&client, &client.answers, 1);
	cr_expect_geq(ab_monotonic_ns() - begin_ns, 50 * AB_NS_PER_MS);	/* counts as a failure */
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
	while (client.timers == 0)
		ab_loop_step(client.loop, -1);		/* the timer ends the wait, nothing else does */
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
