/* bench/messages.h — the messages that benches decode: made by loadgen/debezium.c, or recorded (tests/golden).
 *
 * They lie one behind another like the records of one Kafka response, with what a record has around its value between
 * them, so that what is read behind a value is the next record.
 *
 * Threads: one. Memory: taken at creation.
 */
#pragma once

#include "loadgen/debezium.h"
#include "core/cache.h"

/* Contents that events point to; the contract's CONTENT_ROWS. */
#define AB_BENCH_CONTENTS 5000

struct ab_bench_messages {
	uint32_t count;
	struct ab_text *at;
	char *bytes;
	size_t used, room;
	double mean_bytes;
};

/* What is in a set besides inserts. */
enum ab_bench_mix {
	AB_BENCH_INSERTS,	/* nothing */
	AB_BENCH_MIXED,		/* five updates and one delete in a hundred */
};

void ab_bench_messages_make(struct ab_bench_messages *messages, enum ab_shape shape, enum ab_bench_mix mix,
			    uint32_t count);

/* Every engagement_events.*.json below tests/golden/FOLDER that is smaller than 64 KiB, repeated `times`. */
void ab_bench_messages_golden(struct ab_bench_messages *messages, const char *folder, uint32_t times);

void ab_bench_messages_destroy(struct ab_bench_messages *messages);

/* A cache with the contents that the made messages point to. */
struct ab_cache *ab_bench_contents(void);
