/* loadgen/threshold.h — what must hold for a stress test to pass, in words as k6 has them.
 *
 *     freshness.p99<500ms              in every stage, at every sink
 *     redis.freshness.p99<200ms        at one sink
 *     missed<1%@Extreme                in one stage
 *     lost==0                          in the end
 *
 * Threads: any; pure. Memory: the caller's structs.
 */
#pragma once

#include "core/base.h"
#include "loadgen/text.h"

#define AB_THRESHOLDS_MAX 64

enum ab_measure {
	/* times, each with p50 p90 p99 p99.9 max */
	AB_MEASURE_FRESHNESS,  /* commit to visible, per sink */
	AB_MEASURE_RESPONSE,   /* intended time to visible, per sink */
	AB_MEASURE_SEARCHABLE, /* commit to found by a search; Elasticsearch */
	AB_MEASURE_COMMIT,     /* intended time to commit; the generator's */
	/* per stage and sink */
	AB_MEASURE_BEHIND, /* events not there yet at the stage's end */
	/* per stage */
	AB_MEASURE_MISSED,   /* share of rows that left too late */
	AB_MEASURE_ACHIEVED, /* committed within the stage, of offered */
	/* of the whole run */
	AB_MEASURE_LOST,
	AB_MEASURE_DUPLICATED,
	AB_MEASURE_DRAIN, /* from the last row to the last arrival */
};

enum ab_percentile { AB_P50, AB_P90, AB_P99, AB_P999, AB_PMAX };
#define AB_PERCENTILES 5

extern const char *const ab_percentile_names[AB_PERCENTILES]; /* "p50" … "p99.9", "max" */
extern const uint32_t ab_percentile_ppm[AB_PERCENTILES];

/* So many samples must there be for the percentile to stand for at least one of them beyond it. */
uint64_t ab_percentile_samples(enum ab_percentile which);

enum ab_relation { AB_LESS, AB_LESS_EQUAL, AB_EQUAL, AB_GREATER_EQUAL, AB_GREATER };

struct ab_threshold {
	char text[96]; /* as given */
	char sink[16]; /* empty: each */
	char stage[32]; /* empty: each */
	enum ab_measure measure;
	enum ab_percentile percentile;
	enum ab_relation relation;
	double limit; /* times in ms, shares from 0 to 1 */
};

void ab_threshold_parse(struct ab_threshold *threshold, const char *text, struct ab_problems *problems);

/* value in the unit of limit. */
int ab_threshold_holds(const struct ab_threshold *threshold, double value);

int ab_measure_is_time(enum ab_measure measure);
int ab_measure_is_of_sink(enum ab_measure measure);
int ab_measure_is_of_run(enum ab_measure measure);
