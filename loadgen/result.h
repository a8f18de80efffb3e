/* loadgen/result.h — what a stress test found out: numbers only, computed from what was recorded.
 *
 *     plan, commits, arrivals (curves)      ┐
 *     marks seen (samples)                  ├─▶ per stage, per sink ─▶ text, JSON, page, thresholds, comparison
 *     verifier, host, engine's cost         ┘
 *
 * A latency belongs to the stage in which its row was meant to be written, whenever it arrives.
 *
 * Threads: one, after all others have ended. Memory: the caller's struct; points are taken once per sink.
 */
#pragma once

#include "loadgen/arguments.h"
#include "loadgen/curve.h"
#include "loadgen/reader.h"
#include "loadgen/report.h"
#include "loadgen/scrape.h"
#include "loadgen/stage.h"
#include "loadgen/threshold.h"

/* Parts of a stage whose percentiles are taken by themselves: how far they lie apart is the noise. */
#define AB_RESULT_PARTS 5

/* What a percentile is that has too few samples, or a time that never came. In milliseconds. */
#define AB_NO_MS (-1.0)

/* More than this share of a stage's rows sent late, or less than that share committed in its time: the stage is not the
 * one that was asked for. */
#define AB_MISSED_MAX 0.05
#define AB_ACHIEVED_MIN 0.99

struct ab_point {
	uint32_t stage;
	int64_t meant_ns, commit_ns, seen_ns, searchable_ns; /* AB_NEVER */
};

struct ab_points {
	struct ab_point *at;
	uint32_t count;
};

struct ab_times {
	uint64_t count; /* of samples */
	double ms[AB_PERCENTILES]; /* or AB_NO_MS */
};

struct ab_stage_sink {
	uint64_t arrived;	/* during the stage */
	double rate;		/* per second */
	int64_t behind;		/* rows committed and not arrived, at the stage's end */
	double behind_ms;	/* age of the oldest of them, or 0 */
	uint64_t unseen;	/* marks that never came */
	struct ab_times freshness, response, searchable;
	double part_ms[AB_RESULT_PARTS][2]; /* freshness p50 and p99 of each part, or AB_NO_MS */
};

struct ab_stage_result {
	struct ab_stage stage;
	struct ab_report report;
	int64_t start_ns, end_ns;
	uint64_t planned;
	uint64_t committed; /* within the stage's time, rows of this stage or an earlier one */
	double offered_rate, achieved_rate;
	double achieved;    /* share of planned */
	double missed;	    /* share of rows sent late */
	double blocked_s;   /* waited because the target took no more */
	double engine_cpu;  /* cores */
	struct ab_stage_sink sink[AB_SINKS_MAX];
	const char *invalid; /* why the stage is not the one asked for; NULL: it is */
	char invalid_text[200];
};

enum ab_seen_by { AB_SEEN_BY_READER, AB_SEEN_BY_COUNT };

struct ab_sink_result {
	const char *name;
	enum ab_seen_by by;
	uint64_t arrived, rejected, duplicates, errors;
	uint64_t unseen, looks, look_errors;
	const char *look_error; /* the last one */
	double look_max_ms, drain_ms; /* AB_NO_MS: it did not arrive in time */
	struct ab_points points;
	struct ab_times freshness, response, searchable; /* of the whole run */
};

enum ab_verified { AB_NOT_VERIFIED, AB_VERIFIED };

struct ab_verify_sink_result {
	char name[AB_SINK_NAME_BYTES];
	int compared;
	int64_t expected, lost, duplicated, differing;
};

struct ab_verify_result {
	enum ab_verified state;
	char why[256]; /* not verified: why */
	int exit_code;
	uint32_t sinks;
	struct ab_verify_sink_result sink[AB_SINKS_MAX + 1]; /* and PostgreSQL */
};

struct ab_threshold_result {
	struct ab_threshold threshold;
	int measured; /* 0: there was nothing to measure, which counts as failed */
	int holds;
	double worst;
	char where[64];
};

struct ab_host {
	char name[65], kernel[160], processor[96];
	uint32_t processors;
	uint64_t memory_bytes;
};

struct ab_result {
	const struct ab_arguments *arguments;
	char started[32]; /* ISO time */
	int64_t started_ms;
	char version[32];
	const char *ended; /* complete, stopped, failed */
	struct ab_host host;
	uint64_t contents;
	uint32_t stages, sinks;
	struct ab_stage_result *stage;
	struct ab_sink_result sink[AB_SINKS_MAX];
	struct ab_curve offered, committed; /* of rows, over the run */
	const struct ab_scrape *scrape;
	int64_t start_ns, end_ns; /* first planned row; end of the drain */
	uint64_t marks, marks_dropped;
	double generator_cpu_s;
	struct ab_verify_result verify;
	struct ab_threshold_result threshold[AB_THRESHOLDS_MAX];
	uint32_t thresholds;
	int passed, valid;
};

/* points from a reader's samples, or from curves (a sink that is not looked into). */
void ab_result_points_of_reader(struct ab_points *points, const struct ab_reader *reader);
void ab_result_points_of_curves(struct ab_points *points, const struct ab_result *result, const struct ab_curve *settled);

/* Everything that follows from curves, points and reports. */
void ab_result_compute(struct ab_result *result);
void ab_result_judge(struct ab_result *result);
void ab_result_free(struct ab_result *result);

/* which: 0 freshness, 1 response, 2 searchable. Of points meant in [from, to) of one stage; any stage: UINT32_MAX.
 * Returns how many were sorted into ms, which the caller frees; unseen ones are left out. */
uint32_t ab_result_sorted(const struct ab_points *points, int which, uint32_t stage, int64_t from_ns, int64_t to_ns,
	double **ms);
double ab_result_percentile(const double *sorted, uint32_t count, uint32_t ppm);
