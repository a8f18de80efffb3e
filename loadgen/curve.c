/* loadgen/curve.c — see curve.h. */
#include "loadgen/curve.h"

void ab_curve_add(struct ab_curve *c, int64_t ns, uint64_t count)
{
	if (c->used == c->room) {
		c->room = c->room == 0 ? 1024 : 2 * c->room;
		c->points = realloc(c->points, c->room * sizeof *c->points);
		AB_ASSERT(c->points != NULL);
	}
	AB_ASSERT(c->used == 0 || c->points[c->used - 1].ns <= ns);
	c->points[c->used] = (struct ab_curve_point){ns, ab_max_u64(count, ab_curve_last(c))};
	c->used++;
}

void ab_curve_free(struct ab_curve *c)
{
	free(c->points);
	*c = (struct ab_curve){0};
}

uint64_t ab_curve_last(const struct ab_curve *c)
{
	return c->used == 0 ? 0 : c->points[c->used - 1].count;
}

static double between(double x, double x0, double x1, double y0, double y1)
{
	return x1 <= x0 ? y1 : y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

double ab_curve_at(const struct ab_curve *c, int64_t ns)
{
	size_t low = 0, high = c->used; /* the first point at or after ns is in [low, high] */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (c->points[middle].ns < ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->used)
		return (double)ab_curve_last(c);
	if (low == 0)
		return (double)c->points[0].count;
	const struct ab_curve_point *a = &c->points[low - 1], *b = &c->points[low];
	return between((double)(ns - a->ns), 0, (double)(b->ns - a->ns), (double)a->count, (double)b->count);
}

int64_t ab_curve_when(const struct ab_curve *c, double count)
{
	size_t low = 0, high = c->used; /* the first point with at least that count */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if ((double)c->points[middle].count < count)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->used)
		return INT64_MAX;
	if (low == 0)
		return c->points[0].ns;
	const struct ab_curve_point *a = &c->points[low - 1], *b = &c->points[low];
	return a->ns + (int64_t)between(count, (double)a->count, (double)b->count, 0, (double)(b->ns - a->ns));
}
