/* monitor/parts_redis.c — the boards that the Redis sink keeps for everybody. See parts.h. */
#include <hiredis/hiredis.h>

#include "monitor/parts.h"

static const struct timeval timeout = {.tv_sec = 1, .tv_usec = 500000};

static enum ab_watch_result give_up(struct ab_asker *asker, const char *why, char *error)
{
	snprintf(error, AB_WATCH_ERROR_MAX_BYTES, "%.190s", why);
	error[strcspn(error, "\r\n")] = 0;
	ab_asker_close_redis(asker);
	return AB_WATCH_FAILED;
}

/* An answer that is an error closes the connection: the next question begins anew. */
static redisReply *command(struct ab_asker *asker, int argc, const char **argv, char *error)
{
	redisContext *redis = asker->handle;
	redisReply *reply = redisCommandArgv(redis, argc, argv, NULL);

	if (reply != NULL && reply->type != REDIS_REPLY_ERROR)
		return reply;
	(void)give_up(asker, reply != NULL ? reply->str : redis->errstr, error);
	if (reply != NULL)
		freeReplyObject(reply);
	return NULL;
}

static bool log_in(struct ab_asker *asker, char *error)
{
	const struct ab_config *config = asker->config;
	const char *argv[3] = {"AUTH"};
	int argc = 1;

	if (!config->redis_password[0])
		return true;
	if (config->redis_user[0])
		argv[argc++] = config->redis_user;
	argv[argc++] = config->redis_password;
	redisReply *reply = command(asker, argc, argv, error);
	if (reply != NULL)
		freeReplyObject(reply);
	return reply != NULL;
}

static bool board(struct ab_asker *asker, const char *key, struct ab_board *to, char *error)
{
	char last[16];
	const char *argv[] = {"ZREVRANGE", key, "0", last, "WITHSCORES"};

	snprintf(last, sizeof last, "%d", AB_BOARD_ROWS - 1);
	redisReply *reply = command(asker, (int)AB_COUNT(argv), argv, error);
	if (reply == NULL)
		return false;
	to->count = 0;
	for (size_t i = 0; i + 1 < reply->elements && to->count < AB_BOARD_ROWS; i += 2) {
		struct ab_board_row *row = &to->row[to->count++];
		snprintf(row->name, sizeof row->name, "%s", reply->element[i]->str);
		row->score = strtod(reply->element[i + 1]->str, NULL);
	}
	freeReplyObject(reply);
	return true;
}

static bool last_update(struct ab_asker *asker, struct ab_redis_answer *answer, char *error)
{
	const char *argv[] = {"GET", "stats:last_update"};
	redisReply *reply = command(asker, (int)AB_COUNT(argv), argv, error);

	if (reply == NULL)
		return false;
	snprintf(answer->last_update, sizeof answer->last_update, "%s",
		 reply->type == REDIS_REPLY_STRING ? reply->str : "");
	freeReplyObject(reply);
	return true;
}

enum ab_watch_result ab_ask_redis(void *self, void *to, char *error)
{
	struct ab_asker *asker = self;
	struct ab_redis_answer *answer = to;

	if (asker->handle == NULL) {
		redisContext *redis =
		    redisConnectWithTimeout(asker->config->redis_host, (int)asker->config->redis_port, timeout);
		AB_ASSERT(redis != NULL);
		asker->handle = redis;
		if (redis->err)
			return give_up(asker, redis->errstr, error);
		redisSetTimeout(redis, timeout);
		if (!log_in(asker, error))
			return AB_WATCH_FAILED;
	}
	if (board(asker, "stats:top_by_engagement", &answer->engagement, error) &&
	    board(asker, "stats:top_by_access", &answer->access, error) &&
	    board(asker, "stats:top_content", &answer->content, error) && last_update(asker, answer, error))
		return AB_WATCH_ANSWERED;
	return AB_WATCH_FAILED;
}

void ab_asker_close_redis(struct ab_asker *asker)
{
	if (asker->handle != NULL)
		redisFree(asker->handle);
	asker->handle = NULL;
}
