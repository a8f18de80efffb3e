/* tests/unit/test_redis_admin.c — login, rights, init and positions against a real Redis. */
#include "tests/unit/redis_fixture.h"

#include "sinks/redis_lane.h"

TestSuite(redis_admin, .init = setup, .fini = teardown, .timeout = 60);

Test(redis_admin, logs_in_as_the_user_it_is_told)
{
	ask("ACL SETUSER branch on >secret ~* +@all");
	ask("CONFIG SET requirepass other");
	strcpy(t.config.redis_user, "branch");
	strcpy(t.config.redis_password, "secret");
	destroy_sink();
	create_sink();
	close(t.fd);
	cr_expect_eq(hello(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_OK, "%s", t.error);

	strcpy(t.config.redis_password, "wrong");
	destroy_sink();
	create_sink();
	close(t.fd);
	cr_expect_eq(hello(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "REDIS_PASSWORD"), "%s", t.error);
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_REFUSED);
}

Test(redis_admin, names_the_right_a_user_lacks_before_anything_is_written)
{
	ask("ACL SETUSER branch on >secret ~* +@all -expireat");
	strcpy(t.config.redis_user, "branch");
	strcpy(t.config.redis_password, "secret");
	destroy_sink();
	create_sink();
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_REFUSED);
	cr_expect_not_null(strstr(t.error, "EXPIREAT"), "%s", t.error);

	ask("ACL SETUSER branch +expireat -info -role");	/* not allowed to ask is no reason to refuse */
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_OK, "%s", t.error);
	close(t.fd);
	cr_expect_eq(hello(), AB_REPLY_DONE, "%s", t.error);
}

static int64_t position_of(int lane, int partition)
{
	static struct ab_sink_positions at;

	cr_assert_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_OK, "%s", t.error);
	return at.position[lane][partition];
}

Test(redis_admin, init_leaves_what_is_there_and_adds_what_a_grown_topic_needs)
{
	ask("HSET anabranch:positions:events 0:0 77");
	ask("HDEL anabranch:positions:events 1:0");
	cr_expect_eq(init_at(5), AB_SINK_OK, "%s", t.error);
	cr_expect_eq(position_of(0, 0), 77);
	cr_expect_eq(position_of(0, 1), 5);
	cr_expect_str_eq(ask("HGET anabranch:positions:events run"), "run-1");
	cr_expect_str_eq(ask("HGET anabranch:positions:events lanes"), "1");
	cr_expect_str_eq(ask("HGET anabranch:positions:events key"), "content_id");
	cr_expect_not_null(strstr(t.note, "1 of 2 partitions"), "%s", t.note);
	cr_expect_eq(init_at(5), AB_SINK_OK, "%s", t.error);
	cr_expect_str_eq(t.note, "");
}

Test(redis_admin, positions_say_of_which_kafka_they_are_and_another_is_refused)
{
	static struct ab_sink_positions at;

	cr_expect_eq(init_at(5), AB_SINK_OK, "%s", t.error);	/* made before a cluster was noted */
	cr_assert_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_OK, "%s", t.error);
	cr_expect_str_eq(at.cluster, "");
	strcpy(t.cluster, "one");
	cr_expect_eq(init_at(5), AB_SINK_OK, "%s", t.error);
	cr_assert_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_OK, "%s", t.error);
	cr_expect_str_eq(at.cluster, "one");

	strcpy(t.cluster, "other");
	ask("HDEL anabranch:positions:events 1:0");
	cr_expect_eq(init_at(5), AB_SINK_REFUSED);
	cr_expect_not_null(strstr(t.error, "of Kafka cluster one, this is other"), "%s", t.error);
	cr_expect_str_eq(ask("HEXISTS anabranch:positions:events 1:0"), "0", "nothing is made");
}

Test(redis_admin, init_says_when_counters_are_there_without_positions)
{
	ask("DEL anabranch:positions:events");
	ask("HSET access:by_type:window:" WINDOW " video 1");
	cr_expect_eq(init_at(0), AB_SINK_OK);
	cr_expect_not_null(strstr(t.note, "access:by_type:window:" WINDOW), "%s", t.note);
}

Test(redis_admin, positions_that_are_missing_are_said_to_be)
{
	static struct ab_sink_positions at;

	ask("HDEL anabranch:positions:events 1:0");
	cr_expect_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_MISSING);
	cr_expect_not_null(strstr(t.error, "partition 1, lane 0"), "%s", t.error);
}

Test(redis_admin, a_drained_sink_may_change_its_lanes)
{
	ask("HSET anabranch:positions:events 0:0 40 1:0 50");
	t.config.redis_sink_parallelism = 3;
	destroy_sink();
	create_sink();
	cr_expect_eq(position_of(2, 0), 40);
	cr_expect_eq(position_of(1, 1), 50);
	t.config.redis_sink_parallelism = 2;
	strcpy(t.config.redis_key_by, "id");
	destroy_sink();
	create_sink();
	cr_expect_eq(init_at(0), AB_SINK_OK, "%s", t.error);
	cr_expect_eq(position_of(1, 0), 40);
	cr_expect_str_eq(ask("HLEN anabranch:positions:events"), "7", "three words, two partitions of two lanes");
}

Test(redis_admin, a_sink_that_is_not_drained_may_not)
{
	static struct ab_sink_positions at;

	t.config.redis_sink_parallelism = 2;
	destroy_sink();
	create_sink();
	cr_expect_eq(position_of(1, 0), 0);
	ask("HSET anabranch:positions:events 0:1 9");
	t.config.redis_sink_parallelism = 3;
	destroy_sink();
	create_sink();
	cr_expect_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_REFUSED);
	cr_expect_not_null(strstr(t.error, "REDIS_SINK_PARALLELISM=2"), "%s", t.error);
	cr_expect_eq(init_at(0), AB_SINK_REFUSED);
}

Test(redis_admin, warns_of_eviction_and_of_missing_persistence)
{
	char text[512];

	ab_redis_warnings(t.sink, text, sizeof text);
	cr_expect_str_eq(text, "");
	ask("CONFIG SET maxmemory-policy allkeys-lru");
	ask("CONFIG SET appendonly no");
	ab_redis_warnings(t.sink, text, sizeof text);
	cr_expect_not_null(strstr(text, "allkeys-lru"), "%s", text);
	cr_expect_not_null(strstr(text, "saves nothing"), "%s", text);
	ask("CONFIG SET save %s", "900 1");
	ask("CONFIG SET maxmemory-policy volatile-ttl");
	ab_redis_warnings(t.sink, text, sizeof text);
	cr_expect_not_null(strstr(text, "volatile-ttl"), "%s", text);
	cr_expect_not_null(strstr(text, "appendonly"), "%s", text);
	cr_expect_null(strstr(text, "saves nothing"), "%s", text);
}

Test(redis_admin, evicted_keys_are_told_once_and_counted)
{
	struct ab_sink_gauge gauge[AB_SINK_GAUGES_MAX];
	char value[5000];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	cr_expect_eq(ab_redis_tend(t.sink, t.error), AB_SINK_OK, "%s", t.error);
	ask("CONFIG SET maxmemory-policy allkeys-lru");
	for (int i = 0; i < 100; i++)
		ask("SET key%d %s", i, value);
	ask("CONFIG SET maxmemory 1mb");
	ask("SET one more");
	t.sink->watched_ns = 0;
	cr_expect_eq(ab_redis_tend(t.sink, t.error), AB_SINK_OK);
	cr_expect_not_null(strstr(t.error, "evicted"), "%s", t.error);
	t.error[0] = '\0';
	cr_expect_eq(ab_redis_ops.gauges(t.sink, gauge), 1);
	cr_expect_gt(gauge[0].value, 0);
	t.sink->watched_ns = 0;
	cr_expect_eq(ab_redis_tend(t.sink, t.error), AB_SINK_OK);
	cr_expect_str_eq(t.error, "", "told once");
}

Test(redis_admin, a_redis_that_is_not_there_is_absent)
{
	t.config.redis_port = 1;
	destroy_sink();
	create_sink();
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_ABSENT);
	cr_expect_not_null(strstr(t.error, "127.0.0.1:1"), "%s", t.error);
}
