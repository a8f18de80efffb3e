/* loadgen/zipf.c — see zipf.h. The names h and its integral are the paper's. */
#include "loadgen/zipf.h"

#include <math.h>

/* Below it a quotient of two tiny numbers is replaced by the first terms of its series. */
#define TINY 1e-8

static double log1p_over(double x)
{
	return fabs(x) > TINY ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

static double expm1_over(double x)
{
	return fabs(x) > TINY ? expm1(x) / x : 1 + x * (0.5 + x / 6);
}

static double h(const struct ab_zipf *z, double x)
{
	return exp(-z->s * log(x));
}

static double integral(const struct ab_zipf *z, double x)
{
	double l = log(x);
	return expm1_over((1 - z->s) * l) * l;
}

static double inverse(const struct ab_zipf *z, double x)
{
	double t = x * (1 - z->s);
	return exp(log1p_over(t < -1 ? -1 : t) * x);
}

void ab_zipf_open(struct ab_zipf *zipf, uint64_t count, int64_t s_milli)
{
	AB_ASSERT(count > 0 && s_milli > 0 && s_milli <= AB_ZIPF_MILLI_MAX);
	*zipf = (struct ab_zipf){.count = count, .s = (double)s_milli / 1000};
	zipf->at_first = integral(zipf, 1.5) - 1;
	zipf->at_end = integral(zipf, (double)count + 0.5);
	zipf->shortcut = 2 - inverse(zipf, integral(zipf, 2.5) - h(zipf, 2));
}

uint64_t ab_zipf_draw(const struct ab_zipf *zipf, struct ab_random *r)
{
	for (;;) {
		double uniform = (double)(ab_random_next(r) >> 11) * 0x1p-53;
		double u = zipf->at_end + uniform * (zipf->at_first - zipf->at_end);
		double x = inverse(zipf, u);
		double k = floor(x + 0.5);
		k = k < 1 ? 1 : k > (double)zipf->count ? (double)zipf->count : k;
		if (k - x <= zipf->shortcut || u >= integral(zipf, k + 0.5) - h(zipf, k))
			return (uint64_t)k - 1;
	}
}
