/* loadgen/search.h — the highest rate at which the thresholds hold.
 *
 *     1,000  2,000  4,000 ✗  3,000  3,500 ✗ …      doubled until one does not hold, then halved into what is between
 *
 * Each rate is a test of its own: one stage of the first --stage's duration, drained in the end. A rate that the
 * generator or its target could not keep does not hold either. The best one's report is written in the end.
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
