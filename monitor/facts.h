/* monitor/facts.h — what a person needs to know about the pipeline, from the last answers of its parts.
 *
 *     watches ──▶ ab_facts_take() ──▶ facts ──▶ screen | JSON
 *                       │
 *                 history: the engine's answers of the last 10 s, for rates and for what stands still
 *
 * A plain function of answers and of the time; no I/O. What is not known is NAN (numbers) or "" (words), never 0: a part
 * that does not answer has no lag of 0.
 *
 * Words of health, worst first. Each has its reason in `sentence`.
 *     DOWN      the engine does not answer
 *     STALLED   a sink has records to take and has taken none for two seconds, and something is in its way
 *     DEGRADED  a sink, or a neighbour, is not well; the others go on
 *     BEHIND    all take records, and the distance to the end of the log grows
 *     IDLE      nothing comes in
 *     OK
 *     ASKING    nobody has answered yet: the monitor has just begun
 *
 * Threads: one. Memory: fixed, but for the scrapes of the history.
 */
#pragma once

#include "core/config.h"
#include "monitor/parts.h"
#include "monitor/scrape.h"

#define AB_FACTS_WINDOW_S  10
#define AB_FACTS_STALLED_S 2 /* a sink that takes nothing for so long, with something in its way, stands still */
#define AB_FACTS_HISTORY   32 /* answers: the window, even when asked every 400 ms */
#define AB_FACTS_THREADS   16
#define AB_FACTS_BUCKETS   32
#define AB_FACTS_SPARK     60 /* points of the little graph */

enum ab_health {
	AB_HEALTH_OK,
	AB_HEALTH_IDLE,
	AB_HEALTH_BEHIND,
	AB_HEALTH_DEGRADED,
	AB_HEALTH_STALLED,
	AB_HEALTH_DOWN,
	AB_HEALTH_ASKING
};

/* Burrow's words, from a window and without thresholds. */
enum ab_progress {
	AB_PROGRESS_UNKNOWN,
	AB_PROGRESS_OK,
	AB_PROGRESS_WARN, /* it moves, and falls behind */
	AB_PROGRESS_STOP, /* there are records, and it does not move */
};

struct ab_facts_sink {
	char name[16];
	char state[24]; /* the engine's word */
	char why[160];
	bool live; /* its ordinary state: it reads with the others */
	bool stalled;
	double stalled_s; /* how long it has taken nothing while it should */
	double given_per_s, acked_per_s, bytes_per_s, requests_per_s;
	double p50_s, p99_s; /* commit to acknowledged: the bound below which they lie */
	double request_p99_s;
	double behind; /* records between its position and the end of the log */
	double behind_s; /* age of the next record it needs; NAN: the engine does not tell */
	double in_flight, held; /* requests; records */
	double batch_records; /* mean of the window */
	double batch_max;
	double retries, duplicates, dead, errors; /* since the engine started */
	double errors_new; /* in the window */
	double freshness_count[AB_FACTS_BUCKETS]; /* since the answer before; the bounds are in facts.bound_s */
};

struct ab_facts_partition {
	int number;
	double committed, end, lag;
	double sink_lag[AB_SINKS_MAX];
	enum ab_progress progress;
};

struct ab_facts_thread {
	char name[24];
	double busy, idle, blocked; /* shares of the window's time */
};

struct ab_facts {
	int64_t wall_ms;
	enum ab_health health;
	char sentence[240]; /* why it is what it is */
	char bottleneck[160]; /* which stage limits now; "" when none does */

	struct ab_watch_state engine, postgres, connect, kafka, redis;
	struct ab_postgres_answer postgres_said;
	struct ab_connect_answer connect_said;
	struct ab_kafka_answer kafka_said;
	struct ab_redis_answer redis_said;

	char limit
	    [24]; /* the stage that the engine names: kafka, workers, sink_thread, a sink; "" or none: it keeps up */
	double window_s; /* that rates are of: up to AB_FACTS_WINDOW_S; 0: one answer so far */
	char version[24];
	double uptime_s, cpu_share, rss_bytes, contents;
	double rows_per_s; /* changes in PostgreSQL */
	double read_per_s, read_bytes_per_s, lag;
	double freshness_p99_s; /* the worst sink's */
	char freshness_sink[16];
	double dead_letters, enrich_unknown;
	int sink_count, partition_count, thread_count;
	struct ab_facts_sink sink[AB_SINKS_MAX];
	struct ab_facts_partition partition[AB_PARTITIONS_MAX];
	struct ab_facts_thread thread[AB_FACTS_THREADS];

	int bound_count; /* of the freshness histogram; one more bucket counts what is beyond the last */
	double bound_s[AB_FACTS_BUCKETS];

	double spark_rate[AB_FACTS_SPARK], spark_p99[AB_FACTS_SPARK]; /* oldest first; NAN: not known */
};

/* All the watches of one pipeline. */
struct ab_facts_watches {
	struct ab_watch engine, postgres, connect, kafka, redis;
};

struct ab_facts_history {
	struct ab_scrape scrape[AB_FACTS_HISTORY]; /* a ring: newest at (first + count - 1) */
	int first, count;
	uint64_t engine_count; /* of the last answer taken */
	struct ab_postgres_answer postgres[AB_FACTS_HISTORY];
	int postgres_first, postgres_count;
	uint64_t postgres_answers;
	double spark_rate[AB_FACTS_SPARK], spark_p99[AB_FACTS_SPARK];
	struct ab_engine_pages pages;
};

/* The history begins empty: ab_facts_begin(). */
void ab_facts_begin(struct ab_facts_history *history);
void ab_facts_end(struct ab_facts_history *history);

/* Takes what is new from the watches and fills all of *facts. */
void ab_facts_take(struct ab_facts_history *history, struct ab_facts_watches *watches, const struct ab_config *config,
		   struct ab_facts *facts);

/* The engine's part of it, from the history alone: what tests feed. ready: the text of /readyz. */
void ab_facts_of_engine(const struct ab_facts_history *history, const char *ready, const struct ab_config *config,
			struct ab_facts *facts);
/* Adds one answer; the scrape is the history's from now on. An engine that was started again empties it first. */
void ab_facts_add(struct ab_facts_history *history, struct ab_scrape scrape);

/* The words of health and its sentence; everything else of *facts is filled. */
void ab_facts_judge(struct ab_facts *facts);

const char *ab_health_word(enum ab_health health);
const char *ab_progress_word(enum ab_progress progress);
