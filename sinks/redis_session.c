/* sinks/redis_session.c — see redis_session.h. */
#include "sinks/redis_session.h"

#include <stdarg.h>
#include <string.h>

void ab_session_fail(struct ab_redis_session *session, enum ab_sink_status status, const char *format, ...)
{
	va_list args;

	if (session->status != AB_SINK_OK)
		return;
	session->status = status;
	va_start(args, format);
	vsnprintf(session->error, AB_SINK_ERROR_MAX_BYTES, format, args);
	va_end(args);
}

/* NULL when it failed: session says how. */
redisReply *ab_session_checked(struct ab_redis_session *session, redisReply *reply)
{
	const char *advice;

	if (reply == NULL) {
		ab_session_fail(session, AB_SINK_ABSENT, "redis: %s:%d: %s", session->sink->host, session->sink->port,
		     session->redis->errstr);
		return NULL;
	}
	if (reply->type != REDIS_REPLY_ERROR)
		return reply;
	enum ab_reply_result result = ab_redis_classify(reply->str, reply->len, &advice);
	bool passes = result == AB_REPLY_OUTAGE || result == AB_REPLY_RECONNECT;
	ab_session_fail(session, passes ? AB_SINK_ABSENT : AB_SINK_REFUSED, "redis: \"%.200s\": %s", reply->str, advice);
	freeReplyObject(reply);
	return NULL;
}

redisReply *ab_session_ask(struct ab_redis_session *session, const char *format, ...)
{
	va_list args;

	if (session->status != AB_SINK_OK)
		return NULL;
	va_start(args, format);
	redisReply *reply = redisvCommand(session->redis, format, args);
	va_end(args);
	return ab_session_checked(session, reply);
}

void ab_session_release(redisReply *reply)
{
	if (reply != NULL)
		freeReplyObject(reply);
}

void ab_session_open(struct ab_redis_session *session, struct ab_sink *sink, char *error)
{
	struct timeval timeout = {sink->timeout_ms / 1000, sink->timeout_ms % 1000 * 1000};

	*session = (struct ab_redis_session){.sink = sink, .status = AB_SINK_OK, .error = error};
	session->redis = redisConnectWithTimeout(sink->host, sink->port, timeout);
	AB_ASSERT(session->redis != NULL);
	if (session->redis->err) {
		ab_session_fail(session, AB_SINK_ABSENT, "redis: cannot connect to %s:%d: %s", sink->host, sink->port,
		     session->redis->errstr);
		return;
	}
	redisSetTimeout(session->redis, timeout);
	if (sink->password[0] && sink->user[0])
		DO(session, "AUTH %s %s", sink->user, sink->password);
	else if (sink->password[0])
		DO(session, "AUTH %s", sink->password);
}

enum ab_sink_status ab_session_close(struct ab_redis_session *session)
{
	redisFree(session->redis);
	return session->status;
}

/* The value of "name:value\r\n" in INFO's answer; "" when it is not there. */
void ab_session_info_value(const char *info, const char *name, char *to, size_t room)
{
	size_t len = strlen(name);

	to[0] = '\0';
	for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(to, room, "%.*s", (int)strcspn(line + len + 1, "\r\n"), line + len + 1);
			return;
		}
	}
}

/* A user may lack the right to ask: then there is nothing to say. */
redisReply *ab_session_info(struct ab_redis_session *session)
{
	if (session->status != AB_SINK_OK)
		return NULL;
	redisReply *reply = redisCommand(session->redis, "INFO");
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0) {
		freeReplyObject(reply);
		return NULL;
	}
	reply = ab_session_checked(session, reply);
	if (reply != NULL && reply->type != REDIS_REPLY_STRING) {
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}
