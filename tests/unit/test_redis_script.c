/* tests/unit/test_redis_script.c — the Redis sink against a real redis-server of its own, in a directory of its own. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sinks/redis.h"

#define ITEM_MAX 5000
#define BATCH_BYTES (1024 * 1024)
/* 2026-11-24 10:00 UTC, and windows live for ten years here. */
#define MINUTE INT64_C(29925240)
#define WINDOW "202611241000"

static struct {
	char dir[64];
	pid_t pid;
	int port;
	redisContext *redis;
	struct ab_config config;
	struct ab_sink *sink;
	struct ab_sink_lane *lane;
	int fd;
	struct ab_batch batch;
	int64_t next;			/* the offset the next record gets */
	struct ab_sink_counts counts;
	char error[AB_SINK_ERROR_MAX_BYTES];
	char note[AB_SINK_ERROR_MAX_BYTES];
} t;

static int free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void start_redis(void)
{
	char port[16];

	snprintf(port, sizeof port, "%d", t.port);
	t.pid = fork();
	if (t.pid == 0) {
		int log = open("/dev/null", O_WRONLY);
		dup2(log, 1);
		dup2(log, 2);
		execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
		       "yes", "--dir", t.dir, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500; i++) {
		t.redis = redisConnect("127.0.0.1", t.port);
		redisReply *pong = t.redis->err ? NULL : redisCommand(t.redis, "PING");
		bool up = pong != NULL && pong->type == REDIS_REPLY_STATUS;
		if (pong != NULL)
			freeReplyObject(pong);
		if (up)
			return;
		redisFree(t.redis);
		usleep(20000);
	}
	cr_assert_fail("redis-server did not start");
}

static void stop_redis(int with_signal)
{
	redisFree(t.redis);
	kill(t.pid, with_signal);
	waitpid(t.pid, NULL, 0);
}

/* One text answer, or "" for nil; numbers as text. Overwritten by the fourth call after. */
static const char *ask(const char *format, ...)
{
	static char text[4][256];
	static int turn;
	char *to = text[turn = (turn + 1) % 4];
	va_list args;

	va_start(args, format);
	redisReply *reply = redisvCommand(t.redis, format, args);
	va_end(args);
	cr_assert_not_null(reply, "%s", t.redis->errstr);
	if (reply->type == REDIS_REPLY_INTEGER)
		snprintf(to, sizeof text[0], "%lld", reply->integer);
	else
		snprintf(to, sizeof text[0], "%s", reply->type == REDIS_REPLY_NIL || reply->str == NULL ? "" : reply->str);
	freeReplyObject(reply);
	return to;
}

static void dial(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(t.port)};

	t.fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert(connect(t.fd, (struct sockaddr *)&at, sizeof at) == 0);
}

static void send_pieces(const struct ab_request *request)
{
	for (int i = 0; i < request->piece_count; i++) {
		const char *at = request->piece[i].iov_base;
		for (size_t left = request->piece[i].iov_len; left > 0;) {
			ssize_t n = write(t.fd, at, left);
			cr_assert_gt(n, 0);
			at += n;
			left -= (size_t)n;
		}
	}
}

static enum ab_reply_result take_reply(struct ab_batch *batch)
{
	const struct ab_reply to = {.counts = &t.counts, .error = t.error};

	for (;;) {
		char bytes[4096];
		ssize_t n = read(t.fd, bytes, sizeof bytes);
		cr_assert_gt(n, 0);
		enum ab_reply_result result = ab_redis_ops.reply(t.lane, batch, bytes, (size_t)n, &to);
		if (result != AB_REPLY_MORE)
			return result;
	}
}

static enum ab_reply_result hello(void)
{
	struct ab_request request;

	dial();
	ab_redis_ops.hello(t.lane, &request);
	send_pieces(&request);
	return take_reply(NULL);
}

static enum ab_reply_result send_once(void)
{
	struct ab_request request;

	t.error[0] = '\0';
	ab_redis_ops.request(t.lane, &t.batch, &request);
	if (!request.needs_reply)
		return AB_REPLY_DONE;
	send_pieces(&request);
	return take_reply(&t.batch);
}

/* As the lane does: again while it says so. */
static enum ab_reply_result send_batch(void)
{
	enum ab_reply_result result;

	do
		result = send_once();
	while (result == AB_REPLY_AGAIN);
	return result;
}

static void begin_batch(int64_t first)
{
	t.batch.item_count = 0;
	t.batch.bytes_used = 0;
	t.batch.range_count = 1;
	t.batch.range[0] = (struct ab_range){.partition = 0, .first = first, .next = first};
	t.next = first;
}

static const struct ab_content_type video = {1, {"video", 5}, {"\"video\"", 7}};
static const struct ab_content_type article = {2, {"article", 7}, {"\"article\"", 9}};

static struct ab_event event(const struct ab_content_type *type, int64_t minute, int64_t pct_hundredths)
{
	return (struct ab_event){
		.op = AB_OP_CREATE,
		.has = AB_HAS_CONTENT_ID | AB_HAS_EVENT_TS | (pct_hundredths >= 0 ? AB_HAS_PCT : 0),
		.event_us = minute * 60000000 + 1,
		.kafka_ts_ms = minute * 60000,
		.content_id = {0x0123456789abcdef, 0xfedcba9876543210},
		.content_type = type,
		.pct_hundredths = pct_hundredths,
	};
}

static void add_event(struct ab_event e)
{
	struct ab_batch *batch = &t.batch;
	size_t len = 0;
	const char *reason = NULL;
	enum ab_encode_result result = ab_redis_ops.encode(t.sink, &e, batch->bytes + batch->bytes_used,
							   AB_RECORD_ENCODED_MAX_BYTES, &len, &reason);

	t.batch.range[0].next = t.next + 1;
	if (result == AB_ENCODE_RECORD) {
		batch->item[batch->item_count++] = (struct ab_item){
			.offset = t.next, .at = batch->bytes_used, .len = (uint32_t)len, .partition = 0};
		batch->bytes_used += (uint32_t)len;
	}
	t.next++;
}

static void add(const struct ab_content_type *type, int64_t minute, int64_t pct_hundredths)
{
	add_event(event(type, minute, pct_hundredths));
}

static void create_sink(void)
{
	t.sink = ab_redis_ops.create(&t.config, t.error);
	cr_assert_not_null(t.sink);
	t.lane = ab_redis_ops.lane_create(t.sink, 0, ITEM_MAX, BATCH_BYTES);
}

static void destroy_sink(void)
{
	ab_redis_ops.lane_destroy(t.lane);
	ab_redis_ops.destroy(t.sink);
}

static enum ab_sink_status init_at(int64_t first)
{
	static struct ab_sink_positions at;

	for (int lane = 0; lane < AB_LANES_MAX; lane++) {
		for (int p = 0; p < AB_PARTITIONS_MAX; p++)
			at.position[lane][p] = first;
	}
	return ab_redis_ops.init(t.sink, &at, 2, "run-1", t.note, t.error);
}

static void setup(void)
{
	memset(&t, 0, sizeof t);
	strcpy(t.dir, "/tmp/test_redis_XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	t.port = free_port();
	start_redis();
	ab_config_defaults(&t.config);
	t.config.redis_port = t.port;
	t.config.redis_sink_parallelism = 1;
	t.config.redis_window_ttl_seconds = 315360000;
	strcpy(t.config.events_topic, "events");
	create_sink();
	t.batch = (struct ab_batch){.item_max = ITEM_MAX, .bytes_max = BATCH_BYTES};
	t.batch.item = calloc(ITEM_MAX, sizeof t.batch.item[0]);
	t.batch.bytes = calloc(1, BATCH_BYTES + AB_RECORD_ENCODED_MAX_BYTES);
	cr_assert_eq(init_at(0), AB_SINK_OK, "%s", t.error);
	cr_assert_eq(hello(), AB_REPLY_DONE, "%s", t.error);
}

static void teardown(void)
{
	char command[128];

	close(t.fd);
	destroy_sink();
	free(t.batch.item);
	free(t.batch.bytes);
	stop_redis(SIGTERM);
	snprintf(command, sizeof command, "rm -r %s", t.dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(redis_script, .init = setup, .fini = teardown, .timeout = 60);

Test(redis_script, counts_by_type_in_the_minute_of_the_event)
{
	begin_batch(0);
	add(&video, MINUTE, 1234);
	add(&video, MINUTE, 1);
	add(&video, MINUTE, -1);
	add(&article, MINUTE + 1, 5000);
	add(NULL, MINUTE, -1);
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "3");
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " unknown"), "1");
	cr_expect_str_eq(ask("HGET access:by_type:window:202611241001 article"), "1");
	cr_expect_str_eq(ask("ZSCORE engagement:by_type:window:" WINDOW " video"), "12.35");
	cr_expect_str_eq(ask("ZSCORE engagement:by_type:window:" WINDOW " unknown"), "");
	cr_expect_str_eq(ask("ZSCORE engagement:by_content:window:" WINDOW " 01234567-89ab-cdef-fedc-ba9876543210"), "12.35");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " sum:video"), "1235");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " count:video"), "2");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5");
	cr_expect_eq(t.counts.acked, 5);
	cr_expect_eq(t.counts.duplicates, 0);
	for (uint32_t i = 0; i < t.batch.item_count; i++)
		cr_expect_eq(t.batch.item[i].outcome, AB_OUTCOME_ACKED);
}

/* Windows of the past expire at once; the append-only file still tells how they were called. */
static bool appended(const char *key)
{
	char command[256];

	snprintf(command, sizeof command, "grep -aqF %s %s/appendonlydir/*.aof", key, t.dir);
	return system(command) == 0;
}

Test(redis_script, names_windows_by_the_calendar)
{
	static const struct {
		int64_t minute;
		const char *name;
	} known[] = {
		{0, "197001010000"},		{-1, "196912312359"},		{28401120, "202401010000"},
		{28486079, "202402282359"},	{28486080, "202402290000"},	{28487520, "202403010000"},	{68374079, "209912312359"},
		{68374080, "210001010000"},	{68459039, "210002282359"},	{68459040, "210003010000"},
		{-1035593280, "000101010000"},	{4223371679, "999912312359"},
	};

	begin_batch(0);
	for (size_t i = 0; i < AB_COUNT(known); i++)
		add(&video, known[i].minute, -1);
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	for (size_t i = 0; i < AB_COUNT(known); i++) {
		char key[64];
		snprintf(key, sizeof key, "access:by_type:window:%s", known[i].name);
		cr_expect(appended(key), "%s", key);
	}
}

Test(redis_script, applies_a_batch_that_is_sent_twice_once)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	add(&video, MINUTE, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	for (uint32_t i = 0; i < t.batch.item_count; i++)
		t.batch.item[i].outcome = AB_OUTCOME_PENDING;	/* the reply was lost */
	cr_expect_eq(send_batch(), AB_REPLY_DONE);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "2");
	cr_expect_eq(t.counts.duplicates, 2);
	cr_expect_eq(t.batch.item[1].outcome, AB_OUTCOME_ACKED);
}

Test(redis_script, applies_only_the_new_part_of_a_batch_that_overlaps)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);

	begin_batch(0);
	for (int i = 0; i < 5; i++)
		add(&video, MINUTE, 100);
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_eq(t.batch.range[0].first, 2);
	cr_expect_eq(send_once(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "5");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5");
	cr_expect_eq(t.counts.duplicates, 2);
}

Test(redis_script, applies_the_rest_when_one_of_two_partitions_was_applied_before)
{
	ask("HSET anabranch:positions:events 1:0 50");
	begin_batch(0);
	add(&video, MINUTE, 100);
	t.batch.range[t.batch.range_count++] = (struct ab_range){.partition = 1, .first = 10, .next = 20};
	add(&article, MINUTE, 100);
	t.batch.item[1].partition = 1;
	t.batch.item[1].offset = 12;
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0", "a mixed batch applies nothing");
	cr_expect_eq(send_once(), AB_REPLY_DONE);

	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " article"), "");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 1:0"), "50");
	cr_expect_eq(t.counts.duplicates, 1);
}

Test(redis_script, asks_to_read_again_when_the_position_went_back)
{
	begin_batch(7);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_REWIND);
	cr_expect_not_null(strstr(t.error, "from 7 to 0"), "%s", t.error);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0");
	cr_expect_eq(t.batch.item[0].outcome, AB_OUTCOME_PENDING);
}

Test(redis_script, never_takes_a_missing_position_for_a_fresh_start)
{
	ask("FLUSHALL");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "anabranch init"), "%s", t.error);
	cr_expect_str_eq(ask("DBSIZE"), "0");
}

Test(redis_script, moves_the_position_over_offsets_without_records)
{
	begin_batch(0);
	t.batch.range[0].next = 1000;
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "1000");
}

Test(redis_script, applies_nothing_when_a_key_has_the_wrong_type)
{
	static const char *const key[] = {"access:by_type:window:" WINDOW, "engagement:by_type:window:" WINDOW,
					  "engagement:exact:window:" WINDOW, "engagement:by_content:window:" WINDOW,
					  "stats:top_by_access", "stats:top_by_engagement", "stats:top_content",
					  "access:by_type:window:202611240955"};

	for (size_t i = 0; i < AB_COUNT(key); i++) {
		ask("FLUSHALL");
		init_at(0);
		destroy_sink();		/* its first request asks for the boards */
		create_sink();
		hello();
		ask("LPUSH %s x", key[i]);
		begin_batch(0);
		add(&video, MINUTE, 100);
		cr_expect_eq(send_batch(), AB_REPLY_FATAL, "%s", key[i]);
		cr_expect_not_null(strstr(t.error, key[i]), "%s", t.error);
		cr_expect_str_eq(ask("DBSIZE"), "2", "%s: nothing but it and the positions", key[i]);
		cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "0");
	}
}

Test(redis_script, applies_nothing_when_a_counter_is_no_number)
{
	ask("HSET access:by_type:window:" WINDOW " article many");
	begin_batch(0);
	add(&video, MINUTE, 100);
	add(&article, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "article"), "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "0");
}

Test(redis_script, refuses_to_add_beyond_exact_integers)
{
	ask("HSET access:by_type:window:" WINDOW " video 9007199254740992");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "9007199254740992");
}

Test(redis_script, gives_windows_an_end_and_forgets_those_past_it)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	long long end = (MINUTE + 1) * 60 + 315360000;
	static const char *const key[] = {"access:by_type", "engagement:by_type", "engagement:exact", "engagement:by_content"};
	for (size_t i = 0; i < AB_COUNT(key); i++)
		cr_expect_eq(atoll(ask("EXPIRETIME %s:window:" WINDOW, key[i])), end, "%s", key[i]);

	begin_batch(1);
	add(&video, 100, 100);		/* 1970 */
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:197001010140"), "0");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "2");
	cr_expect_eq(t.counts.acked, 2);
}

Test(redis_script, ranks_the_ten_minutes_that_end_at_the_newest)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	add(&video, MINUTE, 2000);
	add(&video, MINUTE, -1);
	add(&article, MINUTE - 9, 9000);
	add(&article, MINUTE - 10, 100);	/* too old for the boards */
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);

	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "3");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access article"), "1");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_engagement video"), "15");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_engagement article"), "90");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-fedc-ba9876543210"), "120");
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
	cr_expect_eq(strlen(ask("GET stats:last_update")), strlen("2026-11-24T10:00:00.000000Z"));
}

Test(redis_script, never_lets_the_newest_minute_go_back)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	begin_batch(1);
	add(&video, MINUTE - 100, 1000);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
}

Test(redis_script, does_not_let_a_broken_clock_take_the_boards)
{
	begin_batch(0);
	add(&video, MINUTE, 1000);
	struct ab_event wild = event(&article, MINUTE + 1441, 1000);
	wild.kafka_ts_ms = MINUTE * 60000;
	add_event(wild);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("GET anabranch:newest_minute"), "29925240");
	cr_expect_str_eq(ask("HGET access:by_type:window:202611251001 article"), "1", "it is counted all the same");
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
}

Test(redis_script, keeps_only_the_best_twenty_contents)
{
	begin_batch(0);
	for (int i = 1; i <= 50; i++) {
		struct ab_event e = event(&video, MINUTE - i % 10, i * 100);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("ZCARD stats:top_content"), "20");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-0000-000000000032"), "50");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-0000-00000000001e"), "");
	cr_expect_str_eq(ask("GET anabranch:top_content_exact"), "1");
}

Test(redis_script, takes_five_thousand_events_that_have_nothing_in_common)
{
	begin_batch(0);
	for (int i = 0; i < ITEM_MAX; i++) {
		struct ab_event e = event(&video, MINUTE - i % 2500, 100);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "2");
	cr_expect_str_eq(ask("HGET anabranch:positions:events 0:0"), "5000");
}

Test(redis_script, counts_five_thousand_contents_of_one_minute)
{
	begin_batch(0);
	for (int i = 0; i < ITEM_MAX; i++) {
		struct ab_event e = event(&video, MINUTE, i + 1);
		e.content_id.lo = (uint64_t)i;
		add_event(e);
	}
	cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("ZCARD engagement:by_content:window:" WINDOW), "5000");
	cr_expect_str_eq(ask("ZSCORE engagement:by_content:window:" WINDOW " 01234567-89ab-cdef-0000-000000001387"), "50");
	cr_expect_str_eq(ask("HGET engagement:exact:window:" WINDOW " sum:video"), "12502500");
}

Test(redis_script, loads_the_script_again_when_redis_forgot_it)
{
	ask("SCRIPT FLUSH");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_once(), AB_REPLY_AGAIN);
	cr_expect_eq(send_once(), AB_REPLY_DONE, "%s", t.error);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
}

Test(redis_script, calls_a_full_redis_an_outage_and_applies_nothing)
{
	ask("CONFIG SET maxmemory 1");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(t.error, "maxmemory"), "%s", t.error);
	ask("CONFIG SET maxmemory 0");
	cr_expect_eq(send_batch(), AB_REPLY_DONE);
	cr_expect_str_eq(ask("HGET access:by_type:window:" WINDOW " video"), "1");
}

Test(redis_script, calls_a_replica_an_outage)
{
	ask("REPLICAOF 127.0.0.1 1");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_OUTAGE);
	close(t.fd);
	cr_expect_eq(hello(), AB_REPLY_OUTAGE);
	cr_expect_not_null(strstr(t.error, "replica"), "%s", t.error);
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_ABSENT);
}

Test(redis_script, holds_position_and_counters_together_through_kill_9)
{
	int64_t stored = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20; i++) {
			begin_batch(stored);
			for (int j = 0; j < 10; j++)
				add(&video, MINUTE, 100);
			if (i < 19) {
				cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
				stored += 10;
				continue;
			}
			struct ab_request request;	/* killed with this one on its way */
			ab_redis_ops.request(t.lane, &t.batch, &request);
			send_pieces(&request);
			stop_redis(SIGKILL);
			close(t.fd);
			ab_redis_ops.lost(t.lane, &t.batch, true);
		}
		start_redis();
		cr_expect_eq(hello(), AB_REPLY_DONE, "%s", t.error);
		cr_expect_eq(send_batch(), AB_REPLY_DONE, "%s", t.error);
		stored += 10;
		cr_expect_eq(atoll(ask("HGET access:by_type:window:" WINDOW " video")), stored);
	}
}

Test(redis_script, logs_in_as_the_user_it_is_told)
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

Test(redis_script, names_the_right_a_user_lacks_before_anything_is_written)
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

Test(redis_script, init_leaves_what_is_there_and_adds_what_a_grown_topic_needs)
{
	ask("HSET anabranch:positions:events 0:0 77");
	ask("HDEL anabranch:positions:events 1:0");
	cr_expect_eq(init_at(5), AB_SINK_OK, "%s", t.error);
	cr_expect_eq(position_of(0, 0), 77);
	cr_expect_eq(position_of(0, 1), 5);
	cr_expect_str_eq(ask("HGET anabranch:positions:events run"), "run-1");
	cr_expect_str_eq(ask("HGET anabranch:positions:events lanes"), "1");
	cr_expect_str_eq(ask("HGET anabranch:positions:events key"), "content_id");
	cr_expect_str_eq(t.note, "");
}

Test(redis_script, init_says_when_counters_are_there_without_positions)
{
	ask("DEL anabranch:positions:events");
	ask("HSET access:by_type:window:" WINDOW " video 1");
	cr_expect_eq(init_at(0), AB_SINK_OK);
	cr_expect_not_null(strstr(t.note, "access:by_type:window:" WINDOW), "%s", t.note);
}

Test(redis_script, positions_that_are_missing_are_said_to_be)
{
	static struct ab_sink_positions at;

	ask("HDEL anabranch:positions:events 1:0");
	cr_expect_eq(ab_redis_ops.positions(t.sink, 2, &at, t.error), AB_SINK_MISSING);
	cr_expect_not_null(strstr(t.error, "partition 1, lane 0"), "%s", t.error);
}

Test(redis_script, a_drained_sink_may_change_its_lanes)
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

Test(redis_script, a_sink_that_is_not_drained_may_not)
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

Test(redis_script, an_engine_of_an_older_layout_can_add_nothing)
{
	ask("HSET anabranch:positions:events lanes 2");
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_FATAL);
	cr_expect_not_null(strstr(t.error, "second engine"), "%s", t.error);
	cr_expect_str_eq(ask("EXISTS access:by_type:window:" WINDOW), "0");
}

Test(redis_script, boards_are_brought_up_to_date_when_the_stream_falls_silent)
{
	begin_batch(0);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);	/* the first request brings the boards along */
	begin_batch(1);
	add(&video, MINUTE, 100);
	cr_expect_eq(send_batch(), AB_REPLY_DONE);	/* the second comes too soon after it */
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
	cr_expect_eq(ab_redis_refresh(t.sink, t.error), AB_SINK_OK);	/* not quiet yet */
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "1");
	ask("SCRIPT FLUSH");
	cr_expect_eq(ab_redis_refresh(t.sink, t.error), AB_SINK_OK, "%s", t.error);
	cr_expect_str_eq(ask("ZSCORE stats:top_by_access video"), "2");
	cr_expect_str_eq(ask("ZSCORE stats:top_content 01234567-89ab-cdef-fedc-ba9876543210"), "2");
}

Test(redis_script, warns_of_eviction_and_of_missing_persistence)
{
	char text[512];

	ab_redis_warnings(t.sink, text, sizeof text);
	cr_expect_str_eq(text, "");
	ask("CONFIG SET maxmemory-policy allkeys-lru");
	ask("CONFIG SET appendonly no");
	ab_redis_warnings(t.sink, text, sizeof text);
	cr_expect_not_null(strstr(text, "allkeys-lru"), "%s", text);
	cr_expect_not_null(strstr(text, "appendonly"), "%s", text);
}

Test(redis_script, a_redis_that_is_not_there_is_absent)
{
	t.config.redis_port = 1;
	destroy_sink();
	create_sink();
	cr_expect_eq(ab_redis_ops.probe(t.sink, t.error), AB_SINK_ABSENT);
	cr_expect_not_null(strstr(t.error, "127.0.0.1:1"), "%s", t.error);
}
