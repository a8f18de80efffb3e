/* sinks/redis_reply.c — what Redis' answers mean. The script's are described in redis.lua.
 *
 * A request may be answered by several replies (SCRIPT LOAD goes before the call once in a while, a greeting has two or
 * three). All of them are taken before the verdict is given, so that a connection that stays in use is never one
 * answer behind.
 */
#include <stdarg.h>
#include <string.h>

#include "sinks/redis_lane.h"

#define NO_CLUSTER "Redis Cluster is not supported: use a single Redis, or one behind Sentinel"
#define OF_A_LINE_MAX 200	/* of what Redis said, in our words */

static void AB_PRINTF(2, 3) say(const struct ab_reply *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to->error, AB_SINK_ERROR_MAX_BYTES, format, args);
	va_end(args);
}

static bool begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* Redis before 7 wraps what a command inside a script said: "ERR Error running script (…): …: -OOM …". */
static void unwrap(const char **line, size_t *len)
{
	const char *inner = begins(*line, *len, "ERR Error running script") ? memmem(*line, *len, ": -", 3) : NULL;

	if (inner == NULL)
		return;
	*len -= (size_t)(inner + 3 - *line);
	*line = inner + 3;
}

enum ab_reply_result ab_redis_classify(const char *line, size_t len, const char **advice)
{
	static const char killed[] = "Script killed by user";
	static const struct {
		const char *begin;
		enum ab_reply_result result;
		const char *advice;
	} known[] = {
		{"NOSCRIPT", AB_REPLY_AGAIN, "the script is sent again"},
		{"LOADING", AB_REPLY_OUTAGE, "it is reading its data after a start; waiting"},
		{"BUSY", AB_REPLY_OUTAGE, "somebody's script keeps it busy; waiting"},
		{"READONLY", AB_REPLY_RECONNECT, "it is a replica: point REDIS_HOST at the master; connecting anew"},
		{"OOM", AB_REPLY_OUTAGE, "it has reached maxmemory: raise it or free memory; waiting"},
		{"MISCONF", AB_REPLY_OUTAGE, "it cannot save its data: look at its disk; waiting"},
		{"NOREPLICAS", AB_REPLY_OUTAGE, "too few replicas follow it; waiting"},
		{"MASTERDOWN", AB_REPLY_RECONNECT, "it is a replica without its master; connecting anew"},
		{"TRYAGAIN", AB_REPLY_OUTAGE, "keys are being moved; waiting"},
		{"ERR max number of clients", AB_REPLY_OUTAGE, "raise maxclients; waiting"},
		{"NOAUTH", AB_REPLY_FATAL, "it wants a login: set REDIS_PASSWORD (and REDIS_USER)"},
		{"WRONGPASS", AB_REPLY_FATAL, "check REDIS_USER and REDIS_PASSWORD"},
		{"NOPERM", AB_REPLY_FATAL, "give the user of REDIS_USER this permission (ACL SETUSER)"},
		{"ERR invalid password", AB_REPLY_FATAL, "check REDIS_PASSWORD"},
		{"ERR AUTH", AB_REPLY_FATAL, "it has no password: leave REDIS_PASSWORD empty"},
		{"ERR Client sent AUTH", AB_REPLY_FATAL, "it has no password: leave REDIS_PASSWORD empty"},
		{"WRONGTYPE", AB_REPLY_FATAL, "a key of ours holds something else: rename or delete it"},
		{"MOVED", AB_REPLY_FATAL, NO_CLUSTER},
		{"ASK", AB_REPLY_FATAL, NO_CLUSTER},
		{"CROSSSLOT", AB_REPLY_FATAL, NO_CLUSTER},
		{"CLUSTERDOWN", AB_REPLY_FATAL, NO_CLUSTER},
	};

	unwrap(&line, &len);
	if (memmem(line, len, killed, sizeof killed - 1) != NULL) {	/* only possible before its first write */
		*advice = "somebody ended our script (SCRIPT KILL); it is sent again";
		return AB_REPLY_OUTAGE;
	}
	for (size_t i = 0; i < AB_COUNT(known); i++) {
		if (begins(line, len, known[i].begin)) {
			*advice = known[i].advice;
			return known[i].result;
		}
	}
	*advice = "this is not expected: Redis 6.2 or later is needed; nothing is sent until a restart";
	return AB_REPLY_FATAL;
}

static enum ab_reply_result judge_error(const struct ab_resp_value *value, const struct ab_reply *to)
{
	const char *advice;
	enum ab_reply_result result = ab_redis_classify(value->text.at, value->text.len, &advice);
	int len = value->text.len < OF_A_LINE_MAX ? (int)value->text.len : OF_A_LINE_MAX;

	if (result != AB_REPLY_AGAIN)
		say(to, "redis: \"%.*s\": %s", len, value->text.at, advice);
	return result;
}

static enum ab_reply_result broken(const struct ab_reply *to, const char *what)
{
	to->counts->ambiguous++;
	say(to, "redis: %s; the connection is closed and the request sent again", what);
	return AB_REPLY_AMBIGUOUS;
}

static enum ab_reply_result judge_hello(const struct ab_sink_lane *lane, struct ab_resp_value value, const char *at,
					const struct ab_reply *to)
{
	bool is_role = lane->replies_seen == lane->replies_wanted - 2;

	if (value.kind == AB_RESP_ERROR) {
		if (is_role && begins(value.text.at, value.text.len, "NOPERM"))
			return AB_REPLY_DONE;	/* may not be asked; a replica will say READONLY */
		return judge_error(&value, to);
	}
	if (!is_role || value.kind != AB_RESP_ARRAY || value.number == 0)
		return AB_REPLY_DONE;
	struct ab_resp_value role = ab_resp_next(&at);
	if (role.kind == AB_RESP_TEXT && begins(role.text.at, role.text.len, "master"))
		return AB_REPLY_DONE;
	say(to, "redis: %s:%d is a replica: point REDIS_HOST at the master, or wait for the failover",
	    lane->sink->host, lane->sink->port);
	return AB_REPLY_OUTAGE;
}

static void applied(struct ab_sink_lane *lane)
{
	struct ab_sink *sink = lane->sink;
	uint64_t count = atomic_load_explicit(&sink->applied, memory_order_relaxed) + 1;		/* [R1] */
	uint64_t boarded = atomic_load_explicit(&sink->boarded, memory_order_relaxed);

	atomic_store_explicit(&sink->applied, count, memory_order_relaxed);
	/* What was applied before this request was sent is in its boards, and so is it itself. */
	if (lane->boards == AB_REDIS_BOARDS_ALL && lane->boards_mark + 1 > boarded)
		atomic_store_explicit(&sink->boarded, lane->boards_mark + 1, memory_order_relaxed);
}

static void ack_all(struct ab_batch *batch, bool duplicate, const struct ab_reply *to)
{
	for (uint32_t i = 0; i < batch->item_count; i++) {
		if (batch->item[i].outcome != AB_OUTCOME_PENDING)
			continue;
		batch->item[i].outcome = AB_OUTCOME_ACKED;
		to->counts->acked++;
		to->counts->duplicates += duplicate;
	}
}

/* Cuts from the batch what Redis has applied before: everything of a partition below the stored position. */
static void trim(struct ab_batch *batch, const int64_t *stored, const struct ab_reply *to)
{
	for (uint32_t i = 0; i < batch->item_count; i++) {
		struct ab_item *item = &batch->item[i];
		if (item->outcome == AB_OUTCOME_PENDING && item->offset < stored[item->partition]) {
			item->outcome = AB_OUTCOME_ACKED;
			to->counts->acked++;
			to->counts->duplicates++;
		}
	}
	for (uint32_t i = 0; i < batch->range_count; i++) {
		struct ab_range *range = &batch->range[i];
		if (stored[range->partition] > range->first)
			range->first = stored[range->partition] < range->next ? stored[range->partition] : range->next;
	}
}

/* As we write it and no other way: the script compares texts. */
static bool to_offset(struct ab_text text, int64_t *offset)
{
	if (text.len == 0 || text.len > 18 || (text.at[0] == '0' && text.len > 1))
		return false;
	*offset = 0;
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*offset = *offset * 10 + (text.at[i] - '0');
	}
	return true;
}

/* MIX: a stored position for each range sent, in their order. */
static enum ab_reply_result judge_mix(struct ab_sink_lane *lane, struct ab_batch *batch, int64_t count, const char *at,
				      const struct ab_reply *to)
{
	int64_t stored[AB_PARTITIONS_MAX] = {0};

	for (uint32_t i = 0; i < batch->range_count; i++) {
		const struct ab_range *range = &batch->range[i];
		if (range->first >= range->next)
			continue;	/* was not sent */
		if (count-- == 0)
			return broken(to, "answered with fewer positions than asked");
		struct ab_resp_value value = ab_resp_next(&at);
		int64_t *position = &stored[range->partition];
		if (value.kind != AB_RESP_TEXT || !to_offset(value.text, position)) {
			say(to, "redis: %s holds no valid position for partition %d, lane %d: if this Redis is new or "
				"was emptied, run `anabranch init`", lane->sink->positions_key, range->partition,
			    lane->index);
			return AB_REPLY_FATAL;
		}
		if (*position < range->first) {
			say(to, "redis: the position of partition %d, lane %d went back from %lld to %lld (a failover "
				"or a restored snapshot): reading again from there", range->partition, lane->index,
			    (long long)range->first, (long long)*position);
			return AB_REPLY_REWIND;
		}
	}
	if (count != 0)
		return broken(to, "answered with more positions than asked");
	trim(batch, stored, to);
	return AB_REPLY_AGAIN;
}

static enum ab_reply_result judge_refusal(const struct ab_sink_lane *lane, struct ab_text status, int64_t count,
					  const char *at, const struct ab_reply *to)
{
	struct ab_text word[3] = {{"", 0}, {"", 0}, {"", 0}};

	for (int64_t i = 0; i < count && i < 3; i++) {
		struct ab_resp_value value = ab_resp_next(&at);
		if (value.kind == AB_RESP_TEXT)
			word[i] = value.text;
		if (word[i].len > OF_A_LINE_MAX / 2)
			word[i].len = OF_A_LINE_MAX / 2;
	}
	if (begins(status.at, status.len, "LAYOUT")) {
		say(to, "redis: positions were laid out anew with REDIS_SINK_PARALLELISM=%.*s, REDIS_KEY_BY=%.*s while "
			"this engine runs with %d, %s: is a second engine running?", (int)word[0].len, word[0].at,
		    (int)word[1].len, word[1].at, lane->sink->lanes, lane->sink->key_by);
		return AB_REPLY_FATAL;
	}
	if (begins(status.at, status.len, "TYPE")) {
		say(to, "redis: key %.*s is a %.*s, and has to be a %.*s: rename or delete it", (int)word[0].len,
		    word[0].at, (int)word[1].len, word[1].at, (int)word[2].len, word[2].at);
		return AB_REPLY_FATAL;
	}
	if (begins(status.at, status.len, "VALUE")) {
		say(to, "redis: key %.*s, field \"%.*s\" holds \"%.*s\", which cannot be added to: correct or delete "
			"it", (int)word[0].len, word[0].at, (int)word[1].len, word[1].at, (int)word[2].len, word[2].at);
		return AB_REPLY_FATAL;
	}
	return broken(to, "answered the script's call with something else");
}

static enum ab_reply_result judge_call(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_resp_value value,
				       const char *at, const struct ab_reply *to)
{
	if (value.kind == AB_RESP_ERROR) {
		enum ab_reply_result result = judge_error(&value, to);
		if (result != AB_REPLY_AGAIN)
			return result;
		if (lane->load_sent) {		/* it was loaded in the same breath */
			say(to, "redis: it forgets scripts at once; is there a proxy between?");
			return AB_REPLY_FATAL;
		}
		lane->load_script = true;
		return AB_REPLY_AGAIN;
	}
	if (value.kind != AB_RESP_ARRAY || value.number < 1)
		return broken(to, "answered the script's call with something else");

	lane->load_script = false;
	struct ab_resp_value status = ab_resp_next(&at);
	int64_t count = value.number - 1;
	if (status.kind != AB_RESP_TEXT)
		return broken(to, "answered the script's call with something else");
	if (status.text.len == 2 && begins(status.text.at, 2, "OK")) {
		ack_all(batch, false, to);
		applied(lane);
		return AB_REPLY_DONE;
	}
	if (status.text.len == 3 && begins(status.text.at, 3, "DUP")) {
		ack_all(batch, true, to);
		return AB_REPLY_DONE;
	}
	if (status.text.len == 3 && begins(status.text.at, 3, "MIX"))
		return judge_mix(lane, batch, count, at, to);
	return judge_refusal(lane, status.text, count, at, to);
}

/* One whole reply. */
static enum ab_reply_result judge(struct ab_sink_lane *lane, struct ab_batch *batch, const char *at,
				  const struct ab_reply *to)
{
	struct ab_resp_value value = ab_resp_next(&at);

	if (lane->phase == AB_REDIS_HELLO)
		return judge_hello(lane, value, at, to);
	if (lane->replies_seen < lane->replies_wanted - 1)	/* SCRIPT LOAD */
		return value.kind == AB_RESP_ERROR ? judge_error(&value, to) : AB_REPLY_DONE;
	return judge_call(lane, batch, value, at, to);
}

static enum ab_reply_result finish(struct ab_sink_lane *lane, const struct ab_reply *to)
{
	lane->phase = AB_REDIS_QUIET;
	if (lane->verdict == AB_REPLY_OUTAGE || lane->verdict == AB_REPLY_RECONNECT)
		to->counts->outages++;
	return lane->verdict;
}

enum ab_reply_result ab_redis_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				    const struct ab_reply *to)
{
	AB_ASSERT(lane->phase != AB_REDIS_QUIET);
	AB_ASSERT((lane->phase == AB_REDIS_HELLO) == (batch == NULL));
	if (len > sizeof lane->reply - lane->reply_len)
		return broken(to, "the answer is longer than any answer to what was asked");
	memcpy(lane->reply + lane->reply_len, bytes, len);
	lane->reply_len += len;

	const char *at = lane->reply;
	size_t left = lane->reply_len;
	while (lane->replies_seen < lane->replies_wanted) {
		size_t used;
		enum ab_resp_result whole = ab_resp_measure(at, left, &used);
		if (whole == AB_RESP_INVALID)
			return broken(to, "the answer is not in Redis' format");
		if (whole == AB_RESP_MORE) {
			memmove(lane->reply, at, left);
			lane->reply_len = left;
			return AB_REPLY_MORE;
		}
		/* After a refusal later replies are still taken, but say nothing new. */
		enum ab_reply_result result =
			lane->verdict == AB_REPLY_DONE ? judge(lane, batch, at, to) : AB_REPLY_DONE;
		if (result == AB_REPLY_AMBIGUOUS)
			return result;
		if (result != AB_REPLY_DONE)
			lane->verdict = result;
		lane->replies_seen++;
		at += used;
		left -= used;
	}
	return left > 0 ? broken(to, "there are more bytes than the answer has") : finish(lane, to);
}
