/* loadgen/zipf.h — a skewed choice of 0 .. count-1: number k is chosen in proportion to 1 / (k+1)^s.
 *
 * Constant time and no table, for any count: rejection-inversion draws 1.1 random numbers on average.
 *
 * Threads: any; pure after ab_zipf_open(). Memory: the caller's struct.
 * Source: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
 * ACM TOMACS 6.3 (1996).
 */
#pragma once

#include "loadgen/random.h"

/* Beyond 4 almost every event has the same content. */
#define AB_ZIPF_MILLI_MAX 4000

struct ab_zipf {
	uint64_t count; /* 0: no skew */
	double s;
	double at_first, at_end, shortcut;
};

/* s_milli: thousandths of the exponent, 1 .. AB_ZIPF_MILLI_MAX. */
void ab_zipf_open(struct ab_zipf *zipf, uint64_t count, int64_t s_milli);
uint64_t ab_zipf_draw(const struct ab_zipf *zipf, struct ab_random *r);
