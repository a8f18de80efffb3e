/* loadgen/stress.h — a staged stress test: load by plan, every sink watched from outside, a judgement, a report.
 *
 *     stages ─▶ follow ─▶ sender ─▶ PostgreSQL or Kafka ─▶ … ─▶ engine ─▶ sinks
 *                            └─marks─▶ readers (one thread per sink) ◀───────┘
 *                                      scrape (the engine's /metrics)
 *                        all ─▶ result ─▶ thresholds ─▶ text, results.json, report.html
 *
 * Threads: the sender's, one per reader, one for /metrics. Memory: what those say; the recordings grow with the test's
 * length, 200 bytes per mark and 400 per scrape.
 */
#pragma once

#include "loadgen/arguments.h"
#include "loadgen/exit.h"
#include "loadgen/result.h"
#include "loadgen/sender.h"
#include "loadgen/settings.h"

/* No sink has moved for so long while rows are missing: it is not going to. */
#define AB_STRESS_STILL_S 60

/* The engine commits its positions every few seconds; three times that, and the verifier begins all the same. */
#define AB_STRESS_COMMIT_S 15

/* A backlog may take so long to drain before the test begins. */
#define AB_STRESS_QUIET_MAX_S 30

/* New contents must have reached the engine before the first mark; else it waits for them in mid-stage. */
#define AB_STRESS_CONTENTS_MAX_S 60

#define AB_READERS_MAX 2

struct ab_stress {
	struct ab_arguments arguments;
	const struct ab_settings *settings;
	struct ab_sender sender;
	struct ab_scrape scrape;
	struct ab_reader reader[AB_READERS_MAX];
	uint32_t readers;
	struct ab_result result;
	/* the stage under way */
	uint32_t stage;
	uint64_t offered; /* rows planned up to the batch under way, all stages */
	double marks_due; /* marks that the plan has earned and not made */
	double marks_per_row;
	uint64_t marks;
	int64_t said_ns; /* the last status line */
	uint64_t said_committed;
	uint8_t draining;
};

enum ab_exit ab_stress(const struct ab_arguments *arguments, const struct ab_settings *settings);

/* The parts, for the search: everything up to the first row; stages, drain and computing; the end. */
enum ab_target_result ab_stress_open(struct ab_stress *stress, const struct ab_arguments *arguments,
	const struct ab_settings *settings);
enum ab_target_result ab_stress_stages(struct ab_stress *stress);
void ab_stress_close(struct ab_stress *stress);
