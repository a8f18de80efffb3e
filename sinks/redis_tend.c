/* sinks/redis_tend.c — what is unwise about this Redis, and what is looked at while the sink runs: evicted keys.
 *
 * Threads: the courier; gauges from any. Memory: hiredis allocates.
 */
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "sinks/redis_session.h"

static void AB_PRINTF(3, 4) warn(char *out, size_t size, const char *format, ...)
{
	size_t len = strlen(out);
	va_list args;

	va_start(args, format);
	vsnprintf(out + len, size - len, format, args);
	va_end(args);
}

static void warn_of_eviction(const char *info, char *out, size_t size)
{
	char policy[64], maxmemory[32];

	ab_session_info_value(info, "maxmemory_policy", policy, sizeof policy);
	ab_session_info_value(info, "maxmemory", maxmemory, sizeof maxmemory);
	if (policy[0] == '\0' || strcmp(policy, "noeviction") == 0)
		return;
	warn(out, size, "maxmemory-policy is %s: once maxmemory is reached%s, %s; set noeviction\n", policy,
	     strcmp(maxmemory, "0") == 0 ? " (none is set now)" : "",
	     strncmp(policy, "allkeys-", 8) == 0
	     ? "counters are lost without a word, and lost positions stop this sink"
	     : "windows go before their time, and what they counted is lost without a word");
}

/* CONFIG may be forbidden: then nothing is known, and "" is returned. */
static void setting(struct ab_redis_session *session, const char *name, char *to, size_t room)
{
	redisReply *reply = session->status == AB_SINK_OK ? redisCommand(session->redis, "CONFIG GET %s", name) : NULL;

	to[0] = '\0';
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		snprintf(to, room, "%s", reply->element[1]->len > 0 ? reply->element[1]->str : "never");
	ab_session_release(reply);
}

static void warn_of_loss(struct ab_redis_session *session, const char *info, char *out, size_t size)
{
	char aof[8], save[128], fsync[16];

	ab_session_info_value(info, "aof_enabled", aof, sizeof aof);
	setting(session, "save", save, sizeof save);
	setting(session, "appendfsync", fsync, sizeof fsync);
	if (strcmp(aof, "0") == 0 && strcmp(save, "never") == 0)
		warn(out, size, "it saves nothing: after a restart it is empty, and this sink stops until `anabranch "
		     "init --from earliest` counts again what Kafka still has; set appendonly yes\n");
	else if (strcmp(aof, "0") == 0)
		warn(out, size, "appendonly is no: what it loses in a crash is read from Kafka again, as far as Kafka "
		     "still has it; set appendonly yes\n");
	else if (strcmp(fsync, "no") == 0)
		warn(out, size, "appendfsync is no: when the machine fails, what it loses is read from Kafka again, as "
		     "far as Kafka still has it; set appendfsync everysec\n");
}

void ab_redis_warnings(struct ab_sink *sink, char *out, size_t size)
{
	struct ab_redis_session session;
	char error[AB_SINK_ERROR_MAX_BYTES];

	out[0] = '\0';
	ab_session_open(&session, sink, error);
	redisReply *reply = ab_session_info(&session);
	if (reply != NULL) {
		warn_of_eviction(reply->str, out, size);
		warn_of_loss(&session, reply->str, out, size);
		freeReplyObject(reply);
	}
	ab_session_close(&session);
}

/* A counter that was evicted cannot be told from one that never was; that something was evicted can. */
static enum ab_sink_status watch_evictions(struct ab_sink *sink, char *error)
{
	struct ab_redis_session session;
	char value[32];
	int64_t evicted = 0;

	ab_session_open(&session, sink, error);
	redisReply *reply = ab_session_info(&session);
	if (reply != NULL) {
		int64_t before = atomic_load_explicit(&sink->evicted, memory_order_relaxed);		/* [R2] */
		ab_session_info_value(reply->str, "evicted_keys", value, sizeof value);
		if (ab_redis_parse_i64(value, &evicted) && evicted > before)
			snprintf(error, AB_SINK_ERROR_MAX_BYTES, "redis: it has evicted %lld keys for want of memory: counters "
			     "may be among them, and are too low since; raise maxmemory and set maxmemory-policy "
			     "noeviction", (long long)evicted);
		atomic_store_explicit(&sink->evicted, evicted, memory_order_relaxed);			/* [R2] */
		freeReplyObject(reply);
	}
	return ab_session_close(&session);
}

enum ab_sink_status ab_redis_tend(struct ab_sink *sink, char *error)
{
	int64_t now_ns = ab_monotonic_ns();
	enum ab_sink_status status = ab_redis_refresh(sink, error);

	if (status != AB_SINK_OK || now_ns - sink->watched_ns < AB_REDIS_WATCH_NS)
		return status;
	sink->watched_ns = now_ns;
	return watch_evictions(sink, error);
}

int ab_redis_gauges(const struct ab_sink *sink, struct ab_sink_gauge *out)
{
	out[0] = (struct ab_sink_gauge){"redis_evicted_keys", "Keys evicted since Redis started; counters may be among them.",
					atomic_load_explicit(&sink->evicted, memory_order_relaxed)};	/* [R2] */
	return 1;
}
