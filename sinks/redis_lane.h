/* sinks/redis_lane.h — the Redis sink's own: what its four files share. See redis.c for the whole.
 *
 * Threads: struct ab_sink is fixed after creation, but for the boards' state: its first part is the sink thread's (all
 *          lanes of a sink run on one thread), its atomics are the courier's to read. A lane is the sink thread's.
 * Memory:  taken at creation, from item_max: a request of item_max records that have nothing in common still fits.
 */
#pragma once

#include <stdatomic.h>

#include "sinks/redis.h"
#include "sinks/redis_resp.h"
#include "sinks/redis_sum.h"

#define AB_REDIS_POSITIONS_PREFIX "anabranch:positions:"
#define AB_REDIS_NEWEST_MINUTE "anabranch:newest_minute"

/* An event more than this ahead of its Kafka record has a broken clock: it is counted in its own window, but it does
 * not move the newest minute, which would take the boards away from everybody else's events. */
#define AB_REDIS_FUTURE_MAX_MS INT64_C(86400000)

/* Boards are as old as this at most while events come; those of contents cost Redis up to 10 ms, so less often. */
#define AB_REDIS_BOARDS_NS (1 * INT64_C(1000000000))
#define AB_REDIS_CONTENT_BOARD_NS (2 * INT64_C(1000000000))

/* Whether Redis evicts keys is asked this often. */
#define AB_REDIS_WATCH_NS (10 * INT64_C(1000000000))

/* Answers: a stored position for each of AB_PARTITIONS_MAX, or ROLE's list of replicas. Larger is broken. */
#define AB_REDIS_REPLY_MAX_BYTES (32 * 1024)

#define AB_REDIS_KEY_MAX_BYTES 320
#define AB_REDIS_NAME_MAX_BYTES 520		/* above the longest the configuration takes */
#define AB_REDIS_FIELD_MAX_BYTES 32	/* <partition>:<lane> */
#define AB_REDIS_SHA_BYTES 40

/* Worst case of one record in a request: a window, a type and a content of its own; then of one range, and the rest. */
#define AB_REDIS_REQUEST_RECORD_BYTES (3 * 32 + (AB_CONTENT_TYPE_MAX_BYTES + 16 + 3 * 32) + (48 + 32))
#define AB_REDIS_REQUEST_RANGE_BYTES (AB_REDIS_FIELD_MAX_BYTES + 16 + 2 * 32)
#define AB_REDIS_REQUEST_FIXED_BYTES 2048

enum ab_redis_boards { AB_REDIS_BOARDS_NONE, AB_REDIS_BOARDS_TYPES, AB_REDIS_BOARDS_ALL };

struct ab_sink {
	char host[AB_REDIS_NAME_MAX_BYTES], user[AB_REDIS_NAME_MAX_BYTES], password[AB_REDIS_NAME_MAX_BYTES];
	char key_by[AB_REDIS_NAME_MAX_BYTES];
	char positions_key[AB_REDIS_KEY_MAX_BYTES];
	int port, lanes;
	int64_t timeout_ms, window_ttl_seconds, boards_every;
	char *load;			/* SCRIPT LOAD, ready to send */
	size_t load_len;
	char *hello;			/* [AUTH] ROLE SCRIPT LOAD */
	size_t hello_len;
	int hello_replies;

	/* the sink thread's: what one request adds up, before it is written out; and when boards were last asked for */
	struct ab_redis_sum sum;
	int64_t requests_since_boards, boards_ns, content_board_ns;
	/* Batches applied, and how many of them all boards contain; sink thread writes, the courier reads [R1: relaxed: the
	 * numbers stand for themselves]. */
	_Atomic uint64_t applied, boarded;
	/* the courier's: applied as of the last two looks */
	uint64_t applied_seen, applied_refreshed;
	int64_t watched_ns;
	/* Keys Redis says it has evicted: tend's caller writes, metrics reads [R2: relaxed, as above]. */
	_Atomic int64_t evicted;
};

enum ab_redis_phase { AB_REDIS_QUIET, AB_REDIS_HELLO, AB_REDIS_REQUEST };

struct ab_sink_lane {
	struct ab_sink *sink;
	int index;
	uint32_t item_max;
	char head[64];			/* how many arguments; known last, sent first */
	char *body;
	size_t body_max;
	bool load_script;		/* Redis does not know the script: send it before the next request */
	bool load_sent;
	enum ab_redis_boards boards;	/* of the request in flight */
	uint64_t boards_mark;		/* sink->applied when it was sent */

	enum ab_redis_phase phase;
	int replies_wanted, replies_seen;
	enum ab_reply_result verdict;	/* of the replies seen so far: the first that is not DONE */
	char reply[AB_REDIS_REPLY_MAX_BYTES];
	size_t reply_len;
};

/* The script, its length and SHA-1 in hex: made from redis.lua by the build. */
extern const char ab_redis_script[];
extern const size_t ab_redis_script_len;
extern const char ab_redis_script_sha[];

size_t ab_redis_body_bytes(uint32_t item_max);
void ab_redis_hello(struct ab_sink_lane *lane, struct ab_request *out);
void ab_redis_request(struct ab_sink_lane *lane, struct ab_batch *batch, struct ab_request *out);

/* "<partition>:<lane>", terminated. */
size_t ab_redis_field(char *to, int partition, int lane);

enum ab_reply_result ab_redis_reply(struct ab_sink_lane *lane, struct ab_batch *batch, const void *bytes, size_t len,
				    const struct ab_reply *to);
/* What an error line of Redis' means, and in words what to do about it: written after "redis: <the line>". */
enum ab_reply_result ab_redis_classify(const char *line, size_t len, const char **advice);

enum ab_sink_status ab_redis_probe(struct ab_sink *sink, char *error);
enum ab_sink_status ab_redis_init(struct ab_sink *sink, const struct ab_sink_positions *first, int partitions,
				  const char *run_id, char *note, char *error);
enum ab_sink_status ab_redis_positions(struct ab_sink *sink, int partitions, struct ab_sink_positions *io, char *error);
