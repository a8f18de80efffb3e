/* tests/unit/redis_fixture.h — a real redis-server for one test, in a directory of its own, and a lane to it.
 *
 * Threads: the test's. What a test does not use of it is nobody's mistake.
 */
#pragma once

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

#define AB_UNUSED __attribute__((unused))

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
	char cluster[AB_CLUSTER_ID_MAX_BYTES];
} t;

static AB_UNUSED int free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	close(fd);
	return ntohs(at.sin_port);
}

static AB_UNUSED void start_redis(void)
{
	char port[16];

	snprintf(port, sizeof port, "%d", t.port);
	t.pid = fork();
	if (t.pid == 0) {
		int log = open("/dev/null", O_WRONLY);
		dup2(log, 1);
		dup2(log, 2);
		execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
		       "--appendonly", "yes", "--dir", t.dir, (char *)NULL);
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

static AB_UNUSED void stop_redis(int with_signal)
{
	redisFree(t.redis);
	kill(t.pid, with_signal);
	waitpid(t.pid, NULL, 0);
}

/* One text answer, or "" for nil; numbers as text. Overwritten by the fourth call after. */
static AB_UNUSED const char *ask(const char *format, ...)
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
		snprintf(to, sizeof text[0], "%s", reply->str == NULL ? "" : reply->str);
	freeReplyObject(reply);
	return to;
}

static AB_UNUSED void dial(void)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)t.port)};

	t.fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert(connect(t.fd, (struct sockaddr *)&at, sizeof at) == 0);
}

static AB_UNUSED void send_pieces(const struct ab_request *request)
{
	size_t len = 0;

	for (int i = 0; i < request->piece_count; i++)
		len += request->piece[i].iov_len;
	cr_assert_eq(writev(t.fd, request->piece, request->piece_count), (ssize_t)len);
}

static AB_UNUSED enum ab_reply_result take_reply(struct ab_batch *batch)
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

static AB_UNUSED enum ab_reply_result hello(void)
{
	struct ab_request request;

	dial();
	ab_redis_ops.hello(t.lane, &request);
	send_pieces(&request);
	return take_reply(NULL);
}

static AB_UNUSED enum ab_reply_result send_once(void)
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
static AB_UNUSED enum ab_reply_result send_batch(void)
{
	enum ab_reply_result result;

	do
		result = send_once();
	while (result == AB_REPLY_AGAIN);
	return result;
}

static AB_UNUSED void begin_batch(int64_t first)
{
	t.batch.item_count = 0;
	t.batch.bytes_used = 0;
	t.batch.range_count = 1;
	t.batch.range[0] = (struct ab_range){.partition = 0, .first = first, .next = first};
	t.next = first;
}

static AB_UNUSED const struct ab_content_type video = {1, {"video", 5}, {"\"video\"", 7}};
static AB_UNUSED const struct ab_content_type article = {2, {"article", 7}, {"\"article\"", 9}};

static AB_UNUSED struct ab_event event(const struct ab_content_type *type, int64_t minute, int64_t pct_hundredths)
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

static AB_UNUSED void add_event(struct ab_event e)
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

static AB_UNUSED void add(const struct ab_content_type *type, int64_t minute, int64_t pct_hundredths)
{
	add_event(event(type, minute, pct_hundredths));
}

static AB_UNUSED void create_sink(void)
{
	t.sink = ab_redis_ops.create(&t.config, t.error);
	cr_assert_not_null(t.sink);
	t.lane = ab_redis_ops.lane_create(t.sink, 0, ITEM_MAX, BATCH_BYTES);
}

static AB_UNUSED void destroy_sink(void)
{
	ab_redis_ops.lane_destroy(t.lane);
	ab_redis_ops.destroy(t.sink);
}

static AB_UNUSED enum ab_sink_status init_at(int64_t first)
{
	static struct ab_sink_positions at;

	strcpy(at.cluster, t.cluster);
	for (int lane = 0; lane < AB_LANES_MAX; lane++) {
		for (int p = 0; p < AB_PARTITIONS_MAX; p++)
			at.position[lane][p] = first;
	}
	return ab_redis_ops.init(t.sink, &at, 2, "run-1", t.note, t.error);
}

static AB_UNUSED void setup(void)
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

static AB_UNUSED void teardown(void)
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
