/* tests/unit/test_delivery_lane.c — what a lane makes of its connection's news. The connection is the test's own. */
#include "core/delivery_lane.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ab_conn_callbacks call;

struct ab_conn *ab_conn_create(struct ab_loop *loop, const struct ab_conn_config *config,
			       const struct ab_conn_callbacks *callbacks, char *error)
{
	static char conn;

	(void)loop, (void)config, (void)error;
	call = *callbacks;
	return (struct ab_conn *)&conn;
}

void ab_conn_destroy(struct ab_conn *conn)
{
	(void)conn;
}

bool ab_conn_resolve(struct ab_conn *conn, char *error)
{
	(void)conn, (void)error;
	return true;
}

void ab_conn_open(struct ab_conn *conn)
{
	(void)conn;
}

void ab_conn_close(struct ab_conn *conn, enum ab_conn_close then)
{
	(void)conn, (void)then;
}

void ab_conn_send(struct ab_conn *conn, const struct iovec *piece, int piece_count)
{
	(void)conn, (void)piece, (void)piece_count;
}

void ab_conn_done(struct ab_conn *conn)
{
	(void)conn;
}

static void hello(struct ab_sink_lane *lane, struct ab_request *out)
{
	(void)lane, (void)out;
}

static enum ab_reply_result welcome(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				    const struct ab_reply *to)
{
	(void)lane, (void)batch, (void)bytes, (void)len, (void)to;
	return AB_REPLY_DONE;
}

static int losses;

static void lost(struct ab_sink_lane *lane, struct ab_batch *batch, bool in_flight)
{
	(void)lane, (void)batch, (void)in_flight;
	losses++;
}

static const struct ab_sink_ops ops = {.name = "test", .hello = hello, .reply = welcome, .lost = lost};
static struct ab_config config;
static struct ab_delivery delivery;
static struct ab_delivery_sink owner;
static struct ab_delivery_lane lane;

static void set_up(void)
{
	const struct ab_lane_limits limits = {.batch_size = 10, .item_max = 10, .bytes_max = AB_CHUNK_BYTES};
	char error[256];

	delivery = (struct ab_delivery){.config = &config};
	delivery.loop = ab_loop_create(AB_IO_EPOLL, 1, error);
	cr_assert_not_null(delivery.loop, "%s", error);
	owner = (struct ab_delivery_sink){.ops = &ops, .running = true};
	cr_assert(pthread_mutex_init(&owner.error_mutex, NULL) == 0);
	lane = (struct ab_delivery_lane){.delivery = &delivery, .owner = &owner, .index = 3};
	ab_lane_create(&lane.lane, &limits);
	cr_assert_not_null(ab_delivery_lane_connect(&lane, delivery.loop, NULL, error));
	call.on_up(call.arg);
}

static void tear_down(void)
{
	ab_lane_destroy(&lane.lane);
	ab_loop_destroy(delivery.loop);
}

TestSuite(delivery_lane, .init = set_up, .fini = tear_down);

static uint64_t failures(void)
{
	cr_assert_eq(ab_count_get(&lane.counts.failures), ab_count_get(&owner.errors));
	return ab_count_get(&owner.errors);
}

Test(delivery_lane, a_server_that_closes_an_idle_connection_has_made_no_error)
{
	call.on_data(call.arg, "hi", 2);
	cr_assert(lane.greeted);
	call.on_down(call.arg, false, "localhost:1 closed the connection");
	cr_expect_eq(failures(), 0, "\"%s\"", owner.error);
	cr_expect(!lane.greeted, "requests are sent on a connection that is gone");
	cr_expect_eq(losses, 1);
	cr_expect(atomic_load(&owner.resolve), "the name is not looked up again");
}

Test(delivery_lane, a_connection_that_is_lost_amid_a_request_is_one)
{
	call.on_data(call.arg, "hi", 2);
	call.on_down(call.arg, true, "localhost:1 closed the connection");
	cr_expect_eq(failures(), 1);
	cr_expect_str_eq(owner.error, "connection 3: localhost:1 closed the connection");
}

Test(delivery_lane, a_connection_that_is_lost_before_it_was_greeted_is_one)
{
	call.on_down(call.arg, true, "localhost:1 closed the connection");
	call.on_down(call.arg, false, "localhost:1 does not take connections");
	cr_expect_eq(failures(), 2);
}
