/* tests/sim/sim.h — the whole engine in one thread, under a clock, a log and sinks that a seed drives.
 *
 * What runs is the engine's own code: control, workers, lanes, and the sinks' requests and answers, byte for byte. What
 * stands in for the world is linked in place of it, by the same names:
 *
 *     log.c       io/source.h        a topic, its group (rebalances, fenced commits), private readers
 *     wire.c      io/conn.h, loop.h  connections whose requests and answers arrive, get lost, come late or twice
 *     machine.c   clock, park, pause, log lines, dead letters
 *     redis.c search.c warehouse.c   the three servers: what they keep, and how they refuse
 *
 * schedule.c draws what happens next, check.c says what must hold. One seed is one schedule, and replays exactly.
 *
 * Threads: one. Memory: everything of a schedule is in `sim`, reset by its seed.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>

#include "core/engine.h"
#include "core/position.h"

/* Large enough for several batches per lane, retries across batches and a reader that is left behind; small enough for
 * a schedule to take about a millisecond. */
#define SIM_ENGINES 3
#define SIM_PARTITIONS 3
#define SIM_RECORDS 32		/* of a partition */
#define SIM_LANES 3
#define SIM_SINKS 3
#define SIM_IDS 12		/* rows of a partition */
#define SIM_CONTENTS 6
#define SIM_REQUESTS 128
#define SIM_REPLY_BYTES (16 * 1024)
#define SIM_LETTERS 256
#define SIM_MEMBERS 24		/* of the group, the dead ones that were not noticed yet with them */
#define SIM_TEXT_BYTES 640

enum sim_sink { SIM_REDIS, SIM_BIGQUERY, SIM_ELASTICSEARCH };

/* What must become of a record at a sink. */
enum sim_fate { SIM_SKIP, SIM_APPLY, SIM_DEAD };

struct sim_record {
	int64_t offset, lsn, ts_ms;
	int id;				/* of its row, unique over all partitions */
	bool deletes;
	enum sim_fate fate[SIM_SINKS];
	int lane[SIM_SINKS];		/* by the record alone; -1: goes to none */
	const char *value;		/* NULL: a tombstone */
	size_t len;
	char text[SIM_TEXT_BYTES];
};

struct sim_partition {
	int count, produced;
	int64_t first, next;		/* the log's bounds, with what transactions leave at its end */
	struct sim_record record[SIM_RECORDS];
	int64_t committed;
	char metadata[SIM_TEXT_BYTES];
};

/* Redis: positions and counts move together, and go back together. */
struct sim_redis {
	bool script_known;
	int64_t position[SIM_LANES][SIM_PARTITIONS];
	uint8_t applied[SIM_PARTITIONS][SIM_RECORDS];	/* each record has a minute of its own, so its count is its own */
};

struct sim_search {
	int64_t version[SIM_PARTITIONS * SIM_IDS];	/* -1: no such document */
	bool deleted[SIM_PARTITIONS * SIM_IDS];
};

struct sim_warehouse {
	uint8_t copies[SIM_PARTITIONS][SIM_RECORDS];
	uint8_t late[SIM_PARTITIONS][SIM_RECORDS];	/* of those, put in by a request nobody waited for any more */
};

enum sim_health { SIM_UP, SIM_DOWN, SIM_SILENT };

/* What is wrong with a server now, in hundredths of its answers. */
struct sim_server {
	enum sim_health health;
	int refuse_percent;		/* of requests: an outage in words */
	int item_percent;		/* of items: 429 */
	bool rolled_back, wiped;
};

struct sim_engine {
	struct ab_engine *engine;	/* NULL: not running */
	struct ab_cache *cache;
	int boot;			/* how often it was started */
	bool frozen;			/* SIGSTOP */
	bool in_control, dead, letters_full;
	/* per lane: the first and the last offset of the batch last sent */
	struct sim_watch {
		int64_t first[SIM_PARTITIONS], last[SIM_PARTITIONS];
	} watch[SIM_SINKS][SIM_LANES];
	bool several_gaps;		/* of one partition, apart from each other */
	int64_t told_from[SIM_SINKS][SIM_PARTITIONS], told_to[SIM_SINKS][SIM_PARTITIONS];	/* as lost, since it started */
};

/* A frame that a kill -9 in the middle of an action unwinds to. */
struct sim_frame {
	struct sim_engine *of;
	jmp_buf jump;
	struct sim_frame *outer;
};

struct sim {
	uint64_t seed, random;
	bool trace, faults;		/* faults: something may go wrong now */
	int64_t now_ns;
	long steps;
	int partitions, engines, lanes[SIM_SINKS];
	bool only_in_time;		/* no request comes late: every duplicate would be our fault */
	bool goes_back;			/* Redis may be restored from a snapshot */
	bool retention;			/* the log loses its beginning, whoever has not read it; sinks go on behind the gap */
	bool wiped;			/* Redis was emptied at the end */
	int dead;			/* the sink that is dead at the end; -1: none */
	struct ab_config config;
	struct sim_partition log[SIM_PARTITIONS];
	struct sim_redis redis, snapshot;
	struct sim_search search;
	struct sim_warehouse warehouse;
	struct sim_server server[SIM_SINKS];
	uint8_t letter[SIM_SINKS][SIM_PARTITIONS][SIM_RECORDS];	/* Kafka has it */
	uint8_t told[SIM_SINKS][SIM_PARTITIONS][SIM_RECORDS];	/* as lost; a bit for each engine that said so */
	struct sim_engine engine[SIM_ENGINES];
	struct sim_frame *frame;
	/* how much happened: a schedule in which nothing goes wrong proves nothing */
	struct sim_tally {
		uint64_t steps, crashes, rebalances, fenced, lost, late, twice, refused, rollbacks, rewinds, own_readers,
			joins, detached, letters, commits, duplicates, gaps;
	} tally;
};

extern struct sim sim;
extern const char *const sim_sink_names[SIM_SINKS];

/* --- machine.c */
uint32_t sim_draw(uint32_t below);
bool sim_chance(uint32_t in_thousand);
void sim_trace(const char *format, ...) AB_PRINTF(1, 2);
_Noreturn void sim_fail(const char *format, ...) AB_PRINTF(1, 2);
/* The one that acts now may be killed here. */
void sim_crash_point(void);
void sim_frame_enter(struct sim_frame *frame, struct sim_engine *of);
void sim_letters_reset(void);
bool sim_letters_step(void);		/* Kafka takes one; false: there was none */
void sim_letters_orphan(struct ab_dead_letters *letters);
struct ab_dead_letters *sim_letters_of(struct sim_engine *engine);

/* --- log.c */
void sim_log_reset(void);
int sim_log_index(int p, int64_t offset);	/* which record; -1: none there */
bool sim_log_done(void);
void sim_group_reset(void);
void sim_group_kill(struct sim_engine *engine);	/* its member is silent from now on */
bool sim_group_expire(bool all);		/* a silent, or a frozen, member is put out */
/* Put out, and it does not know yet: what it sends now is late. */
bool sim_group_is_zombie(const struct sim_engine *engine);
bool sim_commit_step(void);			/* a commit under way arrives */

/* --- record.c */
void sim_record_make(int p, int i, int64_t offset);
struct ab_uuid sim_content_id(int content);

/* --- wire.c */
struct sim_request {
	bool used;
	struct ab_conn *conn;		/* NULL: nobody waits for it any more */
	enum sim_sink sink;
	bool answered;			/* the answer is under way */
	bool of_zombie;			/* its sender was out of the group, and did not know */
	bool again;			/* the network will deliver it a second time */
	char *bytes;
	size_t len, room;
	char *reply;			/* SIM_REPLY_BYTES */
	size_t reply_len;
};
void sim_wire_reset(void);
bool sim_wire_step(void);		/* something happens on the network; false: nothing to happen */
void sim_wire_cut(enum sim_sink sink);		/* all its connections */
void sim_wire_settle(void);			/* all late requests arrive now, or never */
int64_t sim_wire_due_ns(void);

/* --- the servers: take a request, write the answer; late: nobody waits for it */
void sim_redis_serve(const char *bytes, size_t len, bool late, struct sim_request *to);
void sim_search_serve(const char *bytes, size_t len, bool late, struct sim_request *to);
void sim_warehouse_serve(const char *bytes, size_t len, bool late, struct sim_request *to);
void sim_http_answer(struct sim_request *to, int status, const char *body);
const char *sim_http_body(const char *bytes, size_t len);
extern struct ab_sink_ops sim_ops[SIM_SINKS];
void sim_ops_make(void);

/* --- schedule.c */
void sim_run(uint64_t seed);
void sim_kill(struct sim_engine *engine);
/* The acting thread waits: others act meanwhile. */
void sim_wait(int64_t ns);
struct sim_engine *sim_engine_of(const struct ab_engine *engine);

/* --- check.c */
void sim_check_commit(int p, int64_t offset, const char *metadata);
void sim_check_structure(const struct sim_engine *engine);
void sim_check_send(struct sim_engine *engine, const struct ab_delivery_lane *lane);
bool sim_check_delivered(enum sim_sink sink);	/* all of the log */
void sim_check_end(void);
void sim_check_wiped(void);
bool sim_durable(enum sim_sink sink, int p, int i);
/* What an engine says: records that it told as lost need not be there. */
void sim_check_said(struct sim_engine *engine, const char *line);
