/* sinks/redis_session.h — one short conversation with Redis beside the lanes': connect, log in, ask, close.
 *
 * The first thing that fails is kept; what is asked after it is not sent, so a caller may ask on and look once at the end.
 *
 * Threads: the courier (or init), one at a time per sink. Memory: hiredis allocates for its length.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "sinks/redis_lane.h"

/* A number as we write positions: no sign, nothing after it. */
static inline bool ab_redis_parse_i64(const char *text, int64_t *value)
{
	char *end;

	*value = strtoll(text, &end, 10);
	return text[0] != '\0' && *end == '\0' && *value >= 0;
}

struct ab_redis_session {
	struct ab_sink *sink;
	redisContext *redis;
	enum ab_sink_status status;	/* of the first thing that failed */
	char *error;
};

void ab_session_open(struct ab_redis_session *session, struct ab_sink *sink, char *error);
enum ab_sink_status ab_session_close(struct ab_redis_session *session);
void ab_session_fail(struct ab_redis_session *session, enum ab_sink_status status, const char *format, ...)
    AB_PRINTF(3, 4);

/* hiredis' format. NULL when it failed: session says how. The caller releases the answer. */
redisReply *ab_session_ask(struct ab_redis_session *session, const char *format, ...);
/* NULL for an answer that is an error, or none. */
redisReply *ab_session_checked(struct ab_redis_session *session, redisReply *reply);
void ab_session_release(redisReply *reply);

/* INFO as a string; NULL when it failed, or may not be asked. */
redisReply *ab_session_info(struct ab_redis_session *session);
/* The value of "name:value\r\n" in INFO's answer; "" when it is not there. */
void ab_session_info_value(const char *info, const char *name, char *to, size_t room);

/* For commands whose answer is only whether they worked. */
#define DO(session, ...) ab_session_release(ab_session_ask(session, __VA_ARGS__))
