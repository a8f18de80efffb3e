/* sinks/redis_admin.c — what control asks of Redis: is it fit, where do positions stand, and `anabranch init`.
 *
 * Threads: control. Each call opens a connection of its own and closes it; every step has the configured time-out.
 * Memory:  hiredis allocates; nothing here is on the way of an event.
 *
 * Positions are one hash: "lanes", "key" and "run", and "<partition>:<lane>" for each lane of each partition. Changes
 * are made under WATCH: a script that moves a position meanwhile makes them fail, and nothing has happened.
 */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/format.h"
#include "sinks/redis_lane.h"

/* How many keys are looked through for older counters before init gives up looking and says so. */
#define SCAN_ROUNDS_MAX 1000
#define SCAN_ROUND_KEYS 1000

struct session {
	struct ab_sink *sink;
	redisContext *redis;
	enum ab_sink_status status;	/* of the first thing that failed */
	char *error;
};

/* What the positions hash holds. */
struct stored {
	bool exists;
	int lanes;				/* 0: not said */
	char key_by[AB_REDIS_NAME_MAX_BYTES];	/* "": not said */
	struct ab_sink_positions at;
};

static void AB_PRINTF(3, 4) fail(struct session *session, enum ab_sink_status status, const char *format, ...)
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
static redisReply *checked(struct session *session, redisReply *reply)
{
	const char *advice;

	if (reply == NULL) {
		fail(session, AB_SINK_ABSENT, "redis: %s:%d: %s", session->sink->host, session->sink->port,
		     session->redis->errstr);
		return NULL;
	}
	if (reply->type != REDIS_REPLY_ERROR)
		return reply;
	enum ab_reply_result result = ab_redis_classify(reply->str, reply->len, &advice);
	bool passes = result == AB_REPLY_OUTAGE || result == AB_REPLY_RECONNECT;
	fail(session, passes ? AB_SINK_ABSENT : AB_SINK_REFUSED, "redis: \"%.200s\": %s", reply->str, advice);
	freeReplyObject(reply);
	return NULL;
}

static redisReply *ask(struct session *session, const char *format, ...)
{
	va_list args;

	if (session->status != AB_SINK_OK)
		return NULL;
	va_start(args, format);
	redisReply *reply = redisvCommand(session->redis, format, args);
	va_end(args);
	return checked(session, reply);
}

/* For commands whose answer is only whether they worked. */
#define DO(session, ...) release(ask(session, __VA_ARGS__))
static void release(redisReply *reply)
{
	if (reply != NULL)
		freeReplyObject(reply);
}

static void open_session(struct session *session, struct ab_sink *sink, char *error)
{
	struct timeval timeout = {sink->timeout_ms / 1000, sink->timeout_ms % 1000 * 1000};

	*session = (struct session){.sink = sink, .status = AB_SINK_OK, .error = error};
	session->redis = redisConnectWithTimeout(sink->host, sink->port, timeout);
	AB_ASSERT(session->redis != NULL);
	if (session->redis->err) {
		fail(session, AB_SINK_ABSENT, "redis: cannot connect to %s:%d: %s", sink->host, sink->port,
		     session->redis->errstr);
		return;
	}
	redisSetTimeout(session->redis, timeout);
	if (sink->password[0] && sink->user[0])
		DO(session, "AUTH %s %s", sink->user, sink->password);
	else if (sink->password[0])
		DO(session, "AUTH %s", sink->password);
}

static enum ab_sink_status close_session(struct session *session)
{
	redisFree(session->redis);
	return session->status;
}

/* The value of "name:value\r\n" in INFO's answer; "" when it is not there. */
static void info_value(const char *info, const char *name, char *to, size_t room)
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
static redisReply *info(struct session *session)
{
	if (session->status != AB_SINK_OK)
		return NULL;
	redisReply *reply = redisCommand(session->redis, "INFO");
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0) {
		freeReplyObject(reply);
		return NULL;
	}
	reply = checked(session, reply);
	if (reply != NULL && reply->type != REDIS_REPLY_STRING) {
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

static void check_server(struct session *session)
{
	redisReply *reply = info(session);
	char value[64];
	int major = 0, minor = 0;

	if (reply == NULL)
		return;
	info_value(reply->str, "redis_version", value, sizeof value);
	if (sscanf(value, "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 2)))
		fail(session, AB_SINK_REFUSED, "redis: %s:%d is version %s; 6.2 or later is needed",
		     session->sink->host, session->sink->port, value);
	info_value(reply->str, "cluster_enabled", value, sizeof value);
	if (strcmp(value, "1") == 0)
		fail(session, AB_SINK_REFUSED, "redis: %s:%d is a node of a cluster; Redis Cluster is not supported: "
		     "use a single Redis, or one behind Sentinel", session->sink->host, session->sink->port);
	info_value(reply->str, "role", value, sizeof value);
	if (strcmp(value, "slave") == 0)
		fail(session, AB_SINK_ABSENT, "redis: %s:%d is a replica: point REDIS_HOST at the master, or wait for "
		     "the failover", session->sink->host, session->sink->port);
	freeReplyObject(reply);
}

/* A right that is missing would stop the script half-way, so each is asked for before (Redis 7 and later can tell). */
static void check_rights(struct session *session)
{
	static const char script[] =
		"if not redis.acl_check_cmd then return 0 end\n"
		"for _, c in ipairs({{'TYPE', 'k'}, {'GET', 'k'}, {'SET', 'k', 'v'}, {'DEL', 'k'},\n"
		"  {'EXPIREAT', 'k', '1'}, {'HGETALL', 'k'}, {'HMGET', 'k', 'f'}, {'HSET', 'k', 'f', 'v'},\n"
		"  {'ZADD', 'k', '1', 'm'}, {'ZCARD', 'k'}, {'ZINCRBY', 'k', '1', 'm'}, {'ZMSCORE', 'k', 'm'},\n"
		"  {'ZREVRANGE', 'k', '0', '1'}, {'ZREMRANGEBYRANK', 'k', '0', '1'},\n"
		"  {'ZUNIONSTORE', 'k', '1', 'k'}}) do\n"
		"  for _, key in ipairs({KEYS[1], KEYS[2], 'access:by_type:window:0', 'engagement:by_type:window:0',\n"
		"    'engagement:exact:window:0', 'engagement:by_content:window:0', 'stats:top_content'}) do\n"
		"    for i = 1, #c do if c[i] == 'k' then c[i] = key end end\n"
		"    if not redis.acl_check_cmd(unpack(c)) then return c[1] .. ' on ' .. key end\n"
		"    for i = 1, #c do if c[i] == key then c[i] = 'k' end end\n"
		"  end\nend\nreturn 0";
	redisReply *reply = ask(session, "EVAL %s 2 %s %s", script, session->sink->positions_key,
				AB_REDIS_NEWEST_MINUTE);

	if (reply != NULL && reply->type == REDIS_REPLY_STRING)
		fail(session, AB_SINK_REFUSED, "redis: the user of REDIS_USER may not use %s: give the right "
		     "(ACL SETUSER)", reply->str);
	release(reply);
}

enum ab_sink_status ab_redis_probe(struct ab_sink *sink, char *error)
{
	struct session session;

	open_session(&session, sink, error);
	DO(&session, "PING");
	check_server(&session);
	check_rights(&session);
	return close_session(&session);
}

static bool parse_i64(const char *text, int64_t *value)
{
	char *end;

	*value = strtoll(text, &end, 10);
	return text[0] != '\0' && *end == '\0' && *value >= 0;
}

/* One field of the hash; what is not ours is left alone. */
static void read_field(struct session *session, struct stored *stored, const char *field, const char *value)
{
	int partition, lane, end = 0;
	int64_t number = 0;

	if (strcmp(field, "lanes") == 0) {
		if (!parse_i64(value, &number) || number < 1 || number > AB_LANES_MAX)
			fail(session, AB_SINK_REFUSED, "redis: %s: field lanes holds \"%.40s\": correct it",
			     session->sink->positions_key, value);
		stored->lanes = (int)number;
	} else if (strcmp(field, "key") == 0) {
		snprintf(stored->key_by, sizeof stored->key_by, "%s", value);
	} else if (sscanf(field, "%d:%d%n", &partition, &lane, &end) == 2 && field[end] == '\0') {
		if (partition < 0 || partition >= AB_PARTITIONS_MAX || lane < 0 || lane >= AB_LANES_MAX ||
		    !parse_i64(value, &number))
			fail(session, AB_SINK_REFUSED, "redis: %s: field %.40s holds \"%.40s\", which is no position: "
			     "correct it", session->sink->positions_key, field, value);
		else
			stored->at.position[lane][partition] = number;
	}
}

/* Reads the hash and watches it. Not NULL: the caller frees it. */
static struct stored *read_stored(struct session *session)
{
	struct stored *stored = calloc(1, sizeof *stored);

	AB_ASSERT(stored != NULL);
	memset(&stored->at.position, 0xff, sizeof stored->at.position);		/* -1: none */
	DO(session, "WATCH %s", session->sink->positions_key);
	redisReply *reply = ask(session, "HGETALL %s", session->sink->positions_key);
	if (reply == NULL)
		return stored;
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		read_field(session, stored, reply->element[i]->str, reply->element[i + 1]->str);
	stored->exists = reply->elements > 0;
	freeReplyObject(reply);
	return stored;
}

static void exec(struct session *session)
{
	redisReply *reply = ask(session, "EXEC");

	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		fail(session, AB_SINK_ABSENT, "redis: %s changed while it was read: another engine is running; trying "
		     "again", session->sink->positions_key);
	for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			fail(session, AB_SINK_REFUSED, "redis: \"%.200s\" while positions were written",
			     reply->element[i]->str);
	}
	release(reply);
}

/* Every lane of a partition stands at the same offset: below it all is applied, whichever lane it belonged to. */
static bool drained(const struct stored *stored)
{
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		for (int lane = 1; lane < stored->lanes; lane++) {
			if (stored->at.position[lane][p] != stored->at.position[0][p])
				return false;
		}
	}
	return true;
}

/* A drained sink may change its layout: the one offset of each partition becomes every new lane's. */
static void change_layout(struct session *session, struct stored *stored)
{
	const struct ab_sink *sink = session->sink;
	const char *key = sink->positions_key;
	int lanes = stored->lanes > sink->lanes ? stored->lanes : sink->lanes;

	DO(session, "MULTI");
	DO(session, "HSET %s lanes %d key %s", key, sink->lanes, sink->key_by);
	for (int p = 0; p < AB_PARTITIONS_MAX; p++) {
		int64_t at = stored->at.position[0][p];
		for (int lane = 0; at >= 0 && lane < lanes; lane++) {
			if (lane < sink->lanes)
				DO(session, "HSET %s %d:%d %lld", key, p, lane, (long long)at);
			else
				DO(session, "HDEL %s %d:%d", key, p, lane);
			stored->at.position[lane][p] = lane < sink->lanes ? at : -1;
		}
	}
	exec(session);
	stored->lanes = sink->lanes;
	snprintf(stored->key_by, sizeof stored->key_by, "%s", sink->key_by);
	DO(session, "WATCH %s", key);
}

static void check_layout(struct session *session, struct stored *stored)
{
	const struct ab_sink *sink = session->sink;

	if (session->status != AB_SINK_OK || stored->lanes == 0)
		return;
	if (stored->lanes == sink->lanes && strcmp(stored->key_by, sink->key_by) == 0)
		return;
	if (drained(stored)) {
		change_layout(session, stored);
		return;
	}
	fail(session, AB_SINK_REFUSED, "redis: the positions were made with REDIS_SINK_PARALLELISM=%d and "
	     "REDIS_KEY_BY=%.40s, now it is %d and %.40s, and the lanes stand at different offsets: start once with "
	     "the old values, stop it with SIGTERM, then change them", stored->lanes, stored->key_by, sink->lanes,
	     sink->key_by);
}

/* Counters without positions: whoever made them, a start from the earliest offset counts on top of them. */
static void look_for_counters(struct session *session, char *note)
{
	char cursor[32] = "0";

	for (int round = 0; round < SCAN_ROUNDS_MAX; round++) {
		redisReply *reply = ask(session, "SCAN %s MATCH access:by_type:window:* COUNT %d", cursor,
					SCAN_ROUND_KEYS);
		if (reply == NULL || reply->elements != 2) {
			release(reply);
			return;
		}
		snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
		bool found = reply->element[1]->elements > 0;
		if (found)
			snprintf(note, AB_SINK_ERROR_MAX_BYTES, "redis: there are counters already (such as %.64s), "
				 "but there were no positions: events read again are counted on top of them; delete "
				 "them, or use --from group:NAME or --from latest", reply->element[1]->element[0]->str);
		freeReplyObject(reply);
		if (found || strcmp(cursor, "0") == 0)
			return;
	}
	snprintf(note, AB_SINK_ERROR_MAX_BYTES, "redis: of its many keys only the first %d were looked through for "
		 "counters of an earlier run: none among them", SCAN_ROUNDS_MAX * SCAN_ROUND_KEYS);
}

/* A partition is either wholly there or wholly new: half of it missing is damage, which init must not paper over. */
static int positions_there(struct session *session, const struct stored *stored, int partition)
{
	int there = 0;

	for (int lane = 0; lane < session->sink->lanes; lane++)
		there += stored->at.position[lane][partition] >= 0;
	if (there > 0 && there < session->sink->lanes)
		fail(session, AB_SINK_REFUSED, "redis: %s has positions of partition %d for %d of %d lanes: some were "
		     "lost; delete the key and the counters, and begin anew from a known offset",
		     session->sink->positions_key, partition, there, session->sink->lanes);
	return there;
}

/* Returns how many partitions got positions. */
static int create_positions(struct session *session, const struct stored *stored, const struct ab_sink_positions *first,
			    int partitions, const char *run_id)
{
	const char *key = session->sink->positions_key;
	bool is_new[AB_PARTITIONS_MAX] = {false};
	int created = 0;

	for (int p = 0; p < partitions; p++) {
		is_new[p] = positions_there(session, stored, p) == 0;
		created += is_new[p];
	}
	DO(session, "MULTI");
	DO(session, "HSETNX %s run %s", key, run_id);
	DO(session, "HSETNX %s lanes %d", key, session->sink->lanes);
	DO(session, "HSETNX %s key %s", key, session->sink->key_by);
	for (int p = 0; p < partitions; p++) {
		for (int lane = 0; is_new[p] && lane < session->sink->lanes; lane++) {
			int64_t at = first->position[lane][p];
			if (at >= 0)
				DO(session, "HSETNX %s %d:%d %lld", key, p, lane, (long long)at);
		}
	}
	exec(session);
	return created;
}

enum ab_sink_status ab_redis_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
				  const char *run_id, char *note, char *error)
{
	struct session session;

	AB_ASSERT(partitions >= 0 && partitions <= AB_PARTITIONS_MAX);
	note[0] = '\0';
	open_session(&session, sink, error);
	check_server(&session);
	check_rights(&session);
	struct stored *stored = read_stored(&session);
	check_layout(&session, stored);
	if (session.status == AB_SINK_OK && !stored->exists)
		look_for_counters(&session, note);
	int created = create_positions(&session, stored, first, partitions, run_id);
	if (session.status == AB_SINK_OK && created > 0 && note[0] == '\0')
		snprintf(note, AB_SINK_ERROR_MAX_BYTES, "redis: positions were made for %d of %d partitions", created,
			 partitions);
	free(stored);
	return close_session(&session);
}

enum ab_sink_status ab_redis_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	struct session session;

	AB_ASSERT(partitions >= 0 && partitions <= AB_PARTITIONS_MAX);
	open_session(&session, sink, error);
	check_server(&session);
	struct stored *stored = read_stored(&session);
	check_layout(&session, stored);
	for (int p = 0; p < partitions; p++) {
		for (int lane = 0; lane < sink->lanes; lane++) {
			if (stored->at.position[lane][p] < 0)
				fail(&session, AB_SINK_MISSING, "redis: %s holds no position for partition %d, lane %d"
				     ": if this Redis is new, was emptied, or the topic has grown, run `anabranch init`",
				     sink->positions_key, p, lane);
		}
	}
	if (session.status == AB_SINK_OK) {
		*io = stored->at;
		io->lanes = sink->lanes;
	}
	free(stored);
	return close_session(&session);
}

static redisReply *call_script(struct session *session, const char *how, const char *script)
{
	const struct ab_sink *sink = session->sink;
	char now[AB_FORMAT_MAX_BYTES + 1];

	now[ab_format_iso(now, ab_wall_ms() * 1000)] = '\0';
	return redisCommand(session->redis, "%s %s 2 %s %s %d %s %lld %d %s %s 0 0", how, script, sink->positions_key,
			    AB_REDIS_NEWEST_MINUTE, sink->lanes, sink->key_by, (long long)sink->window_ttl_seconds,
			    AB_REDIS_BOARDS_ALL, now, "");
}

enum ab_sink_status ab_redis_refresh(struct ab_sink *sink, char *error)
{
	uint64_t applied = atomic_load_explicit(&sink->applied, memory_order_relaxed);		/* [R1] */
	uint64_t boarded = atomic_load_explicit(&sink->boarded, memory_order_relaxed);		/* [R1] */
	bool quiet = applied == sink->applied_seen;
	struct session session;

	sink->applied_seen = applied;
	if (!quiet || applied == boarded || applied == sink->applied_refreshed)
		return AB_SINK_OK;
	open_session(&session, sink, error);
	if (session.status == AB_SINK_OK) {
		redisReply *reply = call_script(&session, "EVALSHA", ab_redis_script_sha);
		if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
			freeReplyObject(reply);
			reply = call_script(&session, "EVAL", ab_redis_script);
		}
		release(checked(&session, reply));
	}
	if (session.status == AB_SINK_OK)
		sink->applied_refreshed = applied;
	return close_session(&session);
}

/* --- what is unwise about this Redis -------------------------------------------------------------------------------- */

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

	info_value(info, "maxmemory_policy", policy, sizeof policy);
	info_value(info, "maxmemory", maxmemory, sizeof maxmemory);
	if (policy[0] == '\0' || strcmp(policy, "noeviction") == 0)
		return;
	warn(out, size, "maxmemory-policy is %s: once maxmemory is reached%s, %s; set noeviction\n", policy,
	     strcmp(maxmemory, "0") == 0 ? " (none is set now)" : "",
	     strncmp(policy, "allkeys-", 8) == 0
	     ? "counters are lost without a word, and lost positions stop this sink"
	     : "windows go before their time, and what they counted is lost without a word");
}

/* CONFIG may be forbidden: then nothing is known, and "" is returned. */
static void setting(struct session *session, const char *name, char *to, size_t room)
{
	redisReply *reply = session->status == AB_SINK_OK ? redisCommand(session->redis, "CONFIG GET %s", name) : NULL;

	to[0] = '\0';
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		snprintf(to, room, "%s", reply->element[1]->len > 0 ? reply->element[1]->str : "never");
	release(reply);
}

static void warn_of_loss(struct session *session, const char *info, char *out, size_t size)
{
	char aof[8], save[128], fsync[16];

	info_value(info, "aof_enabled", aof, sizeof aof);
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
	struct session session;
	char error[AB_SINK_ERROR_MAX_BYTES];

	out[0] = '\0';
	open_session(&session, sink, error);
	redisReply *reply = info(&session);
	if (reply != NULL) {
		warn_of_eviction(reply->str, out, size);
		warn_of_loss(&session, reply->str, out, size);
		freeReplyObject(reply);
	}
	close_session(&session);
}

/* A counter that was evicted cannot be told from one that never was; that something was evicted can. */
static enum ab_sink_status watch_evictions(struct ab_sink *sink, char *error)
{
	struct session session;
	char value[32];
	int64_t evicted = 0;

	open_session(&session, sink, error);
	redisReply *reply = info(&session);
	if (reply != NULL) {
		int64_t before = atomic_load_explicit(&sink->evicted, memory_order_relaxed);		/* [R2] */
		info_value(reply->str, "evicted_keys", value, sizeof value);
		if (parse_i64(value, &evicted) && evicted > before)
			fail(&session, AB_SINK_REFUSED, "redis: it has evicted %lld keys for want of memory: counters "
			     "may be among them, and are too low since; raise maxmemory and set maxmemory-policy "
			     "noeviction", (long long)evicted);
		atomic_store_explicit(&sink->evicted, evicted, memory_order_relaxed);			/* [R2] */
		freeReplyObject(reply);
	}
	return close_session(&session);
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
