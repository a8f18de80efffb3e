/* sinks/redis_admin.c — what control asks of Redis: is it fit, where do positions stand, and `anabranch init`.
 *
 * Threads: control. Each call opens a connection of its own and closes it; every step has the configured time-out.
 * Memory:  hiredis allocates; nothing here is on the way of an event.
 *
 * Positions are one hash: "lanes" and "key", "cluster" (Kafka's id), "run" (which init made it, for people), and
 * "<partition>:<lane>" for each lane of each partition. Changes are made under WATCH: a script that moves a position
 * meanwhile makes them fail, and nothing has happened.
 */
#include <string.h>

#include "core/clock.h"
#include "core/cluster.h"
#include "core/format.h"
#include "sinks/redis_session.h"

/* How many keys are looked through for older counters before init gives up looking and says so. */
#define SCAN_ROUNDS_MAX 1000
#define SCAN_ROUND_KEYS 1000

/* What the positions hash holds. */
struct stored {
	bool exists;
	int lanes;				/* 0: not said */
	char key_by[AB_REDIS_NAME_MAX_BYTES];	/* "": not said */
	struct ab_sink_positions at;
};

static void check_server(struct ab_redis_session *session)
{
	redisReply *reply = ab_session_info(session);
	char value[64];
	int major = 0, minor = 0;

	if (reply == NULL)
		return;
	ab_session_info_value(reply->str, "redis_version", value, sizeof value);
	if (sscanf(value, "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 2)))
		ab_session_fail(session, AB_SINK_REFUSED, "redis: %s:%d is version %s; 6.2 or later is needed",
		     session->sink->host, session->sink->port, value);
	ab_session_info_value(reply->str, "cluster_enabled", value, sizeof value);
	if (strcmp(value, "1") == 0)
		ab_session_fail(session, AB_SINK_REFUSED, "redis: %s:%d is a node of a cluster; Redis Cluster is not supported: "
		     "use a single Redis, or one behind Sentinel", session->sink->host, session->sink->port);
	ab_session_info_value(reply->str, "role", value, sizeof value);
	if (strcmp(value, "slave") == 0)
		ab_session_fail(session, AB_SINK_ABSENT, "redis: %s:%d is a replica: point REDIS_HOST at the master, or wait for "
		     "the failover", session->sink->host, session->sink->port);
	freeReplyObject(reply);
}

/* A right that is missing would stop the script half-way, so each is asked for before (Redis 7 and later can tell). */
static void check_rights(struct ab_redis_session *session)
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
	redisReply *reply = ab_session_ask(session, "EVAL %s 2 %s %s", script, session->sink->positions_key,
				AB_REDIS_NEWEST_MINUTE);

	if (reply != NULL && reply->type == REDIS_REPLY_STRING)
		ab_session_fail(session, AB_SINK_REFUSED, "redis: the user of REDIS_USER may not use %s: give the right "
		     "(ACL SETUSER)", reply->str);
	ab_session_release(reply);
}

enum ab_sink_status ab_redis_probe(struct ab_sink *sink, char *error)
{
	struct ab_redis_session session;

	ab_session_open(&session, sink, error);
	DO(&session, "PING");
	check_server(&session);
	check_rights(&session);
	return ab_session_close(&session);
}

/* One field of the hash; what is not ours is left alone. */
static void read_field(struct ab_redis_session *session, struct stored *stored, const char *field, const char *value)
{
	int partition, lane, end = 0;
	int64_t number = 0;

	if (strcmp(field, "lanes") == 0) {
		if (!ab_redis_parse_i64(value, &number) || number < 1 || number > AB_LANES_MAX)
			ab_session_fail(session, AB_SINK_REFUSED, "redis: %s: field lanes holds \"%.40s\": correct it",
			     session->sink->positions_key, value);
		stored->lanes = (int)number;
	} else if (strcmp(field, "key") == 0) {
		snprintf(stored->key_by, sizeof stored->key_by, "%s", value);
	} else if (strcmp(field, "cluster") == 0) {
		snprintf(stored->at.cluster, sizeof stored->at.cluster, "%s", value);
	} else if (sscanf(field, "%d:%d%n", &partition, &lane, &end) == 2 && field[end] == '\0') {
		if (partition < 0 || partition >= AB_PARTITIONS_MAX || lane < 0 || lane >= AB_LANES_MAX ||
		    !ab_redis_parse_i64(value, &number))
			ab_session_fail(session, AB_SINK_REFUSED, "redis: %s: field %.40s holds \"%.40s\", which is no position: "
			     "correct it", session->sink->positions_key, field, value);
		else
			stored->at.position[lane][partition] = number;
	}
}

/* Reads the hash and watches it. Not NULL: the caller frees it. */
static struct stored *read_stored(struct ab_redis_session *session)
{
	struct stored *stored = calloc(1, sizeof *stored);

	AB_ASSERT(stored != NULL);
	memset(&stored->at.position, 0xff, sizeof stored->at.position);		/* -1: none */
	DO(session, "WATCH %s", session->sink->positions_key);
	redisReply *reply = ab_session_ask(session, "HGETALL %s", session->sink->positions_key);
	if (reply == NULL)
		return stored;
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		read_field(session, stored, reply->element[i]->str, reply->element[i + 1]->str);
	stored->exists = reply->elements > 0;
	freeReplyObject(reply);
	return stored;
}

static void exec(struct ab_redis_session *session)
{
	redisReply *reply = ab_session_ask(session, "EXEC");

	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		ab_session_fail(session, AB_SINK_ABSENT, "redis: %s changed while it was read: another engine is running; trying "
		     "again", session->sink->positions_key);
	for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			ab_session_fail(session, AB_SINK_REFUSED, "redis: \"%.200s\" while positions were written",
			     reply->element[i]->str);
	}
	ab_session_release(reply);
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
static void change_layout(struct ab_redis_session *session, struct stored *stored)
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

static void check_layout(struct ab_redis_session *session, struct stored *stored)
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
	ab_session_fail(session, AB_SINK_REFUSED, "redis: the positions were made with REDIS_SINK_PARALLELISM=%d and "
	     "REDIS_KEY_BY=%.40s, now it is %d and %.40s, and the lanes stand at different offsets: start once with "
	     "the old values, stop it with SIGTERM, then change them", stored->lanes, stored->key_by, sink->lanes,
	     sink->key_by);
}

/* Offsets of one Kafka mean nothing in another: with these positions records would be skipped, or counted again. */
static void check_cluster(struct ab_redis_session *session, const struct stored *stored, const char *cluster)
{
	if (ab_other_cluster(stored->at.cluster, cluster))
		ab_session_fail(session, AB_SINK_REFUSED, "redis: the positions in %s are of Kafka cluster %s, this is %s: "
		     "point REDIS_HOST at the Redis of this Kafka, or delete the key and the counters and begin anew",
		     session->sink->positions_key, stored->at.cluster, cluster);
}

/* Counters without positions: whoever made them, a start from the earliest offset counts on top of them. */
static void look_for_counters(struct ab_redis_session *session, char *note)
{
	char cursor[32] = "0";

	for (int round = 0; round < SCAN_ROUNDS_MAX; round++) {
		redisReply *reply = ab_session_ask(session, "SCAN %s MATCH access:by_type:window:* COUNT %d", cursor,
					SCAN_ROUND_KEYS);
		if (reply == NULL || reply->elements != 2) {
			ab_session_release(reply);
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
static int positions_there(struct ab_redis_session *session, const struct stored *stored, int partition)
{
	int there = 0;

	for (int lane = 0; lane < session->sink->lanes; lane++)
		there += stored->at.position[lane][partition] >= 0;
	if (there > 0 && there < session->sink->lanes)
		ab_session_fail(session, AB_SINK_REFUSED, "redis: %s has positions of partition %d for %d of %d lanes: some were "
		     "lost; delete the key and the counters, and begin anew from a known offset",
		     session->sink->positions_key, partition, there, session->sink->lanes);
	return there;
}

/* Returns how many partitions got positions. */
static int create_positions(struct ab_redis_session *session, const struct stored *stored, const struct ab_sink_positions *first,
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
	if (first->cluster[0])
		DO(session, "HSETNX %s cluster %s", key, first->cluster);
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
	struct ab_redis_session session;

	AB_ASSERT(partitions >= 0 && partitions <= AB_PARTITIONS_MAX);
	note[0] = '\0';
	ab_session_open(&session, sink, error);
	check_server(&session);
	check_rights(&session);
	struct stored *stored = read_stored(&session);
	check_cluster(&session, stored, first->cluster);
	check_layout(&session, stored);
	if (session.status == AB_SINK_OK && !stored->exists)
		look_for_counters(&session, note);
	int created = create_positions(&session, stored, first, partitions, run_id);
	if (session.status == AB_SINK_OK && created > 0 && note[0] == '\0')
		snprintf(note, AB_SINK_ERROR_MAX_BYTES, "redis: positions were made for %d of %d partitions", created,
			 partitions);
	free(stored);
	return ab_session_close(&session);
}

enum ab_sink_status ab_redis_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error)
{
	struct ab_redis_session session;

	AB_ASSERT(partitions >= 0 && partitions <= AB_PARTITIONS_MAX);
	ab_session_open(&session, sink, error);
	check_server(&session);
	struct stored *stored = read_stored(&session);
	check_layout(&session, stored);
	for (int p = 0; p < partitions; p++) {
		for (int lane = 0; lane < sink->lanes; lane++) {
			if (stored->at.position[lane][p] < 0)
				ab_session_fail(&session, AB_SINK_MISSING, "redis: %s holds no position for partition %d, lane %d"
				     ": if this Redis is new, was emptied, or the topic has grown, run `anabranch init`",
				     sink->positions_key, p, lane);
		}
	}
	if (session.status == AB_SINK_OK) {
		*io = stored->at;
		io->lanes = sink->lanes;
	}
	free(stored);
	return ab_session_close(&session);
}

static redisReply *call_script(struct ab_redis_session *session, const char *how, const char *script)
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
	struct ab_redis_session session;

	sink->applied_seen = applied;
	if (!quiet || applied == boarded || applied == sink->applied_refreshed)
		return AB_SINK_OK;
	ab_session_open(&session, sink, error);
	if (session.status == AB_SINK_OK) {
		redisReply *reply = call_script(&session, "EVALSHA", ab_redis_script_sha);
		if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
			freeReplyObject(reply);
			reply = call_script(&session, "EVAL", ab_redis_script);
		}
		ab_session_release(ab_session_checked(&session, reply));
	}
	if (session.status == AB_SINK_OK)
		sink->applied_refreshed = applied;
	return ab_session_close(&session);
}
