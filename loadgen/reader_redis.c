/* loadgen/reader_redis.c — a mark is visible in Redis when its content's sum in its minute has grown by it.
 *
 * Marks have contents of their own, each worth one percent: the n-th mark of a content within a minute is there when the
 * score of engagement:by_content:window:<minute> has reached n. What earlier runs left in the minute at start is read
 * before the first mark is sent.
 */
#include <math.h>
#include <time.h>

#include <hiredis/hiredis.h>

#include "loadgen/clock.h"
#include "loadgen/content.h"
#include "loadgen/random.h"
#include "loadgen/reader.h"

#define TIMEOUT_S 5

/* Marks looked for at once: older ones first. */
#define LOOK_MAX 2000

/* Scores are sums of hundredths kept as doubles. */
#define TOLERANCE 0.005

struct use {
	int64_t minute;
	double score; /* expected after the last mark */
};

struct own {
	redisContext *wire;
	struct use *uses; /* by content */
	uint32_t contents;
	int64_t first_minute;
};

static int failed(struct ab_reader *r, const char *what)
{
	struct own *own = r->own;
	snprintf(r->error, sizeof r->error, "Redis at %.200s:%.16s: %.200s", r->settings->redis_host,
		r->settings->redis_port, what != NULL ? what : own->wire != NULL ? own->wire->errstr : "out of memory");
	return 0;
}

static int login(struct ab_reader *r)
{
	struct own *own = r->own;
	const struct ab_settings *s = r->settings;
	if (s->redis_password.value[0] == '\0')
		return 1;
	redisReply *reply = s->redis_user[0] != '\0'
				    ? redisCommand(own->wire, "AUTH %s %s", s->redis_user, s->redis_password.value)
				    : redisCommand(own->wire, "AUTH %s", s->redis_password.value);
	int ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
	if (!ok)
		failed(r, reply != NULL ? reply->str : NULL);
	freeReplyObject(reply);
	return ok;
}

static void append_score(struct own *own, uint64_t seed, int64_t minute, uint64_t content)
{
	struct ab_gen_content mark;
	char id[AB_UUID_TEXT_BYTES], name[32];
	time_t seconds = (time_t)(minute * 60);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(name, sizeof name, "%Y%m%d%H%M", &tm);
	ab_gen_content(seed, content, &mark);
	ab_uuid_text(mark.id, id);
	redisAppendCommand(own->wire, "ZSCORE engagement:by_content:window:%s %s", name, id);
}

/* The next answer; < 0: the connection is gone. Nothing there is 0. */
static double take_score(struct ab_reader *r)
{
	struct own *own = r->own;
	redisReply *reply = NULL;
	if (redisGetReply(own->wire, (void **)&reply) != REDIS_OK) {
		failed(r, NULL);
		return -1;
	}
	double score = reply->type == REDIS_REPLY_STRING ? strtod(reply->str, NULL) : 0;
	if (reply->type == REDIS_REPLY_ERROR) {
		failed(r, reply->str);
		r->errors++;
	}
	freeReplyObject(reply);
	return score < 0 ? 0 : score;
}

static int read_first_minute(struct ab_reader *r)
{
	struct own *own = r->own;
	own->first_minute = (int64_t)time(NULL) / 60;
	for (uint32_t i = 0; i < own->contents; i++)
		append_score(own, r->seed, own->first_minute, AB_GEN_MARK_FIRST + i);
	for (uint32_t i = 0; i < own->contents; i++) {
		double score = take_score(r);
		if (score < 0)
			return 0;
		own->uses[i] = (struct use){own->first_minute, score};
	}
	return 1;
}

static int connect_redis(struct ab_reader *r)
{
	struct own *own = r->own;
	int first = own == NULL;
	if (first) {
		own = r->own = calloc(1, sizeof *own);
		AB_ASSERT(own != NULL);
		own->contents = AB_GEN_MARK_CONTENTS;
		own->uses = calloc(own->contents, sizeof *own->uses);
		AB_ASSERT(own->uses != NULL);
	}
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	own->wire = redisConnectWithTimeout(r->settings->redis_host, atol(r->settings->redis_port), timeout);
	if (own->wire == NULL || own->wire->err != 0)
		return failed(r, NULL);
	redisSetTimeout(own->wire, timeout);
	return login(r) && (!first || read_first_minute(r));
}

static void expect(struct ab_reader *r, struct ab_sample *sample)
{
	struct own *own = r->own;
	struct use *use = &own->uses[sample->mark.content - AB_GEN_MARK_FIRST];
	int64_t minute = sample->mark.event_us / 60000000;
	if (use->minute != minute)
		*use = (struct use){minute, 0};
	use->score += AB_GEN_MARK_PERCENT;
	sample->wanted = use->score;
}

static int look(struct ab_reader *r)
{
	struct own *own = r->own;
	uint32_t end = (uint32_t)ab_min_u64(r->used, r->done + LOOK_MAX);
	for (uint32_t i = r->done; i < end; i++)
		append_score(own, r->seed, r->samples[i].mark.event_us / 60000000, r->samples[i].mark.content);
	for (uint32_t i = r->done; i < end; i++) {
		double score = take_score(r);
		if (score < 0)
			return 0;
		if (score >= r->samples[i].wanted - TOLERANCE)
			r->samples[i].seen_ns = ab_lg_now_ns();
	}
	return 1;
}

static void disconnect(struct ab_reader *r)
{
	struct own *own = r->own;
	if (own->wire != NULL)
		redisFree(own->wire);
	own->wire = NULL;
	if (atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
		free(own->uses);
		free(own);
		r->own = NULL;
	}
}

const struct ab_reader_kind ab_reader_redis = {.sink = "redis", .period_ns = 10000000, .connect = connect_redis,
	.expect = expect, .look = look, .disconnect = disconnect};
