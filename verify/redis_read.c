/* verify/redis_read.c — the snapshot: everything of Redis at one instant, by one script that only reads. */
#include <string.h>

#include "core/limits.h"
#include "verify/redis.h"
#include "verify/time.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/* Answer: time, positions, newest minute, boards, is the contents' board whole?, windows (key, list). A list that was
 * not read is the number of its entries. */
static const char script[] =
    "local function list(key)\n"
    "  local kind = redis.call('TYPE', key).ok\n"
    "  if kind == 'hash' then return redis.call('HGETALL', key) end\n"
    "  if kind == 'zset' then return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end\n"
    "  return {}\n"
    "end\n"
    "local windows, entries = {}, 0\n"
    "for _, key in ipairs(redis.call('KEYS', 'engagement:by_content:window:*')) do\n"
    "  if redis.call('TYPE', key).ok == 'zset' then entries = entries + redis.call('ZCARD', key) end\n"
    "end\n"
    "for _, key in ipairs(redis.call('KEYS', '*:window:*')) do\n"
    "  if entries > " TEXT(
	AB_VERIFY_CONTENT_ENTRIES_MAX) " and string.find(key, 'by_content', 1, true) then\n"
				       "    windows[#windows + 1] = {key, entries}\n"
				       "  else\n"
				       "    windows[#windows + 1] = {key, list(key)}\n"
				       "  end\n"
				       "end\n"
				       "return {tonumber(redis.call('TIME')[1]), list(KEYS[1]), redis.call('GET', "
				       "KEYS[2]) or '',\n"
				       "  {list('stats:top_by_access'), list('stats:top_by_engagement'), "
				       "list('stats:top_content')},\n"
				       "  redis.call('GET', 'anabranch:top_content_exact') or '', windows}";

enum { TIME, POSITIONS, NEWEST, BOARDS, BOARD_WHOLE, WINDOWS, PARTS };

static bool connect_to(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report)
{
	int64_t ms = config->redis_pool_timeout_ms;
	struct timeval timeout = {ms / 1000, ms % 1000 * 1000};
	redisReply *reply = NULL;

	redis->context = redisConnectWithTimeout(config->redis_host, (int)config->redis_port, timeout);
	AB_ASSERT(redis->context != NULL);
	if (redis->context->err) {
		ab_verify_fail(report, "cannot connect to %s:%d: %s", config->redis_host, (int)config->redis_port,
			       redis->context->errstr);
		return false;
	}
	redisSetTimeout(redis->context, timeout);
	if (config->redis_password[0] == '\0')
		return true;
	if (config->redis_user[0])
		reply = redisCommand(redis->context, "AUTH %s %s", config->redis_user, config->redis_password);
	else
		reply = redisCommand(redis->context, "AUTH %s", config->redis_password);
	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		ab_verify_fail(report, "%s", reply ? reply->str : redis->context->errstr);
	freeReplyObject(reply);
	return !report->failed;
}

static void read_positions(struct ab_verify_redis *redis, const redisReply *list)
{
	struct ab_verify_positions *positions = &redis->positions;

	memset(positions, 0, sizeof *positions);
	memset(positions->next, 0xff, sizeof positions->next);
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const char *field = list->element[i]->str, *value = list->element[i + 1]->str;
		int p, lane, end = 0;
		if (strcmp(field, "lanes") == 0) {
			positions->lanes = (int)strtol(value, NULL, 10);
			positions->known = positions->lanes >= 1 && positions->lanes <= AB_LANES_MAX;
		} else if (strcmp(field, "key") == 0) {
			snprintf(positions->key, sizeof positions->key, "%s", value);
		} else if (sscanf(field, "%d:%d%n", &p, &lane, &end) == 2 && field[end] == '\0' && p >= 0 &&
			   p < AB_PARTITIONS_MAX && lane >= 0 && lane < AB_LANES_MAX) {
			positions->next[p][lane] = strtoll(value, NULL, 10);
		}
	}
}

bool ab_verify_redis_snapshot(struct ab_verify_redis *redis, const struct ab_config *config,
			      struct ab_verify_sink *report)
{
	char key[AB_TOPIC_MAX_BYTES + 32];

	snprintf(key, sizeof key, "anabranch:positions:%s", config->events_topic);
	redisReply *reply = redisCommand(redis->context, "EVAL %s 2 %s %s", script, key, "anabranch:newest_minute");
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != PARTS) {
		ab_verify_fail(report, "the snapshot script: %s",
			       reply && reply->type == REDIS_REPLY_ERROR ? reply->str : redis->context->errstr);
		freeReplyObject(reply);
		return false;
	}
	freeReplyObject(redis->snapshot);
	redis->snapshot = reply;
	redis->time_s = reply->element[TIME]->integer;
	read_positions(redis, reply->element[POSITIONS]);
	redis->newest_minute = INT64_MIN;
	if (reply->element[NEWEST]->len > 0)
		redis->newest_minute = strtoll(reply->element[NEWEST]->str, NULL, 10);
	if (redis->positions.known)
		return true;
	ab_verify_fail(report,
		       "%s holds no positions: this Redis is new, was emptied, or is another one; see `anabranch init`",
		       key);
	return false;
}

void ab_verify_redis_begin(struct ab_verify_redis *redis, const struct ab_config *config, struct ab_verify_sink *report)
{
	redis->ttl_s = config->redis_window_ttl_seconds;
	redis->whole_minute = INT64_MIN;
	if (!connect_to(redis, config, report) || !ab_verify_redis_snapshot(redis, config, report))
		return;
	/* A window expires ttl after its end; the script's time decides, not ours. */
	redis->expired_minute = (redis->time_s - redis->ttl_s) / 60 - 1;
}

void ab_verify_redis_end(struct ab_verify_redis *redis)
{
	freeReplyObject(redis->snapshot);
	if (redis->context != NULL)
		redisFree(redis->context);
	ab_verify_cells_destroy(&redis->cells);
	*redis = (struct ab_verify_redis){0};
}

void ab_verify_redis_windows(const struct ab_verify_redis *redis, ab_verify_on_window *on_window, void *arg)
{
	const redisReply *windows = redis->snapshot->element[WINDOWS];

	for (size_t i = 0; i < windows->elements; i++) {
		const char *key = windows->element[i]->element[0]->str;
		const char *colon = strstr(key, ":window:");
		char what[64];
		int64_t minute;
		if (colon == NULL || !ab_verify_minute_read(colon + 8, &minute))
			continue;
		snprintf(what, sizeof what, "%.*s", (int)(colon - key), key);
		on_window(arg, what, minute, windows->element[i]->element[1]);
	}
}

const redisReply *ab_verify_redis_board(const struct ab_verify_redis *redis, int which)
{
	return redis->snapshot->element[BOARDS]->element[which];
}
