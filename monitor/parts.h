/* monitor/parts.h — how each part of the pipeline is asked how it is: engine, PostgreSQL, Connect, Kafka, Redis' boards.
 *
 * Each asker is independent of the engine's own view: a broker that is down is seen to be down, whatever the engine says.
 *
 * Threads: one watch each (monitor/watch.h). Memory: fixed; what an answer does not hold is left out and said so.
 * Cost:    the engine renders /metrics once per question; PostgreSQL answers from its statistics and slot views.
 */
#pragma once

#include "core/config.h"
#include "monitor/watch.h"

#define AB_PARTS_ENGINE_BYTES (1024 * 1024)
#define AB_PARTS_READY_BYTES  4096
#define AB_BOARD_ROWS         5

/* The two pages of the engine, unread. */
struct ab_engine_pages {
	int64_t at_ns;
	size_t metrics_len;
	char ready[AB_PARTS_READY_BYTES];
	char metrics[AB_PARTS_ENGINE_BYTES];
};

struct ab_postgres_answer {
	int64_t at_ns;
	double changed_rows; /* inserted, updated, deleted in engagement_events since statistics began */
	double slot_lag_bytes; /* written and not yet confirmed by Debezium; -1: there is no slot */
	bool slot_active;
	double backends;
};

struct ab_connect_answer {
	char connector[16]; /* RUNNING, FAILED, PAUSED, …; "" when there is no such connector */
	char task[16];
	char why[160]; /* first line of the trace, when failed */
};

struct ab_kafka_answer {
	int brokers;
	int topic_partitions; /* of the events topic; 0: it does not exist */
};

struct ab_board_row {
	char name[64];
	double score;
};

struct ab_board {
	int count;
	struct ab_board_row row[AB_BOARD_ROWS];
};

struct ab_redis_answer {
	struct ab_board engagement, access, content;
	char last_update[40];
};

/* The askers: self is the config, or what the opener made of it. */
ab_watch_ask ab_ask_engine, ab_ask_postgres, ab_ask_connect, ab_ask_kafka, ab_ask_redis;

struct ab_asker {
	const struct ab_config *config;
	const char *connector; /* its name in Connect */
	void *handle; /* the asker's own connection, kept between questions */
};

/* Closes what an asker kept. Its watch has stopped. */
void ab_asker_close_postgres(struct ab_asker *asker);
void ab_asker_close_kafka(struct ab_asker *asker);
void ab_asker_close_redis(struct ab_asker *asker);
