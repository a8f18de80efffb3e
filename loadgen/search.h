/* loadgen/search.h — the highest rate at which the thresholds hold.
 *
 *     1,000  2,000  4,000 ✗  3,000  3,500 ✗ …      doubled until one does not hold, then halved into what is between
 *
 * Each rate is a test of its own: one stage of the first --stage's duration, drained in the end. A load that was not as
 * planned says nothing of the pipeline, and may be one hiccup of the machine: such a rate is tried once more, and if it is
 * not as planned again, it does not hold. The best one's report is kept.
 *
 * Threads: the sender's.
 */
#pragma once

#include "loadgen/arguments.h"
#include "loadgen/exit.h"
#include "loadgen/settings.h"

#define AB_SEARCH_FIRST_RATE 1000
/* Halvings after the first rate that did not hold: the answer is exact to a sixteenth of the range between. */
#define AB_SEARCH_HALVINGS 4
#define AB_SEARCH_TRIALS_MAX 24

enum ab_exit ab_search(const struct ab_arguments *arguments, const struct ab_settings *settings);

enum ab_search_verdict {
	AB_SEARCH_HOLDS,
	AB_SEARCH_CROSSED,	/* a threshold */
	AB_SEARCH_NOT_AS_PLANNED,
};

struct ab_search_trial {
	uint32_t batch_rows;
	enum ab_search_verdict verdict;
	char why[240];
};

/* What trials say so far: batches of so many rows. 0: none. */
struct ab_search_state {
	uint32_t good;	/* the largest that holds */
	uint32_t bad;	/* the smallest that does not */
	uint32_t next;	/* to be tried; 0: the search is over */
};

/* Pure. What a load that was not as planned did to the thresholds says nothing: a stall of the machine does both. */
enum ab_search_verdict ab_search_verdict(int as_planned, int thresholds_hold);

/* Pure. */
struct ab_search_state ab_search_state(const struct ab_search_trial *trial, uint32_t count);
