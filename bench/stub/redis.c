/* bench/stub/redis.c — as much of Redis as the engine asks for. The script's arguments are described in sinks/redis.lua;
 * they are read here from its description, not by its code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/stub/stub.h"

/* A request of 5,000 events that have nothing in common has about 40,000 arguments. */
#define ARGUMENTS_MAX 262144
/* For the lane of a latency bench: when each batch came, if STUB_APPLIED names a file. */
static void note_applied(const struct stub *stub, int partition, int64_t next)
{
	if (stub->applied != NULL)
		fprintf(stub->applied, "%d %lld %lld\n", partition, (long long)next, (long long)stub->now_ns);
}

/* The sha is the script's own; nobody here runs it. */
#define SOME_SHA "0123456789012345678901234567890123456789"

struct argument {
	const char *at;
	size_t len;
};

static struct argument argument[ARGUMENTS_MAX];

struct script_call {
	struct stub *stub;
	int at, count;
};

/* A line's number behind its mark; -1: not whole yet, -2: none. *at moves behind the line. */
static int64_t line_number(const char **at, const char *end, char mark)
{
	const char *p = *at;
	int64_t n = 0;

	if (p >= end)
		return -1;
	if (*p++ != mark)
		return -2;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	if (end - p < 2)
		return -1;
	if (p[0] != '\r' || p[1] != '\n')
		return -2;
	*at = p + 2;
	return n;
}

/* Fills argument[]; returns how many, 0: not whole yet, -1: broken. */
static int parse(const char *bytes, size_t len, size_t *used)
{
	const char *at = bytes, *end = bytes + len;
	int64_t count = line_number(&at, end, '*');

	if (count == -1)
		return 0;
	if (count < 1 || count > ARGUMENTS_MAX)
		return -1;
	for (int64_t i = 0; i < count; i++) {
		int64_t n = line_number(&at, end, '$');
		if (n == -1 || (n >= 0 && end - at < n + 2))
			return 0;
		if (n < 0)
			return -1;
		argument[i] = (struct argument){at, (size_t)n};
		at += n + 2;
	}
	*used = (size_t)(at - bytes);
	return (int)count;
}

static bool is(int i, const char *text)
{
	return argument[i].len == strlen(text) && strncasecmp(argument[i].at, text, argument[i].len) == 0;
}

static void copy(char *to, size_t room, int i)
{
	snprintf(to, room, "%.*s", (int)argument[i].len, argument[i].at);
}

static int64_t number_at(int i)
{
	int64_t n = 0;

	for (size_t k = 0; k < argument[i].len; k++) {
		if (argument[i].at[k] < '0' || argument[i].at[k] > '9')
			return -1;
		n = n * 10 + (argument[i].at[k] - '0');
	}
	return argument[i].len > 0 ? n : -1;
}

static int64_t *position_of(struct stub *stub, int i)
{
	char text[32];
	int p, l, end = 0;

	copy(text, sizeof text, i);
	if (sscanf(text, "%d:%d%n", &p, &l, &end) != 2 || text[end] != '\0' || p < 0 || p >= STUB_PARTITIONS_MAX || l < 0 ||
	    l >= STUB_LANES_MAX)
		return NULL;
	return &stub->position[l][p];
}

static int64_t next_number(struct script_call *call)
{
	int64_t n = call->at < call->count ? number_at(call->at) : -1;

	if (n < 0)
		stub_bad(call->stub, "redis: argument %d is no number", call->at);
	call->at++;
	return n < 0 ? 0 : n;
}

/* Events of all windows. */
static uint64_t add_windows(struct script_call *call)
{
	uint64_t events = 0;

	for (int64_t w = next_number(call); w > 0; w--) {
		next_number(call);
		int64_t types = next_number(call), contents = next_number(call);
		for (int64_t t = 0; t < types; t++) {
			call->at++;
			events += (uint64_t)next_number(call);
			next_number(call);
			next_number(call);
		}
		call->at += (int)(2 * contents);
		if (call->at > call->count)
			stub_bad(call->stub, "redis: %d arguments, %d are told", call->count, call->at);
	}
	return events;
}

static void answer_mix(struct stub *stub, struct stub_conn *conn, int first, int64_t ranges)
{
	stub->count.redis_mix++;
	stub_print(&conn->out, "*%lld\r\n$3\r\nMIX\r\n", (long long)ranges + 1);
	for (int64_t i = 0; i < ranges; i++) {
		char text[32] = "-";
		const int64_t *stored = position_of(stub, first + (int)(3 * i));
		if (stored != NULL && *stored >= 0)
			snprintf(text, sizeof text, "%lld", (long long)*stored);
		stub_print(&conn->out, "$%zu\r\n%s\r\n", strlen(text), text);
	}
}

static void call_script(struct stub *stub, struct stub_conn *conn, int count)
{
	struct script_call call = {stub, 11, count};
	int64_t ok = 0, dup = 0;

	if (count < 13) {
		stub_bad(stub, "redis: EVALSHA with %d arguments", count);
		STUB_PUT(&conn->out, "-ERR arguments\r\n");
		return;
	}
	stub_note(stub);
	stub->count.redis_requests++;
	int64_t ranges = next_number(&call);
	int first = call.at;
	for (int64_t i = 0; i < ranges && call.at + 2 < count; i++) {
		const int64_t *stored = position_of(stub, call.at);
		ok += stored != NULL && *stored == number_at(call.at + 1);
		dup += stored != NULL && *stored >= number_at(call.at + 2);
		call.at += 3;
	}
	if (ok != ranges && dup == ranges) {
		stub->count.redis_dup++;
		STUB_PUT(&conn->out, "*1\r\n$3\r\nDUP\r\n");
	} else if (ok != ranges) {
		answer_mix(stub, conn, first, ranges);
	} else {
		for (int64_t i = 0; i < ranges; i++) {
			int64_t *position = position_of(stub, first + (int)(3 * i));
			*position = number_at(first + (int)(3 * i) + 2);
			note_applied(stub, (int)((position - stub->position[0]) % STUB_PARTITIONS_MAX), *position);
		}
		stub->count.redis_events += add_windows(&call);
		STUB_PUT(&conn->out, "*1\r\n$2\r\nOK\r\n");
	}
}

/* HSET key field value …, HSETNX: the latter leaves what is there. */
static void set_fields(struct stub *stub, int count, bool only_new)
{
	for (int i = 2; i + 1 < count; i += 2) {
		int64_t *position = position_of(stub, i);
		char *to = is(i, "lanes") ? stub->lanes : is(i, "key") ? stub->key : is(i, "run") ? stub->run : NULL;
		size_t room = to == stub->lanes ? sizeof stub->lanes : sizeof stub->key;
		if (position != NULL && (!only_new || *position < 0))
			*position = number_at(i + 1);
		else if (position == NULL && to != NULL && (!only_new || to[0] == '\0'))
			copy(to, room, i + 1);
	}
}

static void put_pair(struct stub_buffer *to, const char *field, const char *value)
{
	stub_print(to, "$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(field), field, strlen(value), value);
}

static void answer_all(struct stub *stub, struct stub_conn *conn)
{
	int fields = 0;

	for (int l = 0; l < STUB_LANES_MAX; l++) {
		for (int p = 0; p < STUB_PARTITIONS_MAX; p++)
			fields += stub->position[l][p] >= 0;
	}
	fields += stub->lanes[0] ? 3 : 0;
	stub_print(&conn->out, "*%d\r\n", 2 * fields);
	if (stub->lanes[0]) {
		put_pair(&conn->out, "lanes", stub->lanes);
		put_pair(&conn->out, "key", stub->key);
		put_pair(&conn->out, "run", stub->run);
	}
	for (int l = 0; l < STUB_LANES_MAX; l++) {
		for (int p = 0; p < STUB_PARTITIONS_MAX; p++) {
			char field[32], value[32];
			if (stub->position[l][p] < 0)
				continue;
			snprintf(field, sizeof field, "%d:%d", p, l);
			snprintf(value, sizeof value, "%lld", (long long)stub->position[l][p]);
			put_pair(&conn->out, field, value);
		}
	}
}

static void answer_admin(struct stub *stub, struct stub_conn *conn, int count)
{
	static const char info[] = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\n"
				   "aof_enabled:1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";

	if (is(0, "INFO"))
		stub_print(&conn->out, "$%zu\r\n%s\r\n", sizeof info - 1, info);
	else if (is(0, "PING"))
		STUB_PUT(&conn->out, "+PONG\r\n");
	else if (is(0, "EVAL"))
		STUB_PUT(&conn->out, ":0\r\n");
	else if (is(0, "SCRIPT"))
		STUB_PUT(&conn->out, "$40\r\n" SOME_SHA "\r\n");
	else if (is(0, "ROLE"))
		STUB_PUT(&conn->out, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
	else if (is(0, "HGETALL"))
		answer_all(stub, conn);
	else if (is(0, "SCAN"))
		STUB_PUT(&conn->out, "*2\r\n$1\r\n0\r\n*0\r\n");
	else if (is(0, "HINCRBY") || is(0, "EXPIRE"))
		STUB_PUT(&conn->out, ":1\r\n");
	else if (is(0, "ZINCRBY"))
		STUB_PUT(&conn->out, "$1\r\n1\r\n");
	else if (is(0, "CLIENT") || is(0, "WATCH") || is(0, "AUTH") || is(0, "MULTI"))
		STUB_PUT(&conn->out, "+OK\r\n");
	else if (is(0, "HSET") || is(0, "HSETNX") || is(0, "HDEL"))
		STUB_PUT(&conn->out, ":1\r\n");
	else
		STUB_PUT(&conn->out, "-ERR unknown command\r\n");
	if (is(0, "HINCRBY") && count == 4) { /* what programs without our script count by */
		stub_note(stub);
		stub->count.redis_events += (uint64_t)number_at(3);
	}
	if (is(0, "SCRIPT"))
		stub->script_loaded = true;
	if (is(0, "HSET") || is(0, "HSETNX"))
		set_fields(stub, count, is(0, "HSETNX"));
	if (is(0, "MULTI"))
		conn->queued = 0;
}

size_t stub_redis(struct stub *stub, struct stub_conn *conn, const char *bytes, size_t len)
{
	size_t used = 0;
	int count = parse(bytes, len, &used);

	if (count < 0) {
		stub_bad(stub, "redis: not a command: %.40s", bytes);
		return len;
	}
	if (count == 0)
		return 0;
	if (is(0, "EVALSHA") && !stub->script_loaded) {
		STUB_PUT(&conn->out, "-NOSCRIPT No matching script.\r\n");
	} else if (is(0, "EVALSHA")) {
		call_script(stub, conn, count);
	} else if (is(0, "EXEC")) {
		stub_print(&conn->out, "*%d\r\n", conn->queued);
		for (; conn->queued > 0; conn->queued--)
			STUB_PUT(&conn->out, ":1\r\n");
		conn->queued = -1;
	} else if (conn->queued >= 0) {
		set_fields(stub, count, is(0, "HSETNX"));
		conn->queued++;
		STUB_PUT(&conn->out, "+QUEUED\r\n");
	} else {
		answer_admin(stub, conn, count);
	}
	return used;
}
