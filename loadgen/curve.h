/* loadgen/curve.h — a count that only grows, seen from time to time; and when it had reached a number.
 *
 * Offered, committed and arrived are such curves. Where two of them reach the same number, their distance in time is how
 * far behind the one is; that is exact to the distance of two points, between which a straight line is taken.
 *
 * Threads: one. Memory: grows while points are added, 16 bytes each.
 */
#pragma once

#include "core/base.h"

struct ab_curve_point {
	int64_t ns;
	uint64_t count;
};

struct ab_curve {
	struct ab_curve_point *points;
	size_t used, room;
};

/* Times rise; a count below the last one is taken as the last one. */
void ab_curve_add(struct ab_curve *curve, int64_t ns, uint64_t count);
void ab_curve_free(struct ab_curve *curve);

uint64_t ab_curve_last(const struct ab_curve *curve);

/* The count at a time; before the first point its count, after the last one the last count. */
double ab_curve_at(const struct ab_curve *curve, int64_t ns);

/* When the count was reached: INT64_MAX when it never was. */
int64_t ab_curve_when(const struct ab_curve *curve, double count);
